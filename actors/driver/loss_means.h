// Losses over the whole mesh: sums divided by what they count.
#pragma once

#include <vector>

#include "actors/protocol/run_report.h"
#include "models/families/model_spec.h"

namespace stagecraft {

/// One number for each of ModelSpec::losses.
using LossSums = std::vector<double>;

/// Adds the losses of micro-batches in their order. Of a micro-batch they lie one behind the other.
/// Throws Error if they are no multiple of the sums.
void add_losses(const std::vector<double>& losses, LossSums& sums);

/// The mean of each loss; 0 for one that counts nothing. Throws Error unless there is a count for
/// each sum.
std::vector<double> loss_means(const LossSums& sums, const LossCounts& counts);

/// What is trained: the sum of the losses.
double total_loss(const std::vector<double>& means);

/// The losses of a model with several, by name; empty for a model with one.
std::vector<NamedLoss> named_losses(const ModelSpec& model, const std::vector<double>& means);

}  // namespace stagecraft

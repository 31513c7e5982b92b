#include "actors/driver/loss_means.h"

#include <numeric>

#include "kernels/base/error.h"

namespace stagecraft {

void add_losses(const std::vector<double>& losses, LossSums& sums) {
  require(losses.empty() || (!sums.empty() && losses.size() % sums.size() == 0), "losses",
          "a rank has reported {} values of {} losses", losses.size(), sums.size());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    sums[i % sums.size()] += losses[i];
  }
}

std::vector<double> loss_means(const LossSums& sums, const LossCounts& counts) {
  require(sums.size() == counts.size(), "losses", "there are {} losses and {} counts", sums.size(),
          counts.size());
  std::vector<double> means;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    means.push_back(counts[i] == 0 ? 0 : sums[i] / static_cast<double>(counts[i]));
  }
  return means;
}

double total_loss(const std::vector<double>& means) {
  return std::accumulate(means.begin(), means.end(), 0.0);
}

std::vector<NamedLoss> named_losses(const ModelSpec& model, const std::vector<double>& means) {
  std::vector<NamedLoss> named;
  if (model.losses.size() > 1) {
    for (std::size_t i = 0; i < means.size(); ++i) {
      named.push_back({model.losses.at(i).name, means[i]});
    }
  }
  return named;
}

}  // namespace stagecraft

// The matrix products of a GPT's training step, and oneDNN's calls for them with free threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/ops/matmul.h"
#include "models/families/model_config.h"

namespace stagecraft::bench {

/// C [m, n] = A [m, k] B [k, n]; A and B may be stored transposed.
struct Product {
  std::string name;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  bool a_transposed;
  bool b_transposed;
  std::int64_t times;  // number of such products in a training step of one micro-batch

  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// The products of the linear layers and the head: forward, input gradient and weight gradient.
std::vector<Product> step_products(const ModelConfig& model, std::int64_t rows);

/// Operands with random numbers.
Matmul operands(Stream& stream, const Product& product);

/// oneDNN's two calls: dnnl_sgemm, which may divide K over its threads, and the matmul primitive.
/// They use OpenMP's number of threads and keep the operands alive.
std::function<void()> free_sgemm(const Product& product, const Matmul& operands);
std::function<void()> primitive(const Product& product, const Matmul& operands);

double seconds_of(const std::function<void()>& call);

}  // namespace stagecraft::bench

#include "tests/models/layers/block_reference.h"

#include "tests/conformance/ops/activation_reference.h"

namespace stagecraft::test {
namespace {

Values value_of(const ParameterValues& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  return found == parameters.end() ? Values() : found->second;
}

/// x weight + bias
Values linear(const ParameterValues& parameters, const std::string& name, const Values& x,
              std::size_t in) {
  const Values weight = value_of(parameters, name + ".weight");
  const Values bias = value_of(parameters, name + ".bias");
  const std::size_t out = weight.size() / in;
  Values y(x.size() / in * out);
  for (std::size_t at = 0; at < y.size(); ++at) {
    const std::size_t row = at / out;
    const std::size_t column = at % out;
    y[at] = bias.empty() ? 0 : bias[column];
    for (std::size_t k = 0; k < in; ++k) {
      y[at] += x[row * in + k] * weight[k * out + column];
    }
  }
  return y;
}

}  // namespace

Values BlockReference::norm(const ParameterValues& parameters, const std::string& name,
                            const Values& x) const {
  const auto h = static_cast<std::size_t>(config_.hidden);
  const Values gamma = value_of(parameters, name + ".weight");
  const Values beta = value_of(parameters, name + ".bias");
  Values y(x.size());
  for (std::size_t row = 0; row < x.size(); row += h) {
    double mean = 0;
    double variance = 0;
    for (std::size_t i = 0; i < h; ++i) {
      mean += x[row + i] / static_cast<double>(h);
    }
    for (std::size_t i = 0; i < h; ++i) {
      variance += (x[row + i] - mean) * (x[row + i] - mean) / static_cast<double>(h);
    }
    for (std::size_t i = 0; i < h; ++i) {
      y[row + i] = (x[row + i] - mean) / std::sqrt(variance + kind_.epsilon) * gamma[i] +
                   (beta.empty() ? 0 : beta[i]);
    }
  }
  return y;
}

/// Causal; rows of qkv are q | k | v.
Values BlockReference::attention(const Values& qkv) const {
  const auto h = static_cast<std::size_t>(config_.hidden);
  const auto sequence = static_cast<std::size_t>(config_.sequence);
  const auto size = h / static_cast<std::size_t>(config_.heads);
  Values out(qkv.size() / 3);
  for (std::size_t row = 0; row < out.size() / h; ++row) {
    for (std::size_t head = 0; head < h; head += size) {
      Values weights;
      double total = 0;
      for (std::size_t key = row / sequence * sequence; key <= row; ++key) {
        double score = 0;
        for (std::size_t i = head; i < head + size; ++i) {
          score += qkv[row * 3 * h + i] * qkv[key * 3 * h + h + i];
        }
        weights.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
        total += weights.back();
      }
      for (std::size_t k = 0; k < weights.size(); ++k) {
        const std::size_t key = row / sequence * sequence + k;
        for (std::size_t i = head; i < head + size; ++i) {
          out[row * h + i] += weights[k] / total * qkv[key * 3 * h + 2 * h + i];
        }
      }
    }
  }
  return out;
}

Values BlockReference::residual(const Values& x, const Values& n, Values branch) const {
  return testing::sum_of(kind_.placement == NormPlacement::pre ? x : n, branch);
}

Values BlockReference::forward(const ParameterValues& parameters, const Values& x) const {
  const auto h = static_cast<std::size_t>(config_.hidden);
  const Values n = norm(parameters, "ln_1", x);
  const Values mixed = attention(linear(parameters, "attn.c_attn", n, h));
  const Values middle = residual(x, n, linear(parameters, "attn.c_proj", mixed, h));
  const Values m = norm(parameters, "ln_2", middle);
  Values inner = linear(parameters, "mlp.c_fc", m, h);
  for (double& value : inner) {
    value = testing::activated(kind_.activation, value);
  }
  return residual(middle, m, linear(parameters, "mlp.c_proj", inner, 2 * h));
}

}  // namespace stagecraft::test

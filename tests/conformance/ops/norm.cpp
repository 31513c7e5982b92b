#include "kernels/ops/norm.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

constexpr double kEpsilon = 1e-5;

struct Normed {
  Values y;
  Values mean;
  Values rstd;
};

Normed reference(const Values& x, const Values& gamma, const Values& beta,
                 double epsilon = kEpsilon) {
  const std::size_t h = gamma.size();
  Normed out{Values(x.size()), {}, {}};
  for (std::size_t row = 0; row < x.size(); row += h) {
    double mean = 0;
    double variance = 0;
    for (std::size_t i = 0; i < h; ++i) {
      mean += x[row + i] / static_cast<double>(h);
    }
    for (std::size_t i = 0; i < h; ++i) {
      variance += (x[row + i] - mean) * (x[row + i] - mean) / static_cast<double>(h);
    }
    const double rstd = 1 / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < h; ++i) {
      out.y[row + i] = (x[row + i] - mean) * rstd * gamma[i] + beta[i];
    }
    out.mean.push_back(mean);
    out.rstd.push_back(rstd);
  }
  return out;
}

struct Case {
  std::int64_t rows;
  std::int64_t h;
  Values x = random_values(rows * h, 1);
  Values gamma = random_values(h, 2);
  Values beta = random_values(h, 3);
  Values dy = random_values(rows * h, 4);
};

/// Shapes whose finite differences are quick; more than one block of rows among them.
std::vector<Case> small_cases() { return {{1, 1}, {3, 3}, {2, 33}, {5, 40}, {130, 5}}; }

double loss(const Case& with, const Values& x, const Values& gamma, const Values& beta) {
  return dot(reference(x, gamma, beta).y, with.dy);
}

Values dx_reference(const Case& with) {
  return numeric_gradient([&](const Values& x) { return loss(with, x, with.gamma, with.beta); },
                          with.x);
}

/// dx = rstd (g - avg(g) - n avg(g n)) with g = dy gamma and n the normalised x.
Values dx_formula(const Case& with) {
  const Values ones(with.gamma.size(), 1.0);
  const Values zeros(with.gamma.size(), 0.0);
  const Normed normed = reference(with.x, ones, zeros);
  const auto h = static_cast<std::size_t>(with.h);
  Values dx(with.x.size());
  for (std::size_t row = 0; row < dx.size(); row += h) {
    double g = 0;
    double gn = 0;
    for (std::size_t i = 0; i < h; ++i) {
      g += with.dy[row + i] * with.gamma[i] / static_cast<double>(h);
      gn += with.dy[row + i] * with.gamma[i] * normed.y[row + i] / static_cast<double>(h);
    }
    for (std::size_t i = 0; i < h; ++i) {
      dx[row + i] =
          normed.rstd[row / h] * (with.dy[row + i] * with.gamma[i] - g - normed.y[row + i] * gn);
    }
  }
  return dx;
}

/// What the forward leaves behind, as the backward takes it.
LayerNormBackwardInput backward_input(Stream& stream, const Case& with) {
  const Normed saved = reference(with.x, with.gamma, with.beta);
  return {.dy = tensor_of(stream, {with.rows, with.h}, with.dy),
          .x = tensor_of(stream, {with.rows, with.h}, with.x),
          .gamma = tensor_of(stream, {with.h}, with.gamma),
          .mean = tensor_of(stream, {with.rows}, saved.mean),
          .rstd = tensor_of(stream, {with.rows}, saved.rstd),
          .residual_gradient = {},
          .dx = poisoned(stream, {with.rows, with.h}),
          .sums = poisoned(stream, norm_sums_shape(with.rows, with.h))};
}

// The terms of dx cancel in part, the more the fewer columns there are.
constexpr double kBackwardTolerance = 2e-5;

}  // namespace

TEST_CASE("layer_norm_forward") {
  for (const auto& [rows, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1},
                                                                                  {1, 31},
                                                                                  {3, 32},
                                                                                  {7, 33},
                                                                                  {5, 100},
                                                                                  {65, 768},
                                                                                  {9, 1100},
                                                                                  {3, 1500},
                                                                                  {3, 1999},
                                                                                  {2, 3000},
                                                                                  {2, 5000},
                                                                                  {2, 20001},
                                                                                  {0, 8}}) {
    CAPTURE(rows, h);
    const Case with{rows, h};
    const Normed expected = reference(with.x, with.gamma, with.beta);
    const auto forward = [&](Stream& stream) {
      const LayerNormForward args = {.x = tensor_of(stream, {rows, h}, with.x),
                                     .gamma = tensor_of(stream, {h}, with.gamma),
                                     .beta = tensor_of(stream, {h}, with.beta),
                                     .epsilon = static_cast<float>(kEpsilon),
                                     .y = poisoned(stream, {rows, h}),
                                     .mean = poisoned(stream, {rows}),
                                     .rstd = poisoned(stream, {rows})};
      layer_norm_forward(stream, args);
      return std::vector<Values>{values_of(stream, args.y), values_of(stream, args.mean),
                                 values_of(stream, args.rstd)};
    };
    conform(forward, {expected.y, expected.mean, expected.rstd}, 1e-6);
  }
}

TEST_CASE("layer_norm_forward of a row does not depend on where the row lies") {
  const std::int64_t h = 37;
  const Case with{9, h};
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const Tensor x = tensor_of(stream, {9, h}, with.x);
    const Tensor gamma = tensor_of(stream, {h}, with.gamma);
    const auto normed = [&](const Tensor& rows) {
      const LayerNormForward args = {.x = rows,
                                     .gamma = gamma,
                                     .beta = gamma,
                                     .y = poisoned(stream, rows.shape()),
                                     .mean = poisoned(stream, {rows.size(0)}),
                                     .rstd = poisoned(stream, {rows.size(0)})};
      layer_norm_forward(stream, args);
      return args.y;
    };
    const Tensor whole = normed(x);
    for (std::int64_t row = 0; row < 9; ++row) {
      CHECK(same_bits({values_of(stream, normed(x.rows(row, row + 1)))},
                      {values_of(stream, whole.rows(row, row + 1))}));
    }
  }
}

TEST_CASE("layer_norm_backward_input against finite differences") {
  for (const Case& with : small_cases()) {
    CAPTURE(with.rows, with.h);
    const auto backward = [&](Stream& stream) {
      const LayerNormBackwardInput args = backward_input(stream, with);
      layer_norm_backward_input(stream, args);
      return std::vector<Values>{values_of(stream, args.dx)};
    };
    if (with.h > 1) {
      conform(backward, {dx_reference(with)}, kBackwardTolerance);
    } else {
      // One element is always its own mean: the gradient is zero.
      conform(backward, {Values(with.x.size(), 0.0)}, 0);
    }
  }
}

TEST_CASE("layer_norm_backward_input of rows too long for finite differences") {
  for (const auto& [rows, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {9, 256}, {9, 511}, {9, 768}, {9, 1024}, {3, 2048}, {3, 3001}, {3, 8192}, {2, 20001}}) {
    CAPTURE(rows, h);
    const Case with{rows, h};
    const auto backward = [&](Stream& stream) {
      const LayerNormBackwardInput args = backward_input(stream, with);
      layer_norm_backward_input(stream, args);
      return std::vector<Values>{values_of(stream, args.dx)};
    };
    conform(backward, {dx_formula(with)}, kBackwardTolerance);
  }
}

TEST_CASE("layer_norm_backward_input adds a residual gradient, also in place") {
  for (const bool in_place : {false, true}) {
    const Case with{5, 40};
    const Values residual = random_values(5 * 40, 5);
    const auto backward = [&](Stream& stream) {
      LayerNormBackwardInput args = backward_input(stream, with);
      args.residual_gradient = tensor_of(stream, {5, 40}, residual);
      args.dx = in_place ? args.residual_gradient : args.dx;
      layer_norm_backward_input(stream, args);
      return std::vector<Values>{values_of(stream, args.dx)};
    };
    conform(backward, {sum_of(dx_reference(with), residual)}, kBackwardTolerance);
  }
}

TEST_CASE("layer_norm_backward_weight against finite differences") {
  for (const Case& with : small_cases()) {
    for (const bool accumulate : {false, true}) {
      CAPTURE(with.rows, with.h, accumulate);
      const Values before = random_values(with.h, 6);
      Values dgamma = numeric_gradient(
          [&](const Values& gamma) { return loss(with, with.x, gamma, with.beta); }, with.gamma);
      Values dbeta = numeric_gradient(
          [&](const Values& beta) { return loss(with, with.x, with.gamma, beta); }, with.beta);
      const auto backward = [&](Stream& stream) {
        const LayerNormBackwardInput saved = backward_input(stream, with);
        const auto target = [&] {
          return accumulate ? tensor_of(stream, {with.h}, before) : poisoned(stream, {with.h});
        };
        layer_norm_backward_input(stream, saved);
        const LayerNormBackwardWeight args = {
            .sums = saved.sums, .dgamma = target(), .dbeta = target(), .accumulate = accumulate};
        layer_norm_backward_weight(stream, args);
        return std::vector<Values>{values_of(stream, args.dgamma), values_of(stream, args.dbeta)};
      };
      if (accumulate) {
        dgamma = sum_of(dgamma, before);
        dbeta = sum_of(dbeta, before);
      }
      if (with.h > 1) {
        conform(backward, {dgamma, dbeta}, kBackwardTolerance);
      }
    }
  }
}

TEST_CASE("layer_norm_backward_weight of no rows writes zero") {
  const auto backward = [](Stream& stream) {
    const LayerNormBackwardWeight args = {.sums = poisoned(stream, norm_sums_shape(0, 3)),
                                          .dgamma = poisoned(stream, {3}),
                                          .dbeta = poisoned(stream, {3}),
                                          .accumulate = false};
    layer_norm_backward_weight(stream, args);
    return std::vector<Values>{values_of(stream, args.dgamma), values_of(stream, args.dbeta)};
  };
  conform(backward, {Values(3, 0.0), Values(3, 0.0)}, 0);
}

TEST_CASE("layer_norm_backward_weight of rows of many threads") {
  for (const auto& [rows, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {257, 768}, {130, 1600}, {300, 1021}, {129, 3000}, {3, 20001}}) {
    CAPTURE(rows, h);
    const Case with{rows, h};
    const Normed normed =
        reference(with.x, Values(with.gamma.size(), 1.0), Values(with.gamma.size(), 0.0));
    Values dgamma(with.gamma.size());
    Values dbeta(with.gamma.size());
    for (std::size_t i = 0; i < with.x.size(); ++i) {
      dgamma[i % dgamma.size()] += with.dy[i] * normed.y[i];
      dbeta[i % dbeta.size()] += with.dy[i];
    }
    const auto backward = [&](Stream& stream) {
      const LayerNormBackwardInput input = backward_input(stream, with);
      layer_norm_backward_input(stream, input);
      const LayerNormBackwardWeight args = {.sums = input.sums,
                                            .dgamma = poisoned(stream, {h}),
                                            .dbeta = poisoned(stream, {h}),
                                            .accumulate = false};
      layer_norm_backward_weight(stream, args);
      return std::vector<Values>{values_of(stream, args.dgamma), values_of(stream, args.dbeta)};
    };
    conform(backward, {dgamma, dbeta}, 1e-6);
  }
}

TEST_CASE("layer normalisation without beta, with an epsilon of its own") {
  for (const auto& [rows, h] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 31}, {7, 33}, {130, 40}, {65, 768}, {9, 1100}, {2, 5000}}) {
    CAPTURE(rows, h);
    const Case with{rows, h};
    constexpr float kLarge = 0.25F;
    const Values zeros(with.gamma.size(), 0.0);
    const Normed expected = reference(with.x, with.gamma, zeros, kLarge);
    const Normed plain = reference(with.x, Values(with.gamma.size(), 1.0), zeros);
    Values dgamma(with.gamma.size());
    for (std::size_t i = 0; i < with.x.size(); ++i) {
      dgamma[i % dgamma.size()] += with.dy[i] * plain.y[i];
    }
    const auto both = [&](Stream& stream) {
      const LayerNormForward forward = {.x = tensor_of(stream, {rows, h}, with.x),
                                        .gamma = tensor_of(stream, {h}, with.gamma),
                                        .epsilon = kLarge,
                                        .y = poisoned(stream, {rows, h}),
                                        .mean = poisoned(stream, {rows}),
                                        .rstd = poisoned(stream, {rows})};
      layer_norm_forward(stream, forward);
      const LayerNormBackwardInput input = backward_input(stream, with);
      layer_norm_backward_input(stream, input);
      const LayerNormBackwardWeight weight = {
          .sums = input.sums, .dgamma = poisoned(stream, {h}), .accumulate = false};
      layer_norm_backward_weight(stream, weight);
      return std::vector<Values>{values_of(stream, forward.y), values_of(stream, forward.rstd),
                                 values_of(stream, weight.dgamma)};
    };
    conform(both, {expected.y, expected.rstd, dgamma}, 1e-6);
  }
}

TEST_CASE("layer normalisation refuses what does not fit") {
  refuses(
      [](Stream& stream) {
        layer_norm_forward(stream, {.x = poisoned(stream, {3, 4}),
                                    .gamma = poisoned(stream, {5}),
                                    .beta = poisoned(stream, {4}),
                                    .y = poisoned(stream, {3, 4}),
                                    .mean = poisoned(stream, {3}),
                                    .rstd = poisoned(stream, {3})});
      },
      "[layer_norm_forward] gamma is [5]: it should be [4]");
  refuses(
      [](Stream& stream) {
        LayerNormBackwardInput args = backward_input(stream, Case{3, 4});
        args.dx = poisoned(stream, {4, 3});
        layer_norm_backward_input(stream, args);
      },
      "[layer_norm_backward_input] dx is [4, 3]: it should be [3, 4]");
  refuses(
      [](Stream& stream) {
        const LayerNormBackwardInput saved = backward_input(stream, Case{3, 4});
        const Tensor target = poisoned(stream, {4});
        layer_norm_backward_weight(stream, {.sums = saved.sums, .dgamma = target, .dbeta = target});
      },
      "dgamma shares memory with dbeta");
}

}  // namespace stagecraft::testing

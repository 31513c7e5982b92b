// How our matrix products compare with oneDNN's own threading, on the products of GPT-2 124M with
// 1024 rows (4 sequences of 256): op matmul in fixed pieces, dnnl_sgemm that may divide K over its
// threads, and the matmul primitive. The three take turns, and the best round of each counts.
//   usage: bench_gemm [threads = 2] [rounds = 10]
#include <fmt/core.h>
#include <omp.h>
#include <dnnl.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "kernels/base/random.h"
#include "kernels/ops/matmul.h"

namespace stagecraft {
namespace {

struct Product {
  const char* name;
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  bool a_turned;
  bool b_turned;
  int times;  // a training step has this many of it

  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

/// Forward, gradient of the input and gradient of the weight of a linear layer [in, out].
void add_linear(std::vector<Product>& to, std::array<const char*, 3> names, std::int64_t in,
                std::int64_t out) {
  constexpr std::int64_t kRows = 1024;
  constexpr int kBlocks = 12;
  to.push_back({names[0], kRows, out, in, false, false, kBlocks});
  to.push_back({names[1], kRows, in, out, false, true, kBlocks});
  to.push_back({names[2], in, out, kRows, true, false, kBlocks});
}

std::vector<Product> gpt2_products() {
  std::vector<Product> all;
  add_linear(all, {"qkv forward", "qkv input gradient", "qkv weight gradient"}, 768, 2304);
  add_linear(all, {"proj forward", "proj input gradient", "proj weight gradient"}, 768, 768);
  add_linear(all, {"up forward", "up input gradient", "up weight gradient"}, 768, 3072);
  add_linear(all, {"down forward", "down input gradient", "down weight gradient"}, 3072, 768);
  // The head's weight is the token table [vocabulary, hidden].
  all.push_back({"head forward", 1024, 50304, 768, false, true, 1});
  all.push_back({"head input gradient", 1024, 768, 50304, false, false, 1});
  all.push_back({"head weight gradient", 50304, 768, 1024, true, false, 1});
  return all;
}

Tensor random_matrix(Stream& stream, std::int64_t rows, std::int64_t columns) {
  Tensor matrix(stream.memory(), {rows, columns}, DType::float32, MemoryLabel::workspace);
  fill_normal({.key = 1}, 0, static_cast<std::uint64_t>(matrix.elements()), 1.0F,
              matrix.data<float>());
  return matrix;
}

Matmul arguments(Stream& stream, const Product& p) {
  return {.a = p.a_turned ? random_matrix(stream, p.k, p.m) : random_matrix(stream, p.m, p.k),
          .transpose_a = p.a_turned ? Transpose::yes : Transpose::no,
          .b = p.b_turned ? random_matrix(stream, p.n, p.k) : random_matrix(stream, p.k, p.n),
          .transpose_b = p.b_turned ? Transpose::yes : Transpose::no,
          .c = random_matrix(stream, p.m, p.n)};
}

std::function<void()> free_sgemm(const Product& p, const Matmul& args) {
  return [=] {
    dnnl_sgemm(p.a_turned ? 'T' : 'N', p.b_turned ? 'T' : 'N', p.m, p.n, p.k, 1.0F,
               args.a.data<float>(), args.a.size(1), args.b.data<float>(), args.b.size(1), 0.0F,
               args.c.data<float>(), p.n);
  };
}

std::function<void()> primitive(const Product& p, const Matmul& args) {
  using dnnl::memory;
  const auto plain = [](std::int64_t rows, std::int64_t columns, bool turned) {
    return memory::desc({rows, columns}, memory::data_type::f32,
                        turned ? memory::dims{1, rows} : memory::dims{columns, 1});
  };
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory a(plain(p.m, p.k, p.a_turned), engine, args.a.data<float>());
  const memory b(plain(p.k, p.n, p.b_turned), engine, args.b.data<float>());
  const memory c(plain(p.m, p.n, false), engine, args.c.data<float>());
  const dnnl::matmul multiply(dnnl::matmul::primitive_desc(
      dnnl::matmul::desc(a.get_desc(), b.get_desc(), c.get_desc()), engine));
  return [=]() mutable {
    multiply.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  };
}

double seconds_of(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Best seconds of ours, the free sgemm and the primitive.
std::array<double, 3> measured(Stream& stream, const Product& p, int rounds) {
  const Matmul args = arguments(stream, p);
  const std::array<std::function<void()>, 3> ways = {[&] { matmul(stream, args); },
                                                     free_sgemm(p, args), primitive(p, args)};
  std::array<double, 3> best;
  best.fill(std::numeric_limits<double>::infinity());
  for (int round = 0; round <= rounds; ++round) {
    for (std::size_t way = 0; way < ways.size(); ++way) {
      const double seconds = seconds_of(ways[way]);
      best[way] = round == 0 ? best[way] : std::min(best[way], seconds);
    }
  }
  return best;
}

void print_row(std::string_view name, double flops, const std::array<double, 3>& seconds) {
  fmt::print("{:22} {:8.1f} {:8.1f} {:10.1f} {:16.2f}\n", name, flops / seconds[0] * 1e-9,
             flops / seconds[1] * 1e-9, flops / seconds[2] * 1e-9,
             std::min(seconds[1], seconds[2]) / seconds[0]);
}

void compare(int threads, int rounds) {
  omp_set_num_threads(threads);
  fmt::print("{} threads, GFLOP/s\n{:22} {:>8} {:>8} {:>10} {:>16}\n", threads, "product", "ours",
             "sgemm", "primitive", "ours / faster");
  std::array<double, 3> step{};
  double step_flops = 0;
  for (const Product& p : gpt2_products()) {
    const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = threads});
    const std::array<double, 3> seconds = measured(*stream, p, rounds);
    print_row(p.name, p.flops(), seconds);
    step_flops += p.times * p.flops();
    for (std::size_t way = 0; way < seconds.size(); ++way) {
      step[way] += p.times * seconds[way];
    }
  }
  print_row("all of a step", step_flops, step);
}

}  // namespace
}  // namespace stagecraft

int main(int argc, char** argv) {
  stagecraft::compare(argc > 1 ? std::atoi(argv[1]) : 2, argc > 2 ? std::atoi(argv[2]) : 10);
  return 0;
}

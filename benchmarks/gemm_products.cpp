#include "benchmarks/gemm_products.h"

#include <chrono>
#include <dnnl.hpp>

#include "kernels/base/random.h"
#include "models/layers/embedding.h"

namespace stagecraft::bench {
namespace {

void add_linear(std::vector<Product>& to, const std::string& name, std::int64_t rows,
                std::int64_t in, std::int64_t out, std::int64_t times) {
  to.push_back({name + " forward", rows, out, in, false, false, times});
  to.push_back({name + " input gradient", rows, in, out, false, true, times});
  to.push_back({name + " weight gradient", in, out, rows, true, false, times});
}

Tensor random_matrix(Stream& stream, std::int64_t rows, std::int64_t columns) {
  Tensor matrix(stream.memory(), {rows, columns}, DType::float32, MemoryLabel::workspace);
  fill_normal({.key = 1}, 0, static_cast<std::uint64_t>(matrix.elements()), 1.0F,
              matrix.data<float>());
  return matrix;
}

}  // namespace

std::vector<Product> step_products(const ModelConfig& model, std::int64_t rows) {
  const std::int64_t h = model.hidden;
  const std::int64_t vocab = padded_vocab(model.vocab, 1);
  std::vector<Product> all;
  add_linear(all, "qkv", rows, h, 3 * h, model.layers);
  add_linear(all, "proj", rows, h, h, model.layers);
  add_linear(all, "up", rows, h, 4 * h, model.layers);
  add_linear(all, "down", rows, 4 * h, h, model.layers);
  // The head's weight is the token table [vocabulary, hidden], used transposed.
  all.push_back({"head forward", rows, vocab, h, false, true, 1});
  all.push_back({"head input gradient", rows, h, vocab, false, false, 1});
  all.push_back({"head weight gradient", vocab, h, rows, true, false, 1});
  return all;
}

Matmul operands(Stream& stream, const Product& p) {
  return {.a = {p.a_transposed ? random_matrix(stream, p.k, p.m) : random_matrix(stream, p.m, p.k),
                p.a_transposed ? Transpose::yes : Transpose::no},
          .b = {p.b_transposed ? random_matrix(stream, p.n, p.k) : random_matrix(stream, p.k, p.n),
                p.b_transposed ? Transpose::yes : Transpose::no},
          .c = random_matrix(stream, p.m, p.n)};
}

std::function<void()> free_sgemm(const Product& p, const Matmul& args) {
  return [=] {
    dnnl_sgemm(p.a_transposed ? 'T' : 'N', p.b_transposed ? 'T' : 'N', p.m, p.n, p.k, 1.0F,
               args.a.tensor.data<float>(), args.a.tensor.size(1), args.b.tensor.data<float>(),
               args.b.tensor.size(1), 0.0F, args.c.data<float>(), p.n);
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
  const memory a(plain(p.m, p.k, p.a_transposed), engine, args.a.tensor.data<float>());
  const memory b(plain(p.k, p.n, p.b_transposed), engine, args.b.tensor.data<float>());
  const memory c(plain(p.m, p.n, false), engine, args.c.data<float>());
  const dnnl::matmul multiply(dnnl::matmul::primitive_desc(
      dnnl::matmul::desc(a.get_desc(), b.get_desc(), c.get_desc()), engine));
  return [=, kept = args]() mutable {
    multiply.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
    stream.wait();
  };
}

double seconds_of(const std::function<void()>& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace stagecraft::bench

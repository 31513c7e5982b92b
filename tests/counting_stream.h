// A stream of the CPU that counts what its operations are asked to compute and to move.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/ops/op_table.h"

namespace stagecraft::test {

class CountingStream : public Stream {
 public:
  explicit CountingStream(const StreamOptions& options = {});

  Stream& inner() { return *inner_; }
  /// Of the operations since the last call, flops_of and bytes_of.
  struct Count {
    double flops = 0;
    std::int64_t bytes = 0;
  };
  Count take() { return std::exchange(count_, {}); }
  void add(double flops, std::int64_t bytes) {
    count_.flops += flops;
    count_.bytes += bytes;
  }

  Device device() const override { return inner_->device(); }
  MemoryResource& memory() override { return inner_->memory(); }
  const OpTable& ops() const override { return ops_; }
  void record(Event& event) override { inner_->record(event); }
  void wait(const Event& event) override { inner_->wait(event); }
  void synchronize() override { inner_->synchronize(); }
  void synchronize(const Event& event) override { inner_->synchronize(event); }
  TimeMark mark_time() override { return inner_->mark_time(); }
  std::int64_t time_of(const TimeMark& mark) override { return inner_->time_of(mark); }
  StreamUse use() const override { return inner_->use(); }
  void begin_range(const std::string& name) override { inner_->begin_range(name); }
  void end_range() override { inner_->end_range(); }

 private:
  std::unique_ptr<Stream> inner_;
  OpTable ops_;
  Count count_;
};

}  // namespace stagecraft::test

#include "launch/run/progress.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "actors/protocol/run_report.h"

using namespace stagecraft;

namespace {

StepReport at(std::int64_t step) {
  StepReport report;
  report.step = step;
  report.loss = 2.5;
  report.tokens = 1000;
  report.seconds = 0.5;
  return report;
}

std::string contents(std::FILE* file) {
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    text += static_cast<char>(c);
  }
  return text;
}

}  // namespace

TEST_CASE("the live line has step, losses, rates and the remaining time") {
  LiveLine line({.steps = 10, .flops_per_step = 5e9});
  line.add(at(1));
  CHECK(line.text() == "step 1/10  loss 2.5000  2,000 tokens/s  10.0 GFLOP/s  4.50 s left");
  line.add(at(2));
  line.add(EvaluationReport{2, 4, 4, 2.75});
  line.add(at(3));
  CHECK(line.text() ==
        "step 3/10  loss 2.5000  validation 2.7500  2,000 tokens/s  10.0 GFLOP/s  3.50 s left");
}

TEST_CASE("the live line of a model with several losses names each") {
  LiveLine line({.steps = 10, .flops_per_step = 5e9});
  StepReport report = at(1);
  report.losses = {{"first", 2}, {"second", 0.5}};
  line.add(report);
  CHECK(
      line.text() ==
      "step 1/10  loss 2.5000 (first 2.0000, second 0.5000)  2,000 tokens/s  10.0 GFLOP/s  4.50 s "
      "left");
}

TEST_CASE("without a terminal few lines are printed: first, last and evaluations") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::tmpfile(), std::fclose);
  Progress progress({.steps = 100, .flops_per_step = 1}, out.get(), false);
  for (int step = 1; step <= 100; ++step) {
    progress.on_step(at(step));
    if (step == 50) {
      progress.on_evaluation_end({50, 4, 4, 2.75});
    }
  }
  progress.flush();
  const std::string text = contents(out.get());
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK(text.find("step 50/100") != std::string::npos);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("an evaluation that was cut short is said, without a loss") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::tmpfile(), std::fclose);
  Progress progress({.steps = 100, .flops_per_step = 1}, out.get(), false);
  progress.on_evaluation_end({50, 4096, 12, {}});
  progress.flush();
  CHECK(contents(out.get()) ==
        "the evaluation after step 50 was cut short by the stop, after 12 of 4,096 batches: it has "
        "no loss\n");
}

TEST_CASE("on a terminal one line is rewritten, and other lines follow it") {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::tmpfile(), std::fclose);
  Progress progress({.steps = 2, .flops_per_step = 1}, out.get(), true);
  progress.on_step(at(1));
  progress.flush();
  progress.on_step(at(2));
  progress.flush();
  progress.on_model_written("model");
  progress.finish_line();
  progress.flush();
  const std::string text = contents(out.get());
  CHECK(std::count(text.begin(), text.end(), '\r') == 2);
  CHECK(text.ends_with("left\nmodel written to model\n"));
}

TEST_CASE("lines that an output did not take are counted, and said at the end") {
  int ends[2]{};
  REQUIRE(::pipe(ends) == 0);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(::fdopen(ends[0], "r"), std::fclose);
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(::fdopen(ends[1], "w"), std::fclose);
  std::string text;
  {
    Progress progress({.steps = 1, .flops_per_step = 1}, out.get(), false);
    for (int step = 1; step <= 5000; ++step) {
      progress.on_step(at(1));  // is shown; more than the pipe and the queue hold
    }
    std::thread reader([&] {
      for (int c = std::fgetc(in.get()); c != EOF; c = std::fgetc(in.get())) {
        text += static_cast<char>(c);
      }
    });
    progress.flush();
    out.reset();
    reader.join();
  }
  CHECK(text.find("lines are left out: the output took none for too long") != std::string::npos);
}

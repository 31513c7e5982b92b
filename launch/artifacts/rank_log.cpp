#include "launch/artifacts/rank_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "kernels/base/error.h"

namespace stagecraft {

struct RankLog::Impl {
  std::filesystem::path file;
  std::shared_ptr<spdlog::logger> logger;
};

RankLog::RankLog(const std::filesystem::path& folder, int rank, int stage)
    : impl_(std::make_unique<Impl>()) {
  impl_->file = folder / fmt::format("rank-{}.log", rank);
  try {
    std::filesystem::create_directories(folder);
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(impl_->file.string());
    impl_->logger = std::make_shared<spdlog::logger>("rank", std::move(sink));
  } catch (const std::exception& error) {
    throw Error(impl_->file.string(), error.what());
  }
  impl_->logger->set_pattern(
      fmt::format("%Y-%m-%d %H:%M:%S.%e UTC %l rank {} stage {} %v", rank, stage),
      spdlog::pattern_time_type::utc);
  impl_->logger->flush_on(spdlog::level::info);
  impl_->logger->set_error_handler([](const std::string& /*why*/) {});
}

RankLog::~RankLog() = default;

void RankLog::info(std::string_view text) { impl_->logger->info("{}", text); }

void RankLog::error(std::string_view text) { impl_->logger->error("{}", text); }

void RankLog::take_output() {
  const int file = ::open(impl_->file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file >= 0) {
    ::dup2(file, STDOUT_FILENO);
    ::dup2(file, STDERR_FILENO);
    ::close(file);
  }
}

}  // namespace stagecraft

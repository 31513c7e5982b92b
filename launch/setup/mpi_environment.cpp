#include "launch/setup/mpi_environment.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <set>
#include <string_view>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::optional<int> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) {
    return {};
  }
  int value = 0;
  const std::string_view digits(text);
  const auto [end, fault] = std::from_chars(digits.begin(), digits.end(), value);
  return fault == std::errc() && end == digits.end() ? std::optional(value) : std::nullopt;
}

/// The numeric address; "" when it is neither IPv4 nor IPv6.
std::string numeric(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address != nullptr && address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
  } else if (address != nullptr && address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  }
  return text.data();
}

/// PMIx, by which mpirun tells its processes of each other, has a folder for each job and host.
std::filesystem::path job_folder() {
  const char* folder = std::getenv("PMIX_SERVER_TMPDIR");
  return folder == nullptr ? std::filesystem::temp_directory_path() : std::filesystem::path(folder);
}

}  // namespace

std::optional<MpiEnvironment> mpi_environment() {
  const auto rank = number_from("OMPI_COMM_WORLD_RANK");
  const auto size = number_from("OMPI_COMM_WORLD_SIZE");
  if (!rank || !size) {
    return {};
  }
  return MpiEnvironment{.rank = *rank,
                        .size = *size,
                        .local_rank = number_from("OMPI_COMM_WORLD_LOCAL_RANK").value_or(*rank),
                        .local_size = number_from("OMPI_COMM_WORLD_LOCAL_SIZE").value_or(*size),
                        .local_folder = job_folder()};
}

std::string address_of_interface(const std::string& name) {
  if (name.empty()) {
    return "127.0.0.1";
  }
  ifaddrs* first = nullptr;
  require(::getifaddrs(&first) == 0, "address_of_interface", "the system lists no interfaces");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);
  std::set<std::string> names;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    std::string address = numeric(entry->ifa_addr);
    if (!address.empty() && name == entry->ifa_name) {
      return address;
    }
    names.insert(entry->ifa_name);
  }
  throw ConfigError("run.mode",
                    fmt::format("--interface {} is not a network interface of this host with an "
                                "address; there are {}",
                                name, fmt::join(names, ", ")));
}

}  // namespace stagecraft

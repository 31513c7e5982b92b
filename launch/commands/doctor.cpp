#include "launch/commands/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "kernels/backends/host_devices.h"
#include "launch/artifacts/output.h"
#include "launch/format/units.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft {
namespace {

/// The path of a program, found in PATH; "" if there is none.
std::string program_path(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto file = std::filesystem::path(folder) / name;
    if (::access(file.c_str(), X_OK) == 0) {
      return file.string();
    }
  }
  return {};
}

std::string line(std::string_view topic, std::string_view text) {
  return fmt::format("{:<10}{}\n", topic, text);
}

std::string backend_lines(std::string topic, const BackendReport& found) {
  std::string text;
  const auto add = [&](const std::string& words) {
    text += line(topic, words);
    topic.clear();
  };
  for (const NamedFact& part : found.parts) {
    add(fmt::format("{} {}", part.name, part.value));
  }
  for (std::size_t index = 0; index < found.devices.size(); ++index) {
    const DeviceFacts& device = found.devices[index];
    add(fmt::format("device {}: {}, architecture {}, {} of {} free{}{}", index, device.name,
                    device.architecture, bytes_text(device.free_bytes), bytes_text(device.bytes),
                    device.fault.empty() ? "" : "; cannot be used: ", device.fault));
  }
  if (!found.fault.empty()) {
    add("cannot be used: " + found.fault);
  }
  return text;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find_first_of("\n,"));
}

std::string nccl_line(const Findings& found) {
  return line("NCCL", found.nccl.empty() ? "cannot be used" : found.nccl);
}

std::string mpi_lines(const Findings& found) {
  return line("MPI", found.mpi.empty() ? "not in this build" : first_line(found.mpi)) +
         line("", found.mpirun.empty() ? "no mpirun in PATH" : found.mpirun);
}

/// One line for each missing component, with the remedy.
std::string missing_lines(const Findings& found) {
  std::string text;
  if (!found.cuda.fault.empty()) {
    text += fmt::format("  GPUs: {}\n", found.cuda.remedy);
  }
  if (!found.nccl_fault.empty()) {
    text += fmt::format("  GPUs of several processes: {}\n", found.nccl_fault);
  }
  if (found.mpi.empty()) {
    text +=
        "  a process per actor (run.mode = \"mpi\"): apt-get install libopenmpi-dev openmpi-bin, "
        "then run launch/build\n";
  } else if (found.mpirun.empty()) {
    text += "  a process per actor (run.mode = \"mpi\"): apt-get install openmpi-bin\n";
  }
  return text.empty() ? "\nNothing is missing\n" : "\nWhat is missing, and how to get it\n" + text;
}

void ask_nccl(Findings& found) {
  try {
    found.nccl = nccl_version();
  } catch (const Error& error) {
    found.nccl_fault = error.text();
  }
}

}  // namespace

Findings find_out() {
  Findings found{.cpu = report_backend(DeviceKind::cpu),
                 .cuda = report_backend(DeviceKind::cuda),
                 .mpi = mpi_version(),
                 .mpirun = program_path("mpirun")};
  ask_nccl(found);
  return found;
}

std::string doctor_text(const Findings& found) {
  return line("Program", "stagecraft " STAGECRAFT_VERSION) + backend_lines("CPU", found.cpu) +
         backend_lines("CUDA", found.cuda) + nccl_line(found) + mpi_lines(found) +
         missing_lines(found);
}

int doctor() {
  print_output(doctor_text(find_out()));
  return 0;
}

}  // namespace stagecraft

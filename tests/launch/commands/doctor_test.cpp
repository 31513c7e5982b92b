#include "launch/commands/doctor.h"

#include <catch2/catch.hpp>

#include "kernels/backends/host_devices.h"
#include "tensor_parallel/comm/mpi/session.h"

using namespace stagecraft;

namespace {

Findings complete() {
  return {.cpu = {.parts = {{"cores", "16"}}},
          .cuda = {.parts = {{"driver", "for CUDA 13.0"}},
                   .devices = {{.name = "NVIDIA H100",
                                .architecture = "9.0",
                                .bytes = std::int64_t{80} << 30,
                                .free_bytes = std::int64_t{79} << 30}}},
          .nccl = "2.28.9",
          .mpi = "Open MPI v4.1.4, package: Debian",
          .mpirun = "/usr/bin/mpirun"};
}

}  // namespace

TEST_CASE("the doctor lists devices, versions and MPI") {
  const std::string text = doctor_text(complete());
  CAPTURE(text);
  CHECK_THAT(text, Catch::Contains("CPU       cores 16\n"));
  CHECK_THAT(text, Catch::Contains("driver for CUDA 13.0"));
  CHECK_THAT(text, Catch::Contains("NCCL      2.28.9\n"));
  CHECK_THAT(text,
             Catch::Contains("device 0: NVIDIA H100, architecture 9.0, 79.0 GiB of 80.0 GiB"));
  CHECK_THAT(text, Catch::Contains("MPI       Open MPI v4.1.4\n          /usr/bin/mpirun\n"));
  CHECK_THAT(text, Catch::EndsWith("Nothing is missing\n"));
}

TEST_CASE("the doctor lists missing components with the remedy") {
  Findings found = complete();
  found.cuda = {.fault = "built without CUDA", .remedy = "install the toolkit"};
  found.nccl = "";
  found.nccl_fault = "install it beside CUDA";
  found.mpi = "";
  const std::string text = doctor_text(found);
  CAPTURE(text);
  CHECK_THAT(text, Catch::Contains("CUDA      cannot be used: built without CUDA\n"));
  CHECK_THAT(text, Catch::Contains("  GPUs: install the toolkit\n"));
  CHECK_THAT(text, Catch::Contains("  GPUs of several processes: install it beside CUDA\n"));
  CHECK_THAT(text, Catch::Contains("not in this build") && Catch::Contains("libopenmpi-dev"));
  found.mpi = "Open MPI";
  found.mpirun = "";
  CHECK_THAT(doctor_text(found), Catch::Contains("apt-get install openmpi-bin"));
}

TEST_CASE("the doctor reports the same facts as the program") {
  const Findings found = find_out();
  CHECK(found.mpi.empty() == !mpi_is_built());
  CHECK(found.nccl.empty() != found.nccl_fault.empty());
  CHECK(found.cuda.fault.empty() == (count_devices(DeviceKind::cuda).count > 0));
  CHECK(found.cuda.remedy.empty() == found.cuda.fault.empty());
  CHECK(found.cpu.parts.size() == 4);
}

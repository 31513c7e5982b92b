// What the bits of a run depend on besides its configuration: program, device, libraries, data.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/core/device_report.h"
#include "launch/setup/resolve.h"
#include "models/data/token_dataset.h"

namespace stagecraft {

/// CheckpointManifest::origin: by "program", "backend", "device", "libraries", "data", "split".
using Origin = std::map<std::string, std::string>;

/// Of this process. On GPUs it may start the devices' contexts.
Origin origin_of(const ResolvedRun& run, const TextData& text);

/// "device" and "libraries" of a backend's report: the device at `index`, and the libraries that
/// compute on it. `nccl` is its version; "": it is not used.
std::string device_origin(DeviceKind kind, const BackendReport& report, int index);
std::string library_origin(DeviceKind kind, const BackendReport& report, const std::string& nccl);

/// The fingerprint of the data: the number of tokens and the checksum of each text.
std::string data_origin(const TextData& text);

/// What moves bits: "device was X and is Y", joined. Data and split are left to others.
std::string moved_origin(const Origin& was, const Origin& is);

}  // namespace stagecraft

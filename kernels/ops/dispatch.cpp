#include "kernels/ops/dispatch.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/op_table.h"

namespace stagecraft {
namespace {

template <typename Args>
constexpr OpFunction<Args> OpTable::*kEntry = nullptr;
#define STAGECRAFT_MEMBER(name, Args) \
  template <>                         \
  constexpr OpFunction<Args> OpTable::*kEntry<Args> = &OpTable::name;
STAGECRAFT_OPERATIONS(STAGECRAFT_MEMBER)
#undef STAGECRAFT_MEMBER

#define STAGECRAFT_NAME(name, Args) #name ";"
constexpr std::string_view kNames = STAGECRAFT_OPERATIONS(STAGECRAFT_NAME);
#undef STAGECRAFT_NAME

/// FNV-1a.
constexpr std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001B3U;
  }
  return hash;
}

}  // namespace

template <typename Args>
void dispatch(Stream& stream, const Args& args) {
  (stream.ops().*kEntry<Args>)(stream, args);
}
#define STAGECRAFT_INSTANTIATE(name, Args) template void dispatch(Stream&, const Args&);
STAGECRAFT_OPERATIONS(STAGECRAFT_INSTANTIATE)
#undef STAGECRAFT_INSTANTIATE

std::uint64_t operation_list_hash() {
  constexpr std::uint64_t kHash = hash_of(kNames);
  return kHash;
}

std::string_view without_bfloat16(Stream& stream) { return stream.ops().without_bfloat16; }

}  // namespace stagecraft

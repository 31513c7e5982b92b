#include "tests/counting_stream.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft::test {
namespace {

template <typename Args>
void count(Stream& stream, const Args& args) {
  auto& counting = static_cast<CountingStream&>(stream);
  counting.add(flops_of(args), bytes_of(args));
  dispatch(counting.inner(), args);
}

}  // namespace

CountingStream::CountingStream(const StreamOptions& options)
    : inner_(make_stream({}, options)),
      ops_{.without_bfloat16 = without_bfloat16(*inner_),
#define STAGECRAFT_ENTRY(name, Args) .name = count<Args>,
           STAGECRAFT_OPERATIONS(STAGECRAFT_ENTRY)
#undef STAGECRAFT_ENTRY
      } {
}

}  // namespace stagecraft::test

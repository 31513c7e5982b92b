// Owners of what CUDA's libraries hand out by pointer.
#pragma once

#include <memory>
#include <type_traits>

namespace stagecraft::cuda {

template <auto Destroy>
struct Destroyer {
  template <typename T>
  void operator()(T* native) const noexcept {
    Destroy(native);  // what it answers is of no use any more
  }
};

/// Handle<cudaEvent_t, cudaEventDestroy> owns a cudaEvent_t; get() is the bare one.
template <typename Native, auto Destroy>
using Handle = std::unique_ptr<std::remove_pointer_t<Native>, Destroyer<Destroy>>;

/// make_handle<cudaEvent_t, cudaEventDestroy>([](cudaEvent_t* out) { check(...(out)); }).
template <typename Native, auto Destroy, typename Create>
Handle<Native, Destroy> make_handle(Create&& create) {
  Native native = nullptr;
  create(&native);
  return Handle<Native, Destroy>(native);
}

}  // namespace stagecraft::cuda

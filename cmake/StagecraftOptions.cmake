# Flags that every room shares. -ffp-contract=off: a fused operation must give the bits of its
# parts, so the compiler may not merge a product of one part with a sum of the next; hot kernels
# ask for std::fma where they want it.
add_library(stagecraft_options INTERFACE)
target_include_directories(stagecraft_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(stagecraft_options INTERFACE
  -march=${STAGECRAFT_ARCH} -ffp-contract=off -fno-math-errno -fno-trapping-math
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(STAGECRAFT_SANITIZE)
  # g++ 12 warns falsely about the checks that the sanitizers put in; plain builds have the warnings.
  target_compile_options(stagecraft_options INTERFACE
    -fsanitize=${STAGECRAFT_SANITIZE} -fno-omit-frame-pointer -g
    -Wno-array-bounds -Wno-stringop-overflow -Wno-maybe-uninitialized)
  target_link_options(stagecraft_options INTERFACE -fsanitize=${STAGECRAFT_SANITIZE})
endif()

# stagecraft_room(NAME SOURCES ... DEPENDS rooms to the left ... PRIVATE third parties ...)
# One static library per room; third parties are linked PRIVATE, so that no room sees another's.
function(stagecraft_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(stagecraft_${name} STATIC ${ROOM_SOURCES})
  target_link_libraries(stagecraft_${name} PUBLIC stagecraft_options fmt::fmt Threads::Threads)
  foreach(room ${ROOM_DEPENDS})
    target_link_libraries(stagecraft_${name} PUBLIC stagecraft_${room})
  endforeach()
  target_link_libraries(stagecraft_${name} PRIVATE ${ROOM_PRIVATE})
  target_precompile_headers(stagecraft_${name} PRIVATE
    <algorithm> <atomic> <cstdint> <functional> <map> <memory> <mutex> <span> <string>
    <string_view> <vector> <fmt/core.h>)
endfunction()

# Sets STAGECRAFT_HAS_CUDA, and enables the language where it is on. Without a toolkit, or with
# sanitizers (which the driver does not bear), kernels/ takes a stub instead. STAGECRAFT_HAS_NCCL:
# the same for NCCL, which is optional beside it.
set(STAGECRAFT_HAS_CUDA OFF)
set(STAGECRAFT_HAS_NCCL OFF)
if(STAGECRAFT_CUDA STREQUAL "off" OR STAGECRAFT_SANITIZE)
  return()
endif()

include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
  set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)  # where NVIDIA's packages put it, not in PATH
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(STAGECRAFT_CUDA STREQUAL "on")
    message(FATAL_ERROR "STAGECRAFT_CUDA is on, but there is no CUDA compiler (nvcc)")
  endif()
  message(STATUS "CUDA: no compiler (nvcc); this build computes on the CPU only")
  return()
endif()

include(GpuArchitectures)
if(NOT CMAKE_CUDA_ARCHITECTURES)
  stagecraft_gpu_architectures(architectures ${CMAKE_CUDA_COMPILER})
  set(CMAKE_CUDA_ARCHITECTURES "${architectures}" CACHE STRING
    "devices that the CUDA backend is built for, e.g. 80-real;90-real")
endif()
enable_language(CUDA)
if(NOT "cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
  # CMake 3.25 does not know that nvcc 13 has C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)

find_package(CUDAToolkit)
if(TARGET CUDA::cudart_static AND TARGET CUDA::cublasLt)
  set(STAGECRAFT_HAS_CUDA ON)
  message(STATUS "CUDA: ${CUDAToolkit_VERSION}, for ${CMAKE_CUDA_ARCHITECTURES}")
elseif(STAGECRAFT_CUDA STREQUAL "on")
  message(FATAL_ERROR "STAGECRAFT_CUDA is on, but cudart or cublasLt is missing")
else()
  message(STATUS "CUDA: cudart or cublasLt is missing; this build computes on the CPU only")
endif()

if(STAGECRAFT_HAS_CUDA)
  find_package(NCCL 2.26 QUIET)
  set(STAGECRAFT_HAS_NCCL ${NCCL_FOUND})
  if(NCCL_FOUND)
    message(STATUS "NCCL: ${NCCL_VERSION}")
  else()
    message(STATUS "NCCL: missing (2.26 or later); GPUs are of one process only")
  endif()
endif()

# cuDNN's attention is an option of that: libcudnn, and its C++ frontend, headers alone, which are
# also in the wheel nvidia-cudnn-frontend of the python3 in PATH. launch/build fetches them.
set(STAGECRAFT_HAS_CUDNN OFF)
if(STAGECRAFT_HAS_CUDA)
  execute_process(COMMAND python3 -c "import sysconfig; print(sysconfig.get_path('purelib'))"
    OUTPUT_VARIABLE python_packages OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h HINTS ${python_packages}/include)
  find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR} ${CUDAToolkit_LIBRARY_ROOT}/lib)
  if(CUDNN_FRONTEND_INCLUDE_DIR AND CUDNN_INCLUDE_DIR AND CUDNN_LIBRARY AND TARGET CUDA::nvrtc)
    set(STAGECRAFT_HAS_CUDNN ON)
    message(STATUS "cuDNN: ${CUDNN_LIBRARY}, for attention in bfloat16")
  else()
    message(STATUS "cuDNN: it or its frontend (launch/build fetches it) is missing; attention in "
      "bfloat16 is computed by the slower own kernel")
  endif()
endif()

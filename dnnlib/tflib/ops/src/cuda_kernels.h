// What the CUDA sources share: types of data, 16-byte loads and stores, exact division by a constant, launching.
//
// The kernels keep to a subset of CUDA that the tests can run on a CPU: launches through LAUNCH, one SHARED object per
// kernel, __syncthreads, __shfl_xor_sync of whole warps. A compiler other than nvcc includes "cuda_emulation.h".
#ifndef STYLEGAN2_CUDA_KERNELS_H_
#define STYLEGAN2_CUDA_KERNELS_H_

#include <cstdint>

#include "kernels.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#if CUDART_VERSION >= 11000
#include <cuda_bf16.h>
#define STYLEGAN2_BFLOAT16 1
#endif
#define LAUNCH(KERNEL, GRID, BLOCK, STREAM, ARGUMENT) \
  KERNEL<<<GRID, BLOCK, 0, static_cast<cudaStream_t>(STREAM)>>>(ARGUMENT)
#define SHARED(TYPE, NAME) __shared__ TYPE NAME
#else
#include "cuda_emulation.h"
#define STYLEGAN2_BFLOAT16 1
#endif

// Returns FUNCTION<type>(...) of the storage type; bfloat16 needs CUDA 11.
#ifdef STYLEGAN2_BFLOAT16
#define CASE_BFLOAT16(FUNCTION, ...) case BFLOAT16: return FUNCTION<__nv_bfloat16>(__VA_ARGS__);
#else
#define CASE_BFLOAT16(FUNCTION, ...)
#endif
#define RETURN_FOR_TYPE(DTYPE, FUNCTION, ...)                    \
  switch (DTYPE) {                                               \
    case FLOAT32: return FUNCTION<float>(__VA_ARGS__);           \
    case FLOAT16: return FUNCTION<__half>(__VA_ARGS__);          \
    CASE_BFLOAT16(FUNCTION, __VA_ARGS__)                         \
    default: return cudaErrorInvalidValue;                       \
  }

namespace stylegan2 {

enum { THREADS = 256, MAX_BLOCKS = 1 << 16 };  // kernels loop over what more blocks would do

#ifdef __CUDACC__
enum { FEW_BLOCKS = 256 };  // fewer leave multiprocessors without work: large GPUs have over a hundred
#else
enum { FEW_BLOCKS = 2 };  // small tensors take all ways through the kernels
#endif

template <typename T> struct Vector { enum { SIZE = 16 / sizeof(T) }; };

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
template <typename T> struct FromFloat;
template <> struct FromFloat<float> {
  static __device__ __forceinline__ float of(float v) { return v; }
};
template <> struct FromFloat<__half> {
  static __device__ __forceinline__ __half of(float v) { return __float2half_rn(v); }
};
#ifdef STYLEGAN2_BFLOAT16
__device__ __forceinline__ float to_float(__nv_bfloat16 v) { return __bfloat162float(v); }
template <> struct FromFloat<__nv_bfloat16> {
  static __device__ __forceinline__ __nv_bfloat16 of(float v) { return __float2bfloat16_rn(v); }
};
#endif

template <int N> struct Floats { float v[N]; };

// The compiler makes one access of it where it has at most 16 bytes.
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack { T v[N]; };

// N values from p, which is aligned to the smaller of N elements and 16 bytes.
template <int N, typename T> __device__ __forceinline__ Floats<N> load(const T* p) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(p);
  Floats<N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = to_float(pack.v[i]);
  return out;
}

template <int N, typename T> __device__ __forceinline__ void store(T* p, const Floats<N>& values) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack.v[i] = FromFloat<T>::of(values.v[i]);
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}

template <int N> __device__ __forceinline__ Floats<N> constant(float value) {
  Floats<N> out;
#pragma unroll
  for (int i = 0; i < N; ++i) out.v[i] = value;
  return out;
}

inline bool aligned(const void* p, int bytes = 16) { return reinterpret_cast<std::uintptr_t>(p) % bytes == 0; }

inline index_t ceil_div(index_t a, index_t b) { return (a + b - 1) / b; }

inline unsigned block_count(index_t blocks) {
  return blocks < MAX_BLOCKS ? static_cast<unsigned>(blocks) : static_cast<unsigned>(MAX_BLOCKS);
}

// Quotients by a divisor >= 1 known at launch, exact for 0 <= n < 2^63, without the GPU's slow 64-bit division
// (Granlund and Montgomery 1994, section 4): n / d = (floor(n * magic / 2^64) + n) >> shift.
struct Divider {
  std::uint64_t magic;
  int shift;

  explicit Divider(index_t divisor) : magic(0), shift(0) {
    const std::uint64_t d = divisor < 1 ? 1 : static_cast<std::uint64_t>(divisor);
    while ((std::uint64_t(1) << shift) < d) ++shift;
    std::uint64_t rest = (std::uint64_t(1) << shift) - d;
    for (int bit = 0; bit < 64; ++bit) {  // magic = floor(2^64 * (2^shift - d) / d) + 1
      rest <<= 1;
      magic <<= 1;
      if (rest >= d) rest -= d, magic |= 1;
    }
    ++magic;
  }

  __device__ __forceinline__ index_t operator()(index_t n) const {
    const std::uint64_t u = static_cast<std::uint64_t>(n);
    return static_cast<index_t>((__umul64hi(u, magic) + u) >> shift);
  }
};

__device__ __forceinline__ index_t thread_index() {
  return static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ index_t thread_count() { return static_cast<index_t>(gridDim.x) * blockDim.x; }

// Slope of the piecewise linear activations for values <= 0.
inline float negative_slope(int act, float alpha) { return act == LINEAR ? 1.0f : act == RELU ? 0.0f : alpha; }

// The factor that takes an output back to the activation's value.
inline float reciprocal(float gain) { return gain == 0.0f ? 0.0f : 1.0f / gain; }

__device__ __forceinline__ float piecewise_linear(float v, float slope) {
  return v <= 0.0f ? (slope == 0.0f ? 0.0f : v * slope) : v;  // relu of -inf is 0, of nan nan
}

}  // namespace stylegan2

#endif  // STYLEGAN2_CUDA_KERNELS_H_

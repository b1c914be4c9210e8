// CUDA kernel of fused_bias_act: 16 bytes a thread where the tensors are aligned and channels (NHWC) or planes (NCHW)
// are multiples of that, else single elements.

#include "cuda_kernels.h"

namespace stylegan2 {
namespace {

enum { SAME = 0, ROW = 1 };  // the elements of a vector have the same bias; have contiguous biases

struct BiasActArgs {
  BiasActParams p;
  float slope, inv_gain;
  index_t size;
  Divider inner, channels;
};

__device__ __forceinline__ float sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

const float SELU_SCALE = 1.0507009873554805f, SELU_RANGE = 1.0507009873554805f * 1.6732632423543772f;

// f(v), f'(v) or f''(v), derivatives from r: f(v), for SWISH v. Not inlined: it is long, and the networks use others.
__device__ __noinline__ float smooth(int act, int grad, float v, float r) {
  const float s = act == SWISH ? sigmoid(grad == 0 ? v : r) : 0.0f;
  const bool positive = (grad == 0 ? v : r) >= 0.0f;
  switch (act * 3 + grad) {
    case TANH * 3: return tanhf(v);
    case TANH * 3 + 1: return 1.0f - r * r;
    case TANH * 3 + 2: return (1.0f - r * r) * (-2.0f * r);
    case SIGMOID * 3: return sigmoid(v);
    case SIGMOID * 3 + 1: return r * (1.0f - r);
    case SIGMOID * 3 + 2: return r * (1.0f - r) * (1.0f - 2.0f * r);
    case ELU * 3: return positive ? v : expm1f(v);
    case ELU * 3 + 1: return positive ? 1.0f : r + 1.0f;
    case ELU * 3 + 2: return positive ? 0.0f : r + 1.0f;
    case SELU * 3: return positive ? SELU_SCALE * v : SELU_RANGE * expm1f(v);
    case SELU * 3 + 1: return positive ? SELU_SCALE : r + SELU_RANGE;
    case SELU * 3 + 2: return positive ? 0.0f : r + SELU_RANGE;
    case SOFTPLUS * 3: return fmaxf(v, 0.0f) + log1pf(expf(-fabsf(v)));
    case SOFTPLUS * 3 + 1: return -expm1f(-r);
    case SOFTPLUS * 3 + 2: return -expm1f(-r) * expf(-r);
    case SWISH * 3: return v * s;
    case SWISH * 3 + 1: return s * (1.0f + r * (1.0f - s));
    default: return s * (1.0f - s) * (2.0f + r * (1.0f - 2.0f * s));
  }
}

template <bool PIECEWISE> __device__ __forceinline__ float activate(const BiasActArgs& a, float v, float ref) {
  const BiasActParams& p = a.p;
  const float r = p.act == SWISH ? ref : ref * a.inv_gain;
  if (!PIECEWISE) return p.gain * (p.grad == 0 ? 1.0f : v) * smooth(p.act, p.grad, v, r);
  if (p.grad == 0) return p.gain * piecewise_linear(v, a.slope);
  return p.grad == 1 ? p.gain * v * (r > 0.0f ? 1.0f : a.slope) : 0.0f;
}

// Bias of the N elements from `at` on.
template <typename T, int N, int MODE> __device__ __forceinline__ Floats<N> bias_of(const BiasActArgs& a, index_t at) {
  const T* b = static_cast<const T*>(a.p.b);
  if (b == nullptr) return constant<N>(0.0f);
  const index_t row = a.inner(at);
  b += row - a.channels(row) * a.p.channels;
  return MODE == ROW ? load<N>(b) : constant<N>(to_float(*b));
}

template <typename T, int N, int MODE, bool PIECEWISE>
__device__ __forceinline__ void bias_act(const BiasActArgs& a, index_t at) {
  const Floats<N> x = load<N>(static_cast<const T*>(a.p.x) + at), b = bias_of<T, N, MODE>(a, at);
  const Floats<N> ref = a.p.grad == 0 ? constant<N>(0.0f) : load<N>(static_cast<const T*>(a.p.ref) + at);
  Floats<N> y;
#pragma unroll
  for (int i = 0; i < N; ++i) y.v[i] = activate<PIECEWISE>(a, x.v[i] + b.v[i], ref.v[i]);
  store<N>(static_cast<T*>(a.p.y) + at, y);
}

template <typename T, int N, int MODE, bool PIECEWISE>
__global__ void __launch_bounds__(THREADS) bias_act_kernel(const BiasActArgs a) {
  const index_t vectors = a.size / N;
  for (index_t i = thread_index(); i < vectors; i += thread_count()) bias_act<T, N, MODE, PIECEWISE>(a, i * N);
  const index_t rest = vectors * N + thread_index();  // fewer than N elements are left
  if (N > 1 && rest < a.size) bias_act<T, 1, SAME, PIECEWISE>(a, rest);
}

template <typename T, int N, int MODE> int start(const BiasActArgs& a, void* stream) {
  auto kernel = a.p.act <= LRELU ? bias_act_kernel<T, N, MODE, true> : bias_act_kernel<T, N, MODE, false>;
  LAUNCH(kernel, block_count(ceil_div(ceil_div(a.size, N), THREADS)), THREADS, stream, a);
  return cudaGetLastError();
}

template <typename T> int launch(const BiasActArgs& a, void* stream) {
  enum { N = Vector<T>::SIZE };
  const BiasActParams& p = a.p;
  const bool same = p.b == nullptr || p.inner % N == 0;
  const bool row = p.inner == 1 && p.channels % N == 0 && aligned(p.b);
  if ((!same && !row) || !aligned(p.x) || !aligned(p.y) || (p.grad != 0 && !aligned(p.ref))) {
    return start<T, 1, SAME>(a, stream);
  }
  return same ? start<T, N, SAME>(a, stream) : start<T, N, ROW>(a, stream);
}

}  // namespace
}  // namespace stylegan2

extern "C" int bias_act_cuda(const BiasActParams* p, void* stream) {
  using namespace stylegan2;
  if (p->act < LINEAR || p->act > SWISH || p->grad < 0 || p->grad > 2) return cudaErrorInvalidValue;
  const index_t size = p->outer * p->channels * p->inner;
  if (size == 0) return cudaSuccess;
  const BiasActArgs a = {*p, negative_slope(p->act, p->alpha), reciprocal(p->gain), size, Divider(p->inner),
                         Divider(p->channels)};
  RETURN_FOR_TYPE(p->dtype, launch, a, stream)
}

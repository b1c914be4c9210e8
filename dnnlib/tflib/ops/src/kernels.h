// What the operations know of their kernels: plain structures and functions, so that no kernel ever meets a header of
// TensorFlow. The CPU kernels (*_cpu.cc) and the CUDA kernels (*.cu) take the same parameters.
//
// CPU: `*_units` cuts the work into independent pieces by its shape alone, never by the number of threads, so that
// results do not depend on it; `*_cpu` does the pieces [begin, end) and may run in many threads at once. Where there is
// a `*_finish`, it runs once, after all pieces, and sums what they left in `scratch`.
// CUDA: the function starts the kernels on `stream` (a cudaStream_t) and returns a cudaError_t, 0 = started.
#ifndef STYLEGAN2_KERNELS_H_
#define STYLEGAN2_KERNELS_H_

typedef long long index_t;  // every size and index: tensors may have more than 2^31 elements

enum DataType { FLOAT32 = 0, FLOAT16 = 1, BFLOAT16 = 2 };  // of x, y and what has their shape; arithmetic is float32

enum Activation { LINEAR = 1, RELU, LRELU, TANH, SIGMOID, ELU, SELU, SOFTPLUS, SWISH };  // as in the published kernel

// grad 0: y = gain * act(v); grad 1: y = gain * v * act'(ref); grad 2: y = gain * v * act''(ref); v = x + b.
// ref is the output of grad 0 (the kernel divides it by gain), for SWISH its input.
struct BiasActParams {
  int dtype, grad, act;
  float alpha, gain;
  index_t outer, channels, inner;  // x is [outer, channels, inner]: NCHW = N, C, H*W; NHWC = N*H*W, C, 1
  const void *x, *b, *ref;         // b [channels] of type dtype or null; ref null where grad is 0
  void* y;
};

// The end of a styled layer: y = gain * act(x * scale + noise + b), act LINEAR, RELU or LRELU.
struct StyledParams {
  int dtype, act;
  float alpha, gain;
  int channels_last;               // x is [batch, pixels, channels], else [batch, channels, pixels]
  index_t batch, channels, pixels;
  index_t noise_batch;             // 1 = the same noise for all samples, else batch
  const void* x;
  const float *scale, *noise, *b;  // [batch, channels], [noise_batch, pixels], [channels], float32; each may be null
  void* y;
};

// First derivative. With du = gain * act'(y) * dy: dx = du * scale, dscale = sum over pixels of du * x,
// dnoise = sum over channels of du, db = sum over batch and pixels of du.
struct StyledGradParams {
  int dtype, act;
  float alpha, gain;
  int channels_last;
  index_t batch, channels, pixels;
  const void *dy, *y, *x;          // x may be null if dscale is
  const float* scale;              // null = 1
  void* dx;
  float *dscale, *dnoise, *db;     // [batch, channels], [batch, pixels], [channels]; each may be null
  float* scratch;                  // styled_grad_scratch() floats
};

// Second derivative, that of (dx, dscale, dnoise, db) with cotangents ddx, dds, ddn, ddb. With
// v = ddx * scale + x * dds + ddn + ddb: ddy = gain * act'(y) * v, d2x = dds * du, d2scale = sum over pixels of ddx * du.
struct StyledGrad2Params {
  int dtype, act;
  float alpha, gain;
  int channels_last;
  index_t batch, channels, pixels;
  const void *dy, *y, *x, *ddx;    // x null: as zero
  const float *scale, *dds, *ddn, *ddb;  // scale null = 1; the others null = 0; ddn is [batch, pixels]
  void *ddy, *d2x;                 // d2x may be null
  float* d2scale;                  // [batch, channels] or null
  float* scratch;                  // styled_grad_scratch() floats
};

// Insert up - 1 zeros after each sample, pad (negative: crop), convolve with k (flipped), keep every down-th sample:
// y[j] = sum over t of k[taps - 1 - t] * u[j * down - pad0 + t] along each axis.
struct UpFirDnParams {
  int dtype;
  int upx, upy, downx, downy, padx0, pady0;  // the pads after the end follow from the size of y
  index_t major, in_h, in_w, minor;          // x [major, in_h, in_w, minor]
  index_t out_h, out_w;                      // y [major, out_h, out_w, minor]
  int kernel_h, kernel_w;
  const void* x;
  const float* k;                            // [kernel_h, kernel_w]; in the memory of the device
  void* y;
};

// Reflect images by the margins, upsample by 2, warp, downsample by 2 (see dnnlib.tflib.ops.warp_2d); its adjoint; or
// the same with the inverse warp, from the result to the reflected image, whose reflected parts are added up.
enum WarpRule { WARP_FORWARD, WARP_ADJOINT, WARP_INVERSE };
enum { WARP_TAPS = 12 };

struct WarpParams {
  int rule;
  index_t batch, channels, height, width;  // of x and y
  index_t left, top, right, bottom;        // margins
  const float* x;
  const float* matrices;                   // [batch, 2, 3]
  const float* fir;                        // [WARP_TAPS]
  float* y;
};

#ifdef __cplusplus
extern "C" {
#endif

index_t bias_act_units(const BiasActParams* p);
void bias_act_cpu(const BiasActParams* p, index_t begin, index_t end);
int bias_act_cuda(const BiasActParams* p, void* stream);

index_t styled_units(const StyledParams* p);
void styled_cpu(const StyledParams* p, index_t begin, index_t end);
int styled_cuda(const StyledParams* p, void* stream);

// Floats of scratch that both derivatives need, on the CPU and on the GPU.
index_t styled_grad_scratch(int channels_last, index_t batch, index_t channels, index_t pixels);
index_t styled_grad_scratch_cuda(int channels_last, index_t batch, index_t channels, index_t pixels);

index_t styled_grad_units(const StyledGradParams* p);
void styled_grad_cpu(const StyledGradParams* p, index_t begin, index_t end);
void styled_grad_finish(const StyledGradParams* p);
int styled_grad_cuda(const StyledGradParams* p, void* stream);

index_t styled_grad2_units(const StyledGrad2Params* p);
void styled_grad2_cpu(const StyledGrad2Params* p, index_t begin, index_t end);
void styled_grad2_finish(const StyledGrad2Params* p);
int styled_grad2_cuda(const StyledGrad2Params* p, void* stream);

index_t upfirdn_units(const UpFirDnParams* p);
void upfirdn_cpu(const UpFirDnParams* p, index_t begin, index_t end);
int upfirdn_cuda(const UpFirDnParams* p, void* stream);

index_t warp_units(const WarpParams* p);
void warp_cpu(const WarpParams* p, index_t begin, index_t end);

#ifdef __cplusplus
}
#endif
#endif  // STYLEGAN2_KERNELS_H_

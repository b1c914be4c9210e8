// Weighted sums of rows on the CPU, for upfirdn_2d_cpu.cc: of input rows of any type into float32 buffers, of those
// buffers into others or into the tensor; pixels taken out of rows and put into them.
#ifndef STYLEGAN2_UPFIRDN_2D_ROWS_H_
#define STYLEGAN2_UPFIRDN_2D_ROWS_H_

#include "cpu_kernels.h"

// A function by itself: inlined next to others of its kind, its pointers don't fit into the registers.
#if defined(__GNUC__)
#define APART __attribute__((noinline))
#else
#define APART
#endif

namespace {

struct Half { uint16_t bits; };
struct BFloat { uint16_t bits; };
inline float value(float x) { return x; }
inline float value(Half x) { return half_float(x.bits); }
inline float value(BFloat x) { return bfloat_float(x.bits); }

// `count` runs of `size` elements, in_step and out_step elements apart.
struct Runs {
  index_t count, size, in_step, out_step;
};

// out[i] (+)= sum over t < N of weights[t] * in[t][i]
template <int N, bool ADD, typename T>
APART void combine_few(const T* const* in, const float* weights, const Runs& runs, float* out) {
  float w[N];
  for (int t = 0; t < N; t++) w[t] = weights[t];
  for (index_t m = 0; m < runs.count; m++) {
    const T* p[N];
    for (int t = 0; t < N; t++) p[t] = in[t] + m * runs.in_step;
    float* __restrict to = out + m * runs.out_step;
    for (index_t i = 0; i < runs.size; i++) {
      float sum = ADD ? to[i] + w[0] * value(p[0][i]) : w[0] * value(p[0][i]);
      for (int t = 1; t < N; t++) sum += w[t] * value(p[t][i]);
      to[i] = sum;
    }
  }
}

template <bool ADD, typename T>
void combine_some(const T* const* in, const float* weights, index_t taps, const Runs& runs, float* out) {
  switch (taps) {
    case 1: return combine_few<1, ADD>(in, weights, runs, out);
    case 2: return combine_few<2, ADD>(in, weights, runs, out);
    case 3: return combine_few<3, ADD>(in, weights, runs, out);
    case 4: return combine_few<4, ADD>(in, weights, runs, out);
    case 5: return combine_few<5, ADD>(in, weights, runs, out);
    case 6: return combine_few<6, ADD>(in, weights, runs, out);
    case 7: return combine_few<7, ADD>(in, weights, runs, out);
    default: return combine_few<8, ADD>(in, weights, runs, out);
  }
}

template <typename T>
void combine(const T* const* in, const float* weights, index_t taps, const Runs& runs, float* out) {
  if (taps == 0)
    for (index_t m = 0; m < runs.count; m++) std::memset(out + m * runs.out_step, 0, runs.size * sizeof(float));
  else
    combine_some<false>(in, weights, least(taps, 8), runs, out);
  for (index_t t = 8; t < taps; t += 8) combine_some<true>(in + t, weights + t, least(taps - t, 8), runs, out);
}

// Several output rows at once, so that an input row is loaded and widened once for all of them: row r of ROWS is the
// weighted sum of TAPS input rows from (r * DOWN + FIRST) / UP on, and goes to out + r * row_length. The rows that the
// next ROWS rows add are asked for: they follow the last input row, `ahead` elements apart; 0: there are none.
template <int ROWS, int TAPS, int UP, int DOWN, int FIRST, typename T>
APART void combine_rows(const T* const* in, const float* weights, index_t n, index_t ahead, index_t row_length,
                        float* __restrict out) {
  const int INPUTS = ((ROWS - 1) * DOWN + FIRST) / UP + TAPS, ADDED = ROWS * DOWN / UP;
  const index_t block = 64 / sizeof(T);  // a cache line
  float w[ROWS][TAPS];
  for (int r = 0; r < ROWS; r++)
    for (int t = 0; t < TAPS; t++) w[r][t] = weights[r * TAPS + t];
  const auto element = [&](index_t i) {
    float v[INPUTS];
    for (int t = 0; t < INPUTS; t++) v[t] = value(in[t][i]);
    for (int r = 0; r < ROWS; r++) {
      const int first = (r * DOWN + FIRST) / UP;
      float sum = w[r][0] * v[first];
      for (int t = 1; t < TAPS; t++) sum += w[r][t] * v[first + t];
      out[r * row_length + i] = sum;
    }
  };
  index_t start = 0;
  for (; start + block <= n; start += block) {
    if (ahead)
      for (int a = 1; a <= ADDED; a++) prefetch(in[INPUTS - 1] + a * ahead + start);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC ivdep
#endif
    for (index_t i = 0; i < block; i++) element(start + i);
  }
  for (; start < n; start++) element(start);
}

#if defined(__AVX512F__)
// 64 bytes of a tensor. Results that are subnormal in bfloat16 may become zeros, as they do in TensorFlow's threads.
// GCC 12 warns of the same intrinsics without masks.
inline __m512i cache_line(const __m512* v, int dtype) {
  if (dtype == FLOAT32) return _mm512_castps_si512(v[0]);
  __m256i half[2];
  for (int j = 0; j < 2; j++) {
    if (dtype == FLOAT16) {
      half[j] = _mm512_maskz_cvtps_ph(0xffff, v[j], 0);
      continue;
    }
#if defined(__AVX512BF16__)
    half[j] = (__m256i)_mm512_cvtneps_pbh(v[j]);
#else
    alignas(64) float floats[LINE];
    alignas(32) uint16_t bits[LINE];
    _mm512_store_ps(floats, v[j]);
    to_bfloat(floats, LINE, bits);
    half[j] = _mm256_load_si256(reinterpret_cast<const __m256i*>(bits));
#endif
  }
  return _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(half[0]), half[1], 1);
}

// A weighted sum into the tensor, whole cache lines at once, around the caches if `stream`.
template <int N, int DTYPE>
APART void combine_lines_few(const float* const* in, const float* weights, const Runs& runs, bool stream, char* out) {
  const int VECTORS = DTYPE == FLOAT32 ? 1 : 2;
  const index_t bytes = 4 / VECTORS;
  __m512 w[N];
  for (int t = 0; t < N; t++) w[t] = _mm512_set1_ps(weights[t]);
  for (index_t m = 0; m < runs.count; m++) {
    const float* p[N];
    for (int t = 0; t < N; t++) p[t] = in[t] + m * runs.in_step;
    char* to = out + m * runs.out_step * bytes;
    for (index_t i = 0; i < runs.size; i += LINE * VECTORS) {
      __m512 v[VECTORS];
      for (int j = 0; j < VECTORS; j++) {
        v[j] = _mm512_mul_ps(w[0], _mm512_loadu_ps(p[0] + i + LINE * j));
        for (int t = 1; t < N; t++) v[j] = _mm512_fmadd_ps(w[t], _mm512_loadu_ps(p[t] + i + LINE * j), v[j]);
      }
      const __m512i line = cache_line(v, DTYPE);
      if (stream) _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i * bytes), line);
      else _mm512_store_si512(to + i * bytes, line);
    }
  }
}

template <int DTYPE>
void combine_lines_some(const float* const* in, const float* weights, index_t taps, const Runs& runs, bool stream,
                        char* out) {
  switch (taps) {
    case 1: return combine_lines_few<1, DTYPE>(in, weights, runs, stream, out);
    case 2: return combine_lines_few<2, DTYPE>(in, weights, runs, stream, out);
    case 3: return combine_lines_few<3, DTYPE>(in, weights, runs, stream, out);
    default: return combine_lines_few<4, DTYPE>(in, weights, runs, stream, out);
  }
}

// False: not done, because there are too many terms or the runs in the tensor are not cache lines.
inline bool combine_lines(const float* const* in, const float* weights, index_t taps, const Runs& runs, int dtype,
                          bool stream, char* out) {
  const index_t bytes = type_size(dtype);
  if (taps < 1 || taps > 4 || reinterpret_cast<uintptr_t>(out) % 64 || runs.size * bytes % 64 ||
      runs.out_step * bytes % 64)
    return false;
  if (dtype == FLOAT32) combine_lines_some<FLOAT32>(in, weights, taps, runs, stream, out);
  else if (dtype == FLOAT16) combine_lines_some<FLOAT16>(in, weights, taps, runs, stream, out);
  else combine_lines_some<BFLOAT16>(in, weights, taps, runs, stream, out);
  return true;
}
#else
inline bool combine_lines(const float* const*, const float*, index_t, const Runs&, int, bool, char*) { return false; }
#endif

// Copies `count` pixels of `size` elements, in_step and out_step elements apart.
template <int SIZE>
void copy_pixels(const float* in, index_t in_step, index_t count, index_t size, index_t out_step,
                 float* __restrict out) {
  const index_t length = SIZE ? SIZE : size;
  for (index_t m = 0; m < count; m++)
    for (index_t c = 0; c < length; c++) out[m * out_step + c] = in[m * in_step + c];
}

// One of `steps` interleaved streams of pixels, out of or into them.
void take(const float* in, index_t steps, index_t count, index_t size, float* out) {
  if (size == 1 && steps == 2) copy_pixels<1>(in, 2, count, 1, 1, out);
  else if (size == 1) copy_pixels<1>(in, steps, count, 1, 1, out);
  else if (size == 3) copy_pixels<3>(in, 3 * steps, count, 3, 3, out);
  else copy_pixels<0>(in, size * steps, count, size, size, out);
}
void put(const float* in, index_t steps, index_t count, index_t size, float* out) {
  if (size == 1 && steps == 2) copy_pixels<1>(in, 1, count, 1, 2, out);
  else if (size == 1) copy_pixels<1>(in, 1, count, 1, steps, out);
  else if (size == 3) copy_pixels<3>(in, 3, count, 3, 3 * steps, out);
  else copy_pixels<0>(in, size, count, size, size * steps, out);
}
// Two streams at once, which vectorizes.
void put_pairs(const float* a, const float* b, index_t count, float* __restrict out) {
  for (index_t m = 0; m < count; m++) {
    out[2 * m] = a[m];
    out[2 * m + 1] = b[m];
  }
}

}  // namespace

#endif  // STYLEGAN2_UPFIRDN_2D_ROWS_H_

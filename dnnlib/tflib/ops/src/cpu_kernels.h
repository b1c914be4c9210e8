// What the CPU kernels share: strips of a tensor as float32, whatever its type, and accurate functions that vectorize.
// No loop here has a vector length or a compiler extension in it, except for stores that go around the caches.
#ifndef STYLEGAN2_CPU_KERNELS_H_
#define STYLEGAN2_CPU_KERNELS_H_

#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "kernels.h"

namespace {

const index_t STRIP = 1024;             // elements worked on at once: a few such buffers stay in the first cache
const index_t UNIT = 32768;             // elements of one unit of work, about
#if defined(STYLEGAN2_STREAM_BYTES)
const index_t STREAM_BYTES = STYLEGAN2_STREAM_BYTES;  // small, so that checks take that path
#else
const index_t STREAM_BYTES = 16 << 20;  // a result beyond this is out of the caches before anyone reads it
#endif
const index_t LINE = 16;                // floats of a cache line

inline float bits_float(uint32_t bits) { float f; std::memcpy(&f, &bits, 4); return f; }
inline uint32_t float_bits(float f) { uint32_t bits; std::memcpy(&bits, &f, 4); return bits; }

// The two roundings are to nearest, ties to even. Subnormal halves never become subnormal floats, which TensorFlow's
// threads flush to zero.
inline float half_float(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, rest = (h & 0x7fffu) << 13;
  const float tiny = bits_float(rest | 0x38800000u) - bits_float(0x38800000u);
  const uint32_t large = rest + (rest >= 0x0f800000u ? 0x70000000u : 0x38000000u);
  return bits_float(sign | (rest < 0x00800000u ? float_bits(tiny) : large));
}
inline uint16_t float_half(float f) {
  const uint32_t bits = float_bits(f), size = bits & 0x7fffffffu;
  const uint32_t tiny = float_bits(bits_float(size) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t large = size > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return static_cast<uint16_t>((bits >> 16 & 0x8000u) |
                               (size < 0x38800000u ? tiny : size < 0x477ff000u ? normal : large));
}
inline float bfloat_float(uint16_t h) { return bits_float(static_cast<uint32_t>(h) << 16); }
inline uint16_t float_bfloat(float f) {
  const uint32_t bits = float_bits(f);
  const uint32_t nan = bits >> 16 | 0x40u, rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

struct alignas(64) StripBuffer {
  float data[STRIP];
};

// float32 memory that starts on a cache line: loads of whole vectors then never straddle two.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&&) = default;  // the memory stays where it is
  float* resize(index_t size) {
    if (static_cast<index_t>(memory_.size()) < size + LINE) memory_.resize(size + LINE);
    data_ = memory_.data() + (-reinterpret_cast<uintptr_t>(memory_.data()) / sizeof(float)) % LINE;
    return data_;
  }
  float* clear(index_t size) {
    std::memset(resize(size), 0, size * sizeof(float));
    return data_;
  }
  float* data() { return data_; }

 private:
  std::vector<float> memory_;
  float* data_ = nullptr;
};

inline index_t type_size(int dtype) { return dtype == FLOAT32 ? 4 : 2; }
inline index_t least(index_t a, index_t b) { return a < b ? a : b; }
inline index_t most(index_t a, index_t b) { return a > b ? a : b; }
inline index_t ceil_div(index_t a, index_t b) { return (a + b - 1) / b; }

// Elements [first, first + n) of a tensor into `out`.
inline void load(int dtype, const void* tensor, index_t first, index_t n, float* __restrict out) {
  if (dtype == FLOAT32) {
    std::memcpy(out, static_cast<const float*>(tensor) + first, n * sizeof(float));
    return;
  }
  const uint16_t* in = static_cast<const uint16_t*>(tensor) + first;
  index_t i = 0;
  if (dtype == BFLOAT16) {
    for (; i < n; i++) out[i] = bfloat_float(in[i]);
    return;
  }
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
#endif
  for (; i < n; i++) out[i] = half_float(in[i]);
}

// The same, but float32 is left where it is. `buffer` is used for the other types.
inline const float* view(int dtype, const void* tensor, index_t first, index_t n, float* buffer) {
  if (dtype == FLOAT32) return static_cast<const float*>(tensor) + first;
  load(dtype, tensor, first, n, buffer);
  return buffer;
}

// memcpy that does not read the destination first, which saves a third of the traffic of a large copy.
inline void stream_bytes(void* out, const void* in, index_t bytes) {
  char* to = static_cast<char*>(out);
  const char* from = static_cast<const char*>(in);
#if defined(__AVX512F__)
  const index_t step = 64;
#elif defined(__AVX__)
  const index_t step = 32;
#else
  const index_t step = 16;
#endif
  const index_t head = least(bytes, -reinterpret_cast<intptr_t>(to) & (step - 1));
  std::memcpy(to, from, head);
  index_t i = head;
#if defined(__AVX512F__)
  for (; i + step <= bytes; i += step)
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to + i), _mm512_loadu_si512(from + i));
#elif defined(__AVX__)
  for (; i + step <= bytes; i += step)
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
#elif defined(__SSE2__)
  for (; i + step <= bytes; i += step)
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
#endif
  std::memcpy(to + i, from + i, bytes - i);
}

// Starts to bring a cache line nearer.
inline void prefetch(const void* address) {
#if defined(__SSE2__)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T1);
#else
  (void)address;
#endif
}

// To be called at the end of every function that streams: makes the stores visible to other threads in order.
inline void stream_end(bool stream) {
#if defined(__SSE2__)
  if (stream) _mm_sfence();
#else
  (void)stream;
#endif
}

inline void to_half(const float* in, index_t n, uint16_t* __restrict out) {
  index_t i = 0;
#if defined(__F16C__)
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), 0));
#endif
  for (; i < n; i++) out[i] = float_half(in[i]);
}

inline void to_bfloat(const float* in, index_t n, uint16_t* __restrict out) {
  index_t i = 0;
#if defined(__AVX512BF16__) && defined(__AVX512DQ__)
  for (; i + 16 <= n; i += 16) {
    const __m512 value = _mm512_loadu_ps(in + i);
    if (_mm512_fpclass_ps_mask(value, 0x20)) {  // the instruction would make zeros of subnormals
      for (index_t j = i; j < i + 16; j++) out[j] = float_bfloat(in[j]);
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), (__m256i)_mm512_cvtneps_pbh(value));
    }
  }
#elif defined(__AVX2__)
  // Compilers spend more on narrowing than on rounding.
  const __m256i half = _mm256_set1_epi32(0x7fff), one = _mm256_set1_epi32(1), quiet = _mm256_set1_epi32(0x40);
  for (; i + 16 <= n; i += 16) {
    __m256i part[2];
    for (int j = 0; j < 2; j++) {
      const __m256 value = _mm256_loadu_ps(in + i + 8 * j);
      const __m256i bits = _mm256_castps_si256(value), high = _mm256_srli_epi32(bits, 16);
      const __m256i odd = _mm256_add_epi32(_mm256_and_si256(high, one), half);
      const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, odd), 16);
      const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
      part[j] = _mm256_blendv_epi8(rounded, _mm256_or_si256(high, quiet), is_nan);
    }
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(part[0], part[1]), 0xd8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), packed);
  }
#endif
  for (; i < n; i++) out[i] = float_bfloat(in[i]);
}

// `in` to elements [first, first + n), n <= STRIP where the type has 16 bits.
inline void store(int dtype, void* tensor, index_t first, index_t n, const float* in, bool stream) {
  if (dtype == FLOAT32) {
    float* out = static_cast<float*>(tensor) + first;
    if (stream) stream_bytes(out, in, n * sizeof(float));
    else std::memcpy(out, in, n * sizeof(float));
    return;
  }
  uint16_t* out = static_cast<uint16_t*>(tensor) + first;
  alignas(64) uint16_t buffer[STRIP];
  uint16_t* converted = stream ? buffer : out;
  if (dtype == BFLOAT16) to_bfloat(in, n, converted);
  else to_half(in, n, converted);
  if (stream) stream_bytes(out, buffer, n * sizeof(uint16_t));
}

// A few numbers as strips of a tensor that has many elements for each of them. LAST: number i belongs to elements
// i, i + count, ...; else to runs of `run` elements.
class Spread {
 public:
  Spread(index_t count, index_t run, bool last) : count_(count), run_(run), last_(last) {}
  Spread(const Spread&) = delete;

  // Null: all numbers are `otherwise`. To be called before strip().
  void set(const float* values, float otherwise) {
    if (values == values_ && set_) return;
    values_ = values;
    set_ = true;
    if (values == nullptr) {
      fill(otherwise, STRIP);
    } else if (last_ && count_ <= MOST_REPEATED) {
      float* out = repeated_.resize(count_ + STRIP);
      repeat(out, 0, count_ + STRIP);
    }
  }

  // For elements [first, first + n) of the tensor, until the next call.
  const float* strip(index_t first, index_t n) {
    if (values_ == nullptr) return buffer_;
    if (!last_) return runs(first, n);
    const index_t phase = first % count_;
    if (count_ <= MOST_REPEATED) return repeated_.data() + phase;
    if (phase + n <= count_) return values_ + phase;
    repeat(buffer_, phase, n);
    return buffer_;
  }

 private:
  static const index_t MOST_REPEATED = 2048;

  void fill(float value, index_t n) {
    for (index_t i = 0; i < n; i++) buffer_[i] = value;
  }

  void repeat(float* out, index_t phase, index_t n) const {
    for (index_t i = 0; i < n; phase = 0) {
      const index_t length = least(n - i, count_ - phase);
      std::memcpy(out + i, values_ + phase, length * sizeof(float));
      i += length;
    }
  }

  const float* runs(index_t first, index_t n) {
    index_t which = first / run_ % count_, left = run_ - first % run_;
    if (left >= n) {
      fill(values_[which], n);
      return buffer_;
    }
    for (index_t i = 0; i < n;) {
      const index_t end = least(n, i + left);
      const float value = values_[which];
      for (; i < end; i += LINE)
        for (index_t j = 0; j < LINE; j++) buffer_[i + j] = value;  // the next run overwrites what is too much
      i = end;
      which = which + 1 == count_ ? 0 : which + 1;
      left = run_;
    }
    return buffer_;
  }

  const index_t count_, run_;
  const bool last_;
  bool set_ = false;
  const float* values_ = nullptr;
  Buffer repeated_;
  alignas(64) float buffer_[STRIP + LINE];
};

// Sum of n numbers, in an order that depends on n alone.
inline float sum_of(const float* in, index_t n) {
  index_t i = 0;
  float sum = 0.0f;
  if (n >= LINE) {
    float lanes[LINE];
    for (index_t j = 0; j < LINE; j++) lanes[j] = in[j];
    for (i = LINE; i + LINE <= n; i += LINE)
      for (index_t j = 0; j < LINE; j++) lanes[j] += in[i + j];
    for (index_t j = 0; j < 8; j++) lanes[j] += lanes[j + 8];
    for (index_t j = 0; j < 4; j++) lanes[j] += lanes[j + 4];
    sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
  }
  for (; i < n; i++) sum += in[i];
  return sum;
}

// exp(x) = (1 + fraction) * power, for x from -87 to 88; fraction = exp(r) - 1 with |r| <= log(2) / 2.
struct Exp {
  float fraction, power;
  explicit Exp(float x) {
    const float shifted = x * 1.44269504f + 12582912.0f;  // the addition rounds to an integer
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    fraction = p * (r * r) + r;
    power = bits_float((float_bits(shifted) << 23) + 0x3f800000u);
  }
  float exp() const { return fraction * power + power; }
  float expm1() const { return fraction * power + (power - 1.0f); }
};

// Comparisons are written so that NaN passes through.
inline float below(float x, float limit) { return x > limit ? limit : x; }
inline float above(float x, float limit) { return x < limit ? limit : x; }
inline float exp_of(float x) { return Exp(above(below(x, 87.0f), -87.0f)).exp(); }
inline float expm1_of(float x) { return Exp(above(below(x, 87.0f), -87.0f)).expm1(); }
inline float magnitude(float x) { return bits_float(float_bits(x) & 0x7fffffffu); }
inline float with_sign(float x, float sign) { return bits_float(float_bits(x) | (float_bits(sign) & 0x80000000u)); }

// log(1 + u) for u from 0 to 1: twice the inverse hyperbolic tangent of u / (2 + u), which is at most 1 / 3.
inline float log1p_of(float u) {
  const float s = u / (2.0f + u), z = s * s;
  float p = 1.0f / 15;
  p = p * z + 1.0f / 13;
  p = p * z + 1.0f / 11;
  p = p * z + 1.0f / 9;
  p = p * z + 1.0f / 7;
  p = p * z + 1.0f / 5;
  p = p * z + 1.0f / 3;
  return 2.0f * s + 2.0f * s * z * p;
}

}  // namespace

#endif  // STYLEGAN2_CPU_KERNELS_H_

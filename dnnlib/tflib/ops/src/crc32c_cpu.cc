// CRC-32C by the processor's own instruction. It takes three cycles, but one can begin in every cycle: so three parts
// of the data are worked on together. What a part adds to the checksum is shifted over the bytes behind it, which
// multiplies its polynomial by a power of x.

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE4_2__) && defined(__x86_64__)
#include <nmmintrin.h>
#define STEP8(crc, value) _mm_crc32_u64(crc, value)
#define STEP1(crc, value) _mm_crc32_u8(static_cast<uint32_t>(crc), value)
#elif defined(__ARM_FEATURE_CRC32) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_acle.h>
#define STEP8(crc, value) __crc32cd(static_cast<uint32_t>(crc), value)
#define STEP1(crc, value) __crc32cb(static_cast<uint32_t>(crc), value)
#endif

#ifdef STEP8
namespace {

const uint32_t POLYNOMIAL = 0x82f63b78;  // bits reversed: the highest bit is the coefficient of x^0

// Product of two polynomials modulo POLYNOMIAL.
uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = (b & 1) ? (b >> 1) ^ POLYNOMIAL : b >> 1;
  }
  return product;
}

// x^(8 * bytes) modulo POLYNOMIAL.
uint32_t power(size_t bytes) {
  uint32_t result = 1u << 31, square = 1u << 23;
  for (; bytes != 0; bytes >>= 1) {
    if (bytes & 1) result = multiply(result, square);
    square = multiply(square, square);
  }
  return result;
}

uint64_t load(const uint8_t* data) {
  uint64_t value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

}  // namespace
#endif

// CRC-32C of `size` bytes; -1 where the processor, or the compiler, knows no such instruction.
extern "C" int64_t stylegan2_crc32c(const uint8_t* data, size_t size) {
#ifdef STEP8
  const size_t part = size / 24 * 8;
  uint64_t a = 0xffffffff, b = 0, c = 0;
  const uint8_t *second = data + part, *third = second + part;
  for (size_t i = 0; i < part; i += 8) {
    a = STEP8(a, load(data + i));
    b = STEP8(b, load(second + i));
    c = STEP8(c, load(third + i));
  }
  if (part != 0) {
    const uint32_t over = power(part);
    a = multiply(multiply(static_cast<uint32_t>(a), over) ^ static_cast<uint32_t>(b), over) ^ static_cast<uint32_t>(c);
  }
  for (size_t i = 3 * part; i < size; ++i) a = STEP1(a, data[i]);
  return static_cast<int64_t>(static_cast<uint32_t>(a) ^ 0xffffffffu);
#else
  (void)data;
  (void)size;
  return -1;
#endif
}

// CUDA kernels of upfirdn_2d: tiles in shared memory for single-channel planes (NCHW), factors up to 2, filters up to
// 8x8; elsewhere one thread per output or per 16 bytes of channels (NHWC). Inserted zeros are never multiplied.

#include "cuda_kernels.h"

namespace stylegan2 {
namespace {

// One axis of output tiles. Every tile starts `shift` outputs before a multiple of its size, so that its first output
// meets a true sample (not an inserted zero) with the filter's first tap; then all tiles use the same taps.
struct TileAxis {
  index_t count;
  int shift;

  TileAxis(index_t out, int size, int up, int pad) : shift(up == 2 ? pad & 1 : 0) {
    count = ceil_div(out + shift, size);
  }
};

struct TileArgs {
  UpFirDnParams p;
  TileAxis across, down;
  Divider columns, rows;
  bool vectors, pairs;  // may rows be read in vectors, outputs of one thread be written at once?
};

enum { STAGED = 4 };  // columns that a thread copies at once to shared memory, 16 bytes of it

// TAPS: filter size in both directions, the filter extended by zeros. A thread makes UP columns and ROWS rows.
template <int UP, int DOWN, int TAPS> struct Shape {
  enum {
    LANES = UP == 1 && DOWN == 1 ? 64 : 32,
    ROWS = DOWN == 2 ? 2 : UP == 2 ? 4 : 8,  // few are read twice, by the tile above and this one
    WIDTH = LANES * UP,
    HEIGHT = THREADS / LANES * ROWS,
    THREAD_IN_ROWS = ((ROWS - 1) * DOWN + TAPS - 1) / UP + 1,
    THREAD_IN_COLUMNS = ((UP - 1) * DOWN + TAPS - 1) / UP + 1,
    IN_ROWS = (THREADS / LANES - 1) * ROWS * DOWN / UP + THREAD_IN_ROWS,
    IN_COLUMNS = (LANES - 1) * DOWN + THREAD_IN_COLUMNS,
    PITCH = (IN_COLUMNS + STAGED - 1 + STAGED - 1) / STAGED * STAGED,  // with columns before, where vectors begin
  };

  struct Shared {
    float filter[TAPS][(TAPS + 3) / 4 * 4];  // [column][row], flipped
    alignas(16) float in[IN_ROWS][PITCH];
  };

  // Place of a column in a row: with DOWN = 2 even ones come first, so that neighboring threads read neighbors.
  static __device__ __forceinline__ int place(int column) {
    return DOWN == 2 ? (column & 1) * (PITCH / 2) + (column >> 1) : column;
  }
};

template <typename S>
__device__ __forceinline__ void stage_filter(const UpFirDnParams& p, S& shared, int taps, int pitch) {
  for (int i = threadIdx.x; i < taps * pitch; i += THREADS) {
    const int column = i / pitch, row = i - column * pitch;
    const bool inside = column < p.kernel_w && row < p.kernel_h;
    shared.filter[column][row] = inside ? p.k[(p.kernel_h - 1 - row) * p.kernel_w + p.kernel_w - 1 - column] : 0.0f;
  }
}

// Writes neighboring columns of a row; in as few accesses as can be, or threads would meet in the banks.
template <typename S, int N>
__device__ __forceinline__ void stage_columns(float* row, int column, const Floats<N>& values) {
  const bool halves = S::place(1) != 1;  // even and odd columns lie apart
  if (N == 1) {
    row[S::place(column)] = values.v[0];
  } else if (!halves) {
    store<N>(row + column, values);
  } else {
    Floats<(N + 1) / 2> even, odd;
#pragma unroll
    for (int i = 0; i < N / 2; ++i) even.v[i] = values.v[2 * i], odd.v[i] = values.v[2 * i + 1];
    store<(N + 1) / 2>(row + S::place(column), even);
    store<(N + 1) / 2>(row + S::place(column + 1), odd);
  }
}

// Copies a plane's rows from `top` and columns from `left` on, N at a time, zeros beyond its edges.
template <typename S, typename T, int N>
__device__ __forceinline__ void stage_tile(const UpFirDnParams& p, const T* plane, index_t top, index_t left,
                                           typename S::Shared& shared) {
  for (int i = threadIdx.x; i < S::IN_ROWS * (S::PITCH / N); i += THREADS) {
    const int row = i / (S::PITCH / N), column = (i - row * (S::PITCH / N)) * N;
    const index_t y = top + row, x = left + column;
    Floats<N> values = constant<N>(0.0f);
    if (y >= 0 && y < p.in_h && x >= 0 && x < p.in_w) values = load<N>(plane + y * p.in_w + x);
    stage_columns<S, N>(shared.in[row], column, values);
  }
}

template <typename T, int UP, int DOWN, int TAPS>
__global__ void __launch_bounds__(THREADS) tile_kernel(const TileArgs a) {
  typedef Shape<UP, DOWN, TAPS> S;
  typedef typename S::Shared Shared;
  SHARED(Shared, shared);
  const UpFirDnParams& p = a.p;
  const int lane = threadIdx.x % S::LANES, strip = threadIdx.x / S::LANES;
  stage_filter(p, shared, TAPS, (TAPS + 3) / 4 * 4);
  const index_t tiles = p.major * a.down.count * a.across.count, step = gridDim.x;
  for (index_t tile = blockIdx.x; tile < tiles; tile += step) {
    const index_t above = a.columns(tile), plane = a.rows(above);
    const index_t left = (tile - above * a.across.count) * S::WIDTH - a.across.shift;
    const index_t top = (above - plane * a.down.count) * S::HEIGHT - a.down.shift;
    const index_t in_left = (left * DOWN - p.padx0) / UP, in_top = (top * DOWN - p.pady0) / UP;  // divides exactly
    const int lead = static_cast<int>(in_left & (STAGED - 1));
    const T* x = static_cast<const T*>(p.x) + plane * p.in_h * p.in_w;
    if (a.vectors) {
      stage_tile<S, T, STAGED>(p, x, in_top, in_left - lead, shared);
    } else {
      stage_tile<S, T, 1>(p, x, in_top, in_left - lead, shared);
    }
    __syncthreads();

    float sums[S::ROWS][UP];
#pragma unroll
    for (int i = 0; i < S::ROWS * UP; ++i) sums[i / UP][i % UP] = 0.0f;
    const int first = lead + lane * DOWN, in_row = strip * S::ROWS * DOWN / UP;
    const float *even = &shared.in[in_row][S::place(first)], *odd = &shared.in[in_row][S::place(first + 1)];
#pragma unroll
    for (int column = 0; column < S::THREAD_IN_COLUMNS; ++column) {
      const float* in = (column & 1 ? odd : even) + (DOWN == 2 ? column / 2 : column & ~1);
#pragma unroll
      for (int row = 0; row < S::THREAD_IN_ROWS; ++row) {
        const float value = in[row * S::PITCH];
#pragma unroll
        for (int i = 0; i < S::ROWS * UP; ++i) {  // input = (output * DOWN + tap) / UP along each axis
          const int tap_y = row * UP - i / UP * DOWN, tap_x = column * UP - i % UP * DOWN;
          if (tap_y >= 0 && tap_y < TAPS && tap_x >= 0 && tap_x < TAPS) {
            sums[i / UP][i % UP] += value * shared.filter[tap_x][tap_y];
          }
        }
      }
    }

    const index_t out_x = left + lane * UP, out_y = top + strip * S::ROWS;
    T* y = static_cast<T*>(p.y) + plane * p.out_h * p.out_w;
#pragma unroll
    for (int row = 0; row < S::ROWS; ++row) {
      if (out_y + row < 0 || out_y + row >= p.out_h) continue;
      T* out = y + (out_y + row) * p.out_w + out_x;
      if (a.pairs) {
        Floats<UP> pair;
#pragma unroll
        for (int i = 0; i < UP; ++i) pair.v[i] = sums[row][i];
        if (out_x < p.out_w) store<UP>(out, pair);
      } else {
#pragma unroll
        for (int i = 0; i < UP; ++i) {
          if (out_x + i >= 0 && out_x + i < p.out_w) out[i] = FromFloat<T>::of(sums[row][i]);
        }
      }
    }
    __syncthreads();
  }
}

template <typename T, int UP, int DOWN, int TAPS> int start_tiles(const UpFirDnParams& p, void* stream) {
  typedef Shape<UP, DOWN, TAPS> S;
  const TileAxis across(p.out_w, S::WIDTH, UP, p.padx0), down(p.out_h, S::HEIGHT, UP, p.pady0);
  const bool vectors = aligned(p.x, STAGED * sizeof(T)) && p.in_w % STAGED == 0;
  const bool pairs = across.shift == 0 && p.out_w % UP == 0 && aligned(p.y, UP * sizeof(T));
  const TileArgs a = {p, across, down, Divider(across.count), Divider(down.count), vectors, pairs};
  auto kernel = tile_kernel<T, UP, DOWN, TAPS>;
  LAUNCH(kernel, block_count(p.major * down.count * across.count), THREADS, stream, a);
  return cudaGetLastError();
}

struct PointArgs {
  UpFirDnParams p;
  index_t size;  // vectors of the output
  Divider channels, columns, rows, up_x, up_y;
  index_t offset_x, offset_y;  // whole samples that make positions positive
};

// The first sample at or after the position (in zero-inserted samples) that is not an inserted zero, and its tap.
struct FirstTap {
  index_t sample, tap;

  __device__ __forceinline__ FirstTap(index_t position, int up, const Divider& by, index_t offset) {
    sample = by(position + offset * up + up - 1) - offset;
    tap = sample * up - position;
    if (sample < 0) {
      tap -= sample * up;
      sample = 0;
    }
  }
};

template <typename T, int N> __global__ void __launch_bounds__(THREADS) point_kernel(const PointArgs a) {
  const UpFirDnParams& p = a.p;
  const index_t vectors = p.minor / N;
  for (index_t i = thread_index(); i < a.size; i += thread_count()) {
    const index_t point = a.channels(i), above = a.columns(point), plane = a.rows(above);
    const index_t channel = (i - point * vectors) * N;
    const FirstTap across((point - above * p.out_w) * p.downx - p.padx0, p.upx, a.up_x, a.offset_x);
    const FirstTap down((above - plane * p.out_h) * p.downy - p.pady0, p.upy, a.up_y, a.offset_y);
    const T* x = static_cast<const T*>(p.x) + plane * p.in_h * p.in_w * p.minor + channel;
    Floats<N> sum = constant<N>(0.0f);
    index_t row = down.sample;
    for (index_t tap_y = down.tap; tap_y < p.kernel_h && row < p.in_h; tap_y += p.upy, ++row) {
      const float* k = p.k + (p.kernel_h - 1 - tap_y) * p.kernel_w + p.kernel_w - 1;
      index_t column = across.sample;
      for (index_t tap_x = across.tap; tap_x < p.kernel_w && column < p.in_w; tap_x += p.upx, ++column) {
        const Floats<N> values = load<N>(x + (row * p.in_w + column) * p.minor);
        const float weight = k[-tap_x];
#pragma unroll
        for (int j = 0; j < N; ++j) sum.v[j] += weight * values.v[j];
      }
    }
    store<N>(static_cast<T*>(p.y) + i * N, sum);
  }
}

// ceil(pad / up) for positive pads.
index_t samples_before(int pad, int up) { return pad > 0 ? ceil_div(pad, up) : 0; }

template <typename T, int N> int start_points(const UpFirDnParams& p, void* stream) {
  const index_t size = p.major * p.out_h * p.out_w * (p.minor / N);
  const PointArgs a = {p, size, Divider(p.minor / N), Divider(p.out_w), Divider(p.out_h), Divider(p.upx),
                       Divider(p.upy), samples_before(p.padx0, p.upx), samples_before(p.pady0, p.upy)};
  auto kernel = point_kernel<T, N>;
  LAUNCH(kernel, block_count(ceil_div(size, THREADS)), THREADS, stream, a);
  return cudaGetLastError();
}

template <typename T> int launch(const UpFirDnParams& p, void* stream) {
  enum { N = Vector<T>::SIZE };
  const int taps = p.kernel_h > p.kernel_w ? p.kernel_h : p.kernel_w;
  const int up = p.upx == p.upy ? p.upx : 0, down = p.downx == p.downy ? p.downx : 0;
  const bool small = p.out_h * p.out_w <= THREADS;  // most of a tile would be empty
  if (p.minor == 1 && !small && taps <= 8) {
    const bool four = taps <= 4;
    if (up == 1 && down == 1) return four ? start_tiles<T, 1, 1, 4>(p, stream) : start_tiles<T, 1, 1, 8>(p, stream);
    if (up == 2 && down == 1) return four ? start_tiles<T, 2, 1, 4>(p, stream) : start_tiles<T, 2, 1, 8>(p, stream);
    if (up == 1 && down == 2) return four ? start_tiles<T, 1, 2, 4>(p, stream) : start_tiles<T, 1, 2, 8>(p, stream);
  }
  const bool vectors = p.minor % N == 0 && aligned(p.x) && aligned(p.y);
  return vectors ? start_points<T, N>(p, stream) : start_points<T, 1>(p, stream);
}

}  // namespace
}  // namespace stylegan2

extern "C" int upfirdn_cuda(const UpFirDnParams* p, void* stream) {
  using namespace stylegan2;
  if (p->upx < 1 || p->upy < 1 || p->downx < 1 || p->downy < 1) return cudaErrorInvalidValue;
  if (p->major * p->out_h * p->out_w * p->minor == 0) return cudaSuccess;
  RETURN_FOR_TYPE(p->dtype, launch, *p, stream)
}

// CUDA kernels of styled_bias_act and its derivatives.
//
// The tensors are matrices [batch, rows, columns], columns contiguous: rows are channels and columns pixels (NCHW), or
// the other way round (NHWC). The sums of the derivatives need both those along rows and those along columns; one
// pass over the tensors makes both, per tile, and a second kernel adds up the tiles. Nothing is added atomically, and
// tiles follow from the shape alone: results are the same in every run and on every GPU.

#include "cuda_kernels.h"

namespace stylegan2 {
namespace {

enum { CHANNELS = 8 };  // of NCHW that a thread makes: noise, in float32, is read once for all of them

struct StyledArgs {
  StyledParams p;
  float slope;
  index_t size, inner_size, outer_size;  // size: vectors of all groups of rows; outer_size: rows of a sample
  index_t groups;                        // of rows of a sample
  Divider inner, outer;                  // by inner_size, groups

  StyledArgs(const StyledParams& p, int rows)
      : p(p), slope(negative_slope(p.act, p.alpha)), inner_size(p.channels_last ? p.channels : p.pixels),
        outer_size(p.channels_last ? p.pixels : p.channels), groups(ceil_div(outer_size, rows)), inner(inner_size),
        outer(groups) {
    size = p.batch * groups * inner_size;
  }
};

// N values of a parameter, or one for all of them; `missing` where there is none.
template <int N>
__device__ __forceinline__ Floats<N> parameter(const float* p, bool varies, index_t at, float missing) {
  if (p == nullptr) return constant<N>(missing);
  return varies ? load<N>(p + at) : constant<N>(p[at]);
}

// A thread makes N elements of each of ROWS rows, one below the other; NHWC (LAST) has one row.
template <typename T, int N, int ROWS, bool LAST>
__global__ void __launch_bounds__(THREADS) styled_kernel(const StyledArgs a) {
  const StyledParams& p = a.p;
  const bool last = LAST;
  for (index_t i = thread_index(); i < a.size; i += thread_count()) {
    const index_t at = i * N, group = a.inner(at), sample = a.outer(group);
    const index_t first = (group - sample * a.groups) * ROWS, column = at - group * a.inner_size;
    const index_t pixel = last ? first : column;
    const Floats<N> noise = parameter<N>(p.noise, !last, (p.noise_batch == 1 ? 0 : sample * p.pixels) + pixel, 0.0f);
#pragma unroll 4
    for (int k = 0; k < ROWS; ++k) {
      const index_t row = first + k, channel = last ? column : row;
      if (row >= a.outer_size) break;
      const index_t place = (sample * a.outer_size + row) * a.inner_size + column;
      const Floats<N> scale = parameter<N>(p.scale, last, sample * p.channels + channel, 1.0f);
      const Floats<N> b = parameter<N>(p.b, last, channel, 0.0f);
      Floats<N> values = load<N>(static_cast<const T*>(p.x) + place);
#pragma unroll
      for (int j = 0; j < N; ++j) {
        values.v[j] = p.gain * piecewise_linear(values.v[j] * scale.v[j] + (noise.v[j] + b.v[j]), a.slope);
      }
      store<N>(static_cast<T*>(p.y) + place, values);
    }
  }
}

template <typename T, int N, int ROWS, bool LAST> int start_rows(StyledArgs a, void* stream) {
  auto kernel = styled_kernel<T, N, ROWS, LAST>;
  a.size /= N;
  LAUNCH(kernel, block_count(ceil_div(a.size, THREADS)), THREADS, stream, a);
  return cudaGetLastError();
}

template <typename T, int N> int start(const StyledParams& p, void* stream) {
  if (p.channels_last) return start_rows<T, N, 1, true>(StyledArgs(p, 1), stream);
  const StyledArgs several(p, CHANNELS);
  const bool few = ceil_div(several.size / N, THREADS) < FEW_BLOCKS;
  return few ? start_rows<T, N, 1, false>(StyledArgs(p, 1), stream)
             : start_rows<T, N, CHANNELS, false>(several, stream);
}

template <typename T> int launch(const StyledParams& p, void* stream) {
  enum { N = Vector<T>::SIZE };
  const index_t inner_size = p.channels_last ? p.channels : p.pixels;
  const bool vectors = inner_size % N == 0 && aligned(p.x) && aligned(p.y) && aligned(p.scale) && aligned(p.noise) &&
                       aligned(p.b);
  return vectors ? start<T, N>(p, stream) : start<T, 1>(p, stream);
}

// Tiles of the derivatives. A tile is `chunks` times `width` columns of `rows` rows; NHWC has one chunk.
enum { MAX_WIDTH = 128, NCHW_ROWS = 64, TILE_SIZE = 8192, MANY_TILES = 2048 };

struct Tiling {
  index_t rows, columns;  // of the matrix
  int width;
  index_t tile_rows, chunks, row_tiles, column_tiles;
  index_t pixel_parts, channel_parts;  // partial sums over pixels, over channels

  Tiling(int channels_last, index_t batch, index_t channels, index_t pixels) {
    rows = channels_last ? pixels : channels;
    columns = channels_last ? channels : pixels;
    width = 16;
    while (width < columns && width < MAX_WIDTH) width *= 2;
    tile_rows = channels_last ? TILE_SIZE / width : NCHW_ROWS;
    chunks = 1;
    const index_t tiles = batch * ceil_div(rows, tile_rows) * ceil_div(columns, width);
    index_t* growing = channels_last ? &tile_rows : &chunks;  // the direction that leaves fewer sums over pixels
    *growing *= tiles < MANY_TILES ? 1 : ceil_div(tiles, MANY_TILES);
    row_tiles = ceil_div(rows, tile_rows);
    column_tiles = ceil_div(columns, width * chunks);
    pixel_parts = channels_last ? row_tiles : column_tiles;
    channel_parts = channels_last ? column_tiles : row_tiles;
  }
};

struct GradArgs {
  float gain, inv_gain, slope;
  bool last;  // NHWC
  index_t batch, channels, pixels;
  Tiling tiling;
  Divider row_tiles, column_tiles;
  const void *dy, *y, *x, *ddx;
  const float *scale, *dds, *ddn, *ddb;
  void *dx, *d2x;              // dx: ddy in the second derivative
  float *plain, *dot, *noise;  // sums or parts of them: du and du * x (ddx * du) over pixels, du over channels; or null
};

enum { WARPS = THREADS / 32 };

struct GradShared {
  float plain[WARPS][MAX_WIDTH + 32], dot[WARPS][MAX_WIDTH + 32];  // sums along columns, of each warp
  float row_plain[NCHW_ROWS], row_dot[NCHW_ROWS];        // along rows, over chunks
};

// A thread's share of a row: N contiguous elements, or 4 that lie `lanes` apart.
template <int N> struct Share {
  enum { SIZE = N > 1 ? N : 4 };
  int lane, lanes;

  __device__ __forceinline__ int column(int i) const { return N > 1 ? lane * N + i : i * lanes + lane; }

  // Where a warp's sum of column(i) or of a column lies in shared memory: neither lanes that write nor threads of
  // consecutive columns that read meet in a bank.
  __device__ __forceinline__ int place(int i) const { return i * pitch() + lane; }
  __device__ __forceinline__ int place_of(int column) const {
    return N > 1 ? column % SIZE * pitch() + column / SIZE : column;
  }
  __device__ __forceinline__ int pitch() const { return N > 1 ? lanes + 32 / SIZE : lanes; }

  // Elements `first` + column(i) of a row; zeros beyond its end.
  template <typename T>
  __device__ __forceinline__ Floats<SIZE> get(const T* row, index_t first, index_t end, float missing) const {
    Floats<SIZE> out = constant<SIZE>(missing);
    if (row == nullptr) return out;
    if (N > 1) {
      if (first + column(0) < end) out = load<SIZE>(row + first + column(0));
    } else {
#pragma unroll
      for (int i = 0; i < SIZE; ++i) {
        if (first + column(i) < end) out.v[i] = to_float(row[first + column(i)]);
      }
    }
    return out;
  }

  template <typename T>
  __device__ __forceinline__ void put(T* row, index_t first, index_t end, const Floats<SIZE>& values) const {
    if (N > 1) {
      if (first + column(0) < end) store<SIZE>(row + first + column(0), values);
    } else {
#pragma unroll
      for (int i = 0; i < SIZE; ++i) {
        if (first + column(i) < end) row[first + column(i)] = FromFloat<T>::of(values.v[i]);
      }
    }
  }
};

template <typename T> __device__ __forceinline__ T* shifted(T* p, index_t by) { return p == nullptr ? p : p + by; }

// Sum over the lanes whose numbers differ in the bits from `low` to below `high`; all of them get it.
__device__ __forceinline__ float lane_sum(float v, int low, int high) {
  for (int bit = low; bit < high; bit *= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
  return v;
}

// A thread's part of a block's work on one chunk of columns.
template <typename T, int N, bool SECOND> struct Work {
  enum { E = Share<N>::SIZE };
  Floats<E> scale, dds, add;  // set once per chunk in NHWC, once per row in NCHW
  Floats<E> plain, dot;       // sums along the columns
  float row_plain, row_dot;   // sums along one row

  __device__ __forceinline__ void start(const GradArgs& a, const Share<N>& share, index_t sample, index_t first) {
    const index_t end = a.tiling.columns, channels = sample * a.channels;
    plain = dot = constant<E>(0.0f);
    if (!a.last) return;
    scale = share.get(shifted(a.scale, channels), first, end, 1.0f);
    if (SECOND) dds = share.get(shifted(a.dds, channels), first, end, 0.0f);
    if (SECOND) add = share.get(a.ddb, first, end, 0.0f);
  }

  __device__ __forceinline__ void row(const GradArgs& a, const Share<N>& share, index_t sample, index_t row,
                                      index_t first) {
    const index_t end = a.tiling.columns, base = (sample * a.tiling.rows + row) * end;
    float row_add = 0.0f;
    if (a.last) {
      if (SECOND && a.ddn != nullptr) row_add = a.ddn[sample * a.pixels + row];
    } else {
      const index_t channel = sample * a.channels + row;
      scale = constant<E>(a.scale == nullptr ? 1.0f : a.scale[channel]);
      if (SECOND) dds = constant<E>(a.dds == nullptr ? 0.0f : a.dds[channel]);
      if (SECOND) add = share.get(shifted(a.ddn, sample * a.pixels), first, end, 0.0f);
      if (SECOND && a.ddb != nullptr) row_add = a.ddb[row];
    }
    const Floats<E> dy = share.get(static_cast<const T*>(a.dy) + base, first, end, 0.0f);
    const Floats<E> y = share.get(static_cast<const T*>(a.y) + base, first, end, 0.0f);
    const Floats<E> x = share.get(shifted(static_cast<const T*>(a.x), base), first, end, 0.0f);
    Floats<E> ddx, dx, d2x;
    if (SECOND) ddx = share.get(static_cast<const T*>(a.ddx) + base, first, end, 0.0f);
    row_plain = row_dot = 0.0f;
#pragma unroll
    for (int i = 0; i < E; ++i) {
      const float slope = a.gain * (y.v[i] * a.inv_gain > 0.0f ? 1.0f : a.slope), du = slope * dy.v[i];
      float product;
      if (SECOND) {
        dx.v[i] = slope * (ddx.v[i] * scale.v[i] + x.v[i] * dds.v[i] + (add.v[i] + row_add));
        d2x.v[i] = dds.v[i] * du;
        product = ddx.v[i] * du;
      } else {
        dx.v[i] = du * scale.v[i];
        product = du * x.v[i];
      }
      plain.v[i] += du;
      dot.v[i] += product;
      row_plain += du;
      row_dot += product;
    }
    share.put(static_cast<T*>(a.dx) + base, first, end, dx);
    if (SECOND && a.d2x != nullptr) share.put(static_cast<T*>(a.d2x) + base, first, end, d2x);
  }
};

// Adds up the warps' sums along columns and writes them; all threads of the block must come here.
template <int N>
__device__ __forceinline__ void write_columns(float (*all)[MAX_WIDTH + 32], const Floats<Share<N>::SIZE>& sums,
                                              const Share<N>& share, float* out, index_t columns) {
  if (out == nullptr) return;
  const int width = share.lanes * Share<N>::SIZE, thread = threadIdx.x;
#pragma unroll
  for (int i = 0; i < Share<N>::SIZE; ++i) {
    const float sum = lane_sum(sums.v[i], share.lanes, 32);
    if (thread % 32 < share.lanes) all[thread / 32][share.place(i)] = sum;
  }
  __syncthreads();
  if (thread < width && thread < columns) {
    float sum = 0.0f;
    for (int warp = 0; warp < WARPS; ++warp) sum += all[warp][share.place_of(thread)];
    out[thread] = sum;
  }
  __syncthreads();
}

template <typename T, int N, bool SECOND>
__global__ void __launch_bounds__(THREADS) styled_grad_kernel(const GradArgs a) {
  SHARED(GradShared, shared);
  const Tiling& g = a.tiling;
  Share<N> share;
  share.lanes = g.width / Share<N>::SIZE;
  share.lane = threadIdx.x % share.lanes;
  const int slot = threadIdx.x / share.lanes, slots = THREADS / share.lanes;
  float *row_plain = a.last ? a.noise : a.plain, *row_dot = a.last ? nullptr : a.dot;
  float *column_plain = a.last ? a.plain : a.noise, *column_dot = a.last ? a.dot : nullptr;
  const index_t tiles = a.batch * g.row_tiles * g.column_tiles, step = gridDim.x;
  for (index_t tile = blockIdx.x; tile < tiles; tile += step) {
    const index_t above = a.column_tiles(tile), column_tile = tile - above * g.column_tiles;
    const index_t sample = a.row_tiles(above), row_tile = above - sample * g.row_tiles;
    const index_t first_row = row_tile * g.tile_rows;
    const index_t end_row = first_row + g.tile_rows < g.rows ? first_row + g.tile_rows : g.rows;
    const index_t row_out = (column_tile * a.batch + sample) * g.rows;
#pragma unroll 1
    for (index_t chunk = 0; chunk < g.chunks; ++chunk) {
      const index_t first = (column_tile * g.chunks + chunk) * g.width;
      if (first >= g.columns) break;
      Work<T, N, SECOND> work;
      work.start(a, share, sample, first);
#pragma unroll 1
      for (index_t top = first_row; top < end_row; top += slots) {  // the same number of rounds in all threads
        const index_t row = top + slot;
        work.row_plain = work.row_dot = 0.0f;
        if (row < end_row) work.row(a, share, sample, row, first);
        const float plain = row_plain == nullptr ? 0.0f : lane_sum(work.row_plain, 1, share.lanes);
        const float dot = row_dot == nullptr ? 0.0f : lane_sum(work.row_dot, 1, share.lanes);
        if (share.lane != 0 || row >= end_row) continue;
        if (a.last) {  // one chunk
          if (row_plain != nullptr) row_plain[row_out + row] = plain;
        } else {  // each row's sums belong to one thread: no barrier is needed
          const int local = static_cast<int>(row - first_row);
          shared.row_plain[local] = chunk == 0 ? plain : shared.row_plain[local] + plain;
          shared.row_dot[local] = chunk == 0 ? dot : shared.row_dot[local] + dot;
        }
      }
      const index_t out = (row_tile * a.batch + sample) * g.columns + first;
      write_columns<N>(shared.plain, work.plain, share, shifted(column_plain, out), g.columns - first);
      write_columns<N>(shared.dot, work.dot, share, shifted(column_dot, out), g.columns - first);
    }
    if (a.last || share.lane != 0) continue;
    for (index_t row = first_row + slot; row < end_row; row += slots) {
      const int local = static_cast<int>(row - first_row);
      if (row_plain != nullptr) row_plain[row_out + row] = shared.row_plain[local];
      if (row_dot != nullptr) row_dot[row_out + row] = shared.row_dot[local];
    }
  }
}

// out[column] = sum over rows of parts [rows, columns], each by blockDim.y threads in a fixed order.
struct SumArgs {
  const float* parts;
  float* out;
  index_t rows, columns;
};

enum { SUM_THREADS = 1024 };

struct SumShared {
  float v[SUM_THREADS];
};

__global__ void __launch_bounds__(SUM_THREADS) sum_kernel(const SumArgs a) {
  SHARED(SumShared, shared);
  const int self = threadIdx.y * blockDim.x + threadIdx.x;
  const index_t step = thread_count();
  for (index_t first = static_cast<index_t>(blockIdx.x) * blockDim.x; first < a.columns; first += step) {
    const index_t column = first + threadIdx.x;
    float sum = 0.0f;
    if (column < a.columns) {
      for (index_t row = threadIdx.y; row < a.rows; row += blockDim.y) sum += a.parts[row * a.columns + column];
    }
    shared.v[self] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < a.columns) {
      for (int y = 1; y < static_cast<int>(blockDim.y); ++y) sum += shared.v[self + y * blockDim.x];
      a.out[column] = sum;
    }
    __syncthreads();
  }
}

int sum_parts(const float* parts, float* out, index_t rows, index_t columns, void* stream) {
  if (out == nullptr || parts == out || columns == 0) return cudaSuccess;
  const SumArgs a = {parts, out, rows, columns};
  const dim3 block = rows >= 32 ? dim3(32, 32) : rows >= 8 ? dim3(32, 8) : dim3(256, 1);
  LAUNCH(sum_kernel, block_count(ceil_div(columns, block.x)), block, stream, a);
  return cudaGetLastError();
}

template <typename T, bool SECOND> int start_grad(const GradArgs& a, void* stream) {
  enum { N = Vector<T>::SIZE };
  const bool vectors = a.tiling.columns % N == 0 && aligned(a.dy) && aligned(a.y) && aligned(a.x) && aligned(a.ddx) &&
                       aligned(a.dx) && aligned(a.d2x) && aligned(a.scale) && aligned(a.dds) && aligned(a.ddn) &&
                       aligned(a.ddb);
  auto kernel = vectors ? styled_grad_kernel<T, N, SECOND> : styled_grad_kernel<T, 1, SECOND>;
  LAUNCH(kernel, block_count(a.batch * a.tiling.row_tiles * a.tiling.column_tiles), THREADS, stream, a);
  return cudaGetLastError();
}

template <typename T> int launch_first(const GradArgs& a, void* stream) { return start_grad<T, false>(a, stream); }

template <typename T> int launch_second(const GradArgs& a, void* stream) { return start_grad<T, true>(a, stream); }

template <typename P> GradArgs common_args(const P& p) {
  const Tiling tiling(p.channels_last, p.batch, p.channels, p.pixels);
  GradArgs a = {p.gain, reciprocal(p.gain), negative_slope(p.act, p.alpha), p.channels_last != 0, p.batch, p.channels,
                p.pixels, tiling, Divider(tiling.row_tiles), Divider(tiling.column_tiles), p.dy, p.y, p.x, nullptr,
                p.scale, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  return a;
}

bool known(int act) { return act >= LINEAR && act <= LRELU; }

int first_derivative(const GradArgs& a, const StyledGradParams& p, void* stream) {
  RETURN_FOR_TYPE(p.dtype, launch_first, a, stream)
}

int second_derivative(const GradArgs& a, const StyledGrad2Params& p, void* stream) {
  RETURN_FOR_TYPE(p.dtype, launch_second, a, stream)
}

}  // namespace
}  // namespace stylegan2

extern "C" int styled_cuda(const StyledParams* p, void* stream) {
  using namespace stylegan2;
  if (!known(p->act)) return cudaErrorInvalidValue;
  if (p->batch * p->channels * p->pixels == 0) return cudaSuccess;
  RETURN_FOR_TYPE(p->dtype, launch, *p, stream)
}

extern "C" index_t styled_grad_scratch_cuda(int channels_last, index_t batch, index_t channels, index_t pixels) {
  const stylegan2::Tiling tiling(channels_last, batch, channels, pixels);
  const index_t by_channel = batch * channels * tiling.pixel_parts, by_pixel = batch * pixels * tiling.channel_parts;
  return 2 * by_channel + (tiling.channel_parts > 1 ? by_pixel : 0);
}

extern "C" int styled_grad_cuda(const StyledGradParams* p, void* stream) {
  using namespace stylegan2;
  if (!known(p->act)) return cudaErrorInvalidValue;
  GradArgs a = common_args(*p);
  const index_t parts = a.tiling.pixel_parts, channel_parts = a.tiling.channel_parts;
  const index_t by_channel = p->batch * p->channels, by_pixel = p->batch * p->pixels;
  a.dx = p->dx;
  if (p->dscale == nullptr) a.x = nullptr;
  a.plain = p->db == nullptr || parts * p->batch == 1 ? p->db : p->scratch;
  a.dot = p->dscale == nullptr || parts == 1 ? p->dscale : p->scratch + parts * by_channel;
  a.noise = p->dnoise == nullptr || channel_parts == 1 ? p->dnoise : p->scratch + 2 * parts * by_channel;
  int error = by_channel == 0 || by_pixel == 0 ? cudaSuccess : first_derivative(a, *p, stream);
  if (error == cudaSuccess) error = sum_parts(a.plain, p->db, parts * p->batch, p->channels, stream);
  if (error == cudaSuccess) error = sum_parts(a.dot, p->dscale, parts, by_channel, stream);
  if (error == cudaSuccess) error = sum_parts(a.noise, p->dnoise, channel_parts, by_pixel, stream);
  return error;
}

extern "C" int styled_grad2_cuda(const StyledGrad2Params* p, void* stream) {
  using namespace stylegan2;
  if (!known(p->act)) return cudaErrorInvalidValue;
  GradArgs a = common_args(*p);
  const index_t parts = a.tiling.pixel_parts, by_channel = p->batch * p->channels;
  a.ddx = p->ddx;
  a.dds = p->dds;
  a.ddn = p->ddn;
  a.ddb = p->ddb;
  a.dx = p->ddy;
  a.d2x = p->d2x;
  a.dot = p->d2scale == nullptr || parts == 1 ? p->d2scale : p->scratch;
  int error = by_channel == 0 || p->pixels == 0 ? cudaSuccess : second_derivative(a, *p, stream);
  if (error == cudaSuccess) error = sum_parts(a.dot, p->d2scale, parts, by_channel, stream);
  return error;
}

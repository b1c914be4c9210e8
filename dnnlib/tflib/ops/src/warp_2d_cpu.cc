// Reflect, upsample by 2, warp, downsample by 2 on the CPU (see WarpParams).
//
// A unit is one channel of one image, so that sums never depend on the number of threads. It is worked on in tiles of
// the result. Of the upsampled source only what the warp of a tile meets is computed, into a buffer of at most a few
// hundred samples square, which stays in the second cache; the padded image is never stored.
//
// Sample q of a row of twofold resolution meets pixel i with the tap q + 5 - 2 * i. `expand` doubles the resolution,
// `contract` halves it, and each is the adjoint of the other; so the same two serve the warp and its adjoint.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cpu_kernels.h"

namespace {

const index_t TAPS = WARP_TAPS, SIDE = TAPS / 4;  // SIDE: pixels beside a sample that it meets
const index_t TILE = 96;  // largest side of a tile

// One axis of one of the two images: `before` and `after` pixels around `size`, reflected or zero.
struct Axis {
  index_t size, before, padded;
  bool reflects;
  Axis(index_t size_, index_t before_, index_t after, bool reflects_)
      : size(size_), before(before_), padded(before_ + size_ + after), reflects(reflects_) {}
  // The pixel that lies at a place of the padded image, -1 = none.
  index_t pixel(index_t place) const {
    index_t i = place - before;
    if (place < 0 || place >= padded) return -1;
    if (!reflects) return i < 0 || i >= size ? -1 : i;
    if (i < 0) i = -i;
    return i >= size ? 2 * (size - 1) - i : i;
  }
};

// Samples [first, first + 2 * pairs) of an axis of twofold resolution, first even; pixels [first / 2 - 3, ... + 3) meet
// them. What lies outside the padded image is zero.
struct Span {
  index_t first, pairs;
  index_t samples() const { return 2 * pairs; }
  index_t pixels() const { return pairs + 2 * SIDE; }
  index_t pixel0() const { return first / 2 - SIDE; }
};

// What samples between `low` and `high` need of an axis; two samples of zeros at either end catch what is further out.
Span span_of(double low, double high, const Axis& axis) {
  const double end = 2.0 * static_cast<double>(axis.padded);
  index_t first = static_cast<index_t>(std::floor(std::min(std::max(low - 1, -2.0), end)));
  index_t last = static_cast<index_t>(std::floor(std::min(std::max(high + 2, -1.0), end + 1)));
  first -= first & 1;
  last |= 1;
  return {first, (most(last, first + 1) + 1 - first) / 2};
}

class Worker {
 public:
  explicit Worker(const WarpParams* p);
  void unit(index_t unit);

 private:
  void set_matrix(const float* matrix);
  void tile(const float* x, float* y, index_t row, index_t rows, index_t column, index_t columns);
  void pull(const float* x, float* y);
  void push(const float* x, float* y);
  bool place(index_t sample);
  void clear_outside(float* row) const;
  bool is_outside(index_t sample) const { return sample < 0 || sample >= 2 * from_y_.padded; }
  void expand(const float* in, index_t pairs, float* out) const;
  void contract(const float* in, index_t count, float* out) const;
  void add_rows(const float* const* in, const float* taps, index_t n, index_t count, float* out) const;

  const WarpParams* p_;
  const Axis from_x_, from_y_, to_x_, to_y_;
  float even_[TAPS / 2], odd_[TAPS / 2];  // taps that even and odd samples meet, in the order of pixels
  double matrix_[6];
  index_t row_, rows_, column_, columns_;  // the tile, in places of the padded result
  Span x_, y_, to_;                        // what the tile meets of the source, its own samples along x
  index_t begin_, end_;                    // its samples along x that lie in the canvas
  std::vector<int> places_;                // of each sample of a row, in source_
  std::vector<float> right_, down_;        // weights of the neighbors there
  std::vector<const float*> at_;
  Buffer source_, wide_, line_, samples_, narrow_, zeros_;
};

// The adjoint pulls from where the warp pushes to; the inverse warp goes the other way by the inverse matrix.
Axis reflected(index_t size, index_t before, index_t after) { return Axis(size, before, after, true); }
Axis cropped(index_t size) { return Axis(size, SIDE, SIDE, false); }

Worker::Worker(const WarpParams* p)
    : p_(p),
      from_x_(p->rule == WARP_INVERSE ? cropped(p->width) : reflected(p->width, p->left, p->right)),
      from_y_(p->rule == WARP_INVERSE ? cropped(p->height) : reflected(p->height, p->top, p->bottom)),
      to_x_(p->rule == WARP_INVERSE ? reflected(p->width, p->left, p->right) : cropped(p->width)),
      to_y_(p->rule == WARP_INVERSE ? reflected(p->height, p->top, p->bottom) : cropped(p->height)) {
  for (index_t s = 0; s < TAPS / 2; s++) {
    even_[s] = p->fir[TAPS - 1 - 2 * s];
    odd_[s] = p->fir[TAPS - 2 - 2 * s];
  }
}

void Worker::set_matrix(const float* m) {
  for (int i = 0; i < 6; i++) matrix_[i] = m[i];
  if (p_->rule != WARP_INVERSE) return;
  const double det = static_cast<double>(m[0]) * m[4] - static_cast<double>(m[1]) * m[3];
  const double inverse[4] = {m[4] / det, -m[1] / det, -m[3] / det, m[0] / det};
  matrix_[0] = inverse[0], matrix_[1] = inverse[1], matrix_[3] = inverse[2], matrix_[4] = inverse[3];
  matrix_[2] = -(inverse[0] * m[2] + inverse[1] * m[5]);
  matrix_[5] = -(inverse[2] * m[2] + inverse[3] * m[5]);
}

void Worker::unit(index_t unit) {
  const index_t size = p_->height * p_->width;
  const float* x = p_->x + unit * size;
  float* y = p_->y + unit * size;
  std::fill(y, y + size, 0.0f);
  set_matrix(p_->matrices + unit / p_->channels * 6);
  const bool inverse = p_->rule == WARP_INVERSE;  // else what is cropped is not computed
  const index_t top = inverse ? 0 : SIDE, height = inverse ? to_y_.padded : p_->height;
  const index_t left = inverse ? 0 : SIDE, width = inverse ? to_x_.padded : p_->width;
  const index_t rows = ceil_div(height, ceil_div(height, TILE)), columns = ceil_div(width, ceil_div(width, TILE));
  for (index_t i = 0; i < height; i += rows)
    for (index_t j = 0; j < width; j += columns)
      tile(x, y, top + i, least(rows, height - i), left + j, least(columns, width - j));
}

void Worker::tile(const float* x, float* y, index_t row, index_t rows, index_t column, index_t columns) {
  row_ = row, rows_ = rows, column_ = column, columns_ = columns;
  to_ = {2 * (column - SIDE), columns + 2 * SIDE};
  begin_ = most(0, -to_.first);
  end_ = least(to_.samples(), 2 * to_x_.padded - to_.first);
  const double left = static_cast<double>(to_.first), right = left + static_cast<double>(to_.samples() - 1);
  const double top = static_cast<double>(2 * (row - SIDE)), bottom = top + static_cast<double>(2 * rows + 4 * SIDE - 1);
  double low[2], high[2];
  for (int axis = 0; axis < 2; axis++) {
    const double* m = matrix_ + 3 * axis;
    const double a = m[0] * left, b = m[0] * right, c = m[1] * top, d = m[1] * bottom;
    low[axis] = std::min(a, b) + std::min(c, d) + m[2];
    high[axis] = std::max(a, b) + std::max(c, d) + m[2];
    if (!(low[axis] >= -1e9 && high[axis] <= 1e9)) return;  // not a number, or all of it is far outside
  }
  x_ = span_of(low[0], high[0], from_x_);
  y_ = span_of(low[1], high[1], from_y_);
  const index_t width = x_.samples(), count = to_.samples();
  source_.resize(y_.samples() * width);
  wide_.resize(y_.pixels() * width);
  line_.resize(most(x_.pixels() + TAPS, most(width, count) + 2 * TAPS));
  samples_.resize(count);
  narrow_.resize((2 * rows + 4 * SIDE) * columns);
  zeros_.clear(most(width, columns));
  places_.resize(count), right_.resize(count), down_.resize(count);
  if (p_->rule == WARP_ADJOINT) push(x, y);
  else pull(x, y);
}

// Where the samples of a row lie in source_; false if the row is not in the canvas.
bool Worker::place(index_t sample) {
  const index_t q = 2 * (row_ - SIDE) + sample;
  if (q < 0 || q >= 2 * to_y_.padded) return false;
  const float a = static_cast<float>(matrix_[0]), b = static_cast<float>(matrix_[3]), first = static_cast<float>(to_.first);
  const float u0 = static_cast<float>(matrix_[1] * q + matrix_[2]), v0 = static_cast<float>(matrix_[4] * q + matrix_[5]);
  const float left = static_cast<float>(x_.first), top = static_cast<float>(y_.first);
  const float most_u = static_cast<float>(x_.samples() - 2), most_v = static_cast<float>(y_.samples() - 2);
  const int stride = static_cast<int>(x_.samples());
  for (int i = static_cast<int>(begin_); i < static_cast<int>(end_); i++) {
    const float u = a * (first + static_cast<float>(i)) + u0, v = b * (first + static_cast<float>(i)) + v0;
    const float whole_u = std::floor(u), whole_v = std::floor(v);
    right_[i] = u - whole_u;
    down_[i] = v - whole_v;
    float j = whole_u - left, k = whole_v - top;
    j = j > 0 ? j : 0, k = k > 0 ? k : 0;
    j = j < most_u ? j : most_u, k = k < most_v ? k : most_v;
    places_[i] = static_cast<int>(k) * stride + static_cast<int>(j);
  }
  return true;
}

// Zeros the samples of a row that lie outside the padded image.
void Worker::clear_outside(float* row) const {
  for (index_t i = 0; i < x_.samples() && x_.first + i < 0; i++) row[i] = 0;
  for (index_t i = x_.samples() - 1; i >= 0 && x_.first + i >= 2 * from_x_.padded; i--) row[i] = 0;
}

// `pairs` + 6 pixels to 2 * `pairs` samples.
void Worker::expand(const float* __restrict in, index_t pairs, float* __restrict out) const {
  for (index_t j = 0; j < pairs; j++) {
    float even = 0, odd = 0;
    for (index_t s = 0; s < TAPS / 2; s++) {
      even += even_[s] * in[j + s];
      odd += odd_[s] * in[j + s + 1];
    }
    out[2 * j] = even;
    out[2 * j + 1] = odd;
  }
}

// 2 * `count` + 12 samples to `count` pixels.
void Worker::contract(const float* __restrict in, index_t count, float* __restrict out) const {
  for (index_t j = 0; j < count; j++) {
    float sum = 0;
    for (index_t t = 0; t < TAPS; t++) sum += p_->fir[t] * in[2 * j + t + 1];
    out[j] = sum;
  }
}

// The weighted sum of `n` rows, 6 or 12.
void Worker::add_rows(const float* const* in, const float* taps, index_t n, index_t count, float* __restrict out) const {
  for (index_t first = 0; first < n; first += 6) {
    const float *a = in[first], *b = in[first + 1], *c = in[first + 2], *d = in[first + 3], *e = in[first + 4],
                *f = in[first + 5], *w = taps + first;
    if (first == 0)
      for (index_t i = 0; i < count; i++)
        out[i] = w[0] * a[i] + w[1] * b[i] + w[2] * c[i] + w[3] * d[i] + w[4] * e[i] + w[5] * f[i];
    else
      for (index_t i = 0; i < count; i++)
        out[i] += w[0] * a[i] + w[1] * b[i] + w[2] * c[i] + w[3] * d[i] + w[4] * e[i] + w[5] * f[i];
  }
}

void Worker::pull(const float* x, float* y) {
  const index_t width = x_.samples(), count = to_.samples();
  float *source = source_.data(), *wide = wide_.data(), *line = line_.data(), *samples = samples_.data(),
        *narrow = narrow_.data();
  for (index_t i = 0; i < y_.pixels(); i++) {  // upsample along x
    const index_t pixel = from_y_.pixel(y_.pixel0() + i);
    if (pixel < 0) {
      std::fill(wide + i * width, wide + (i + 1) * width, 0.0f);
      continue;
    }
    const float* row = x + pixel * p_->width;
    for (index_t j = 0; j < x_.pixels(); j++) {
      const index_t at = from_x_.pixel(x_.pixel0() + j);
      line[j] = at < 0 ? 0 : row[at];
    }
    expand(line, x_.pairs, wide + i * width);
    clear_outside(wide + i * width);
  }
  at_.resize(y_.pixels());
  for (index_t i = 0; i < y_.pixels(); i++) at_[i] = wide + i * width;
  for (index_t i = 0; i < y_.samples(); i++) {  // along y
    float* row = source + i * width;
    if (is_outside(y_.first + i)) std::fill(row, row + width, 0.0f);
    else add_rows(at_.data() + i / 2 + i % 2, i % 2 ? odd_ : even_, TAPS / 2, width, row);
  }
  const index_t rows = 2 * rows_ + 4 * SIDE;
  std::fill(samples, samples + count, 0.0f);
  at_.resize(rows);
  for (index_t i = 0; i < rows; i++) {  // warp, downsample along x
    at_[i] = zeros_.data();
    if (!place(i)) continue;
    for (index_t j = begin_; j < end_; j++) {
      const float *s = source + places_[j], *t = s + width;
      const float upper = s[0] + right_[j] * (s[1] - s[0]), lower = t[0] + right_[j] * (t[1] - t[0]);
      samples[j] = upper + down_[j] * (lower - upper);
    }
    contract(samples, columns_, narrow + i * columns_);
    at_[i] = narrow + i * columns_;
  }
  for (index_t i = 0; i < rows_; i++) {  // along y
    const index_t pixel = to_y_.pixel(row_ + i);
    if (pixel < 0) continue;
    add_rows(at_.data() + 2 * i + 1, p_->fir, TAPS, columns_, line);
    for (index_t j = 0; j < columns_; j++) {
      const index_t at = to_x_.pixel(column_ + j);
      if (at >= 0) y[pixel * p_->width + at] += line[j];
    }
  }
}

// `pull` backwards: every step is the adjoint of one there.
void Worker::push(const float* x, float* y) {
  const index_t width = x_.samples(), rows = 2 * rows_ + 4 * SIDE;
  float *source = source_.clear(y_.samples() * width), *wide = wide_.data(), *line = line_.data(),
        *samples = samples_.data();
  at_.assign(rows_ + 4 * SIDE, zeros_.data());
  for (index_t i = 0; i < rows_; i++) at_[2 * SIDE + i] = x + to_y_.pixel(row_ + i) * p_->width + to_x_.pixel(column_);
  for (index_t i = 0; i < rows; i++) {
    if (!place(i)) continue;
    std::fill(line, line + columns_ + 4 * SIDE, 0.0f);
    add_rows(at_.data() + i / 2 + i % 2, i % 2 ? odd_ : even_, TAPS / 2, columns_, line + 2 * SIDE);
    expand(line, to_.pairs, samples);
    for (index_t j = begin_; j < end_; j++) {
      float *s = source + places_[j], *t = s + width;
      const float lower = samples[j] * down_[j], upper = samples[j] - lower;
      s[0] += upper * (1 - right_[j]);
      s[1] += upper * right_[j];
      t[0] += lower * (1 - right_[j]);
      t[1] += lower * right_[j];
    }
  }
  at_.assign(y_.samples() + 2 * TAPS, zeros_.data());
  for (index_t i = 0; i < y_.samples(); i++)
    if (!is_outside(y_.first + i)) at_[TAPS + i] = source + i * width;
  for (index_t i = 0; i < y_.pixels(); i++) {
    const index_t pixel = from_y_.pixel(y_.pixel0() + i);
    if (pixel < 0) continue;
    std::fill(line, line + TAPS, 0.0f);
    add_rows(at_.data() + 2 * i + 1, p_->fir, TAPS, width, line + TAPS);
    clear_outside(line + TAPS);
    std::fill(line + TAPS + width, line + 2 * TAPS + width, 0.0f);
    contract(line, x_.pixels(), wide);
    for (index_t j = 0; j < x_.pixels(); j++) {
      const index_t at = from_x_.pixel(x_.pixel0() + j);
      if (at >= 0) y[pixel * p_->width + at] += wide[j];
    }
  }
}

}  // namespace

index_t warp_units(const WarpParams* p) { return p->batch * p->channels; }

void warp_cpu(const WarpParams* p, index_t begin, index_t end) {
  Worker worker(p);
  for (index_t unit = begin; unit < end; unit++) worker.unit(unit);
}

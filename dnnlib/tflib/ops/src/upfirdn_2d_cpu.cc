// Insert zeros, pad, filter, decimate on the CPU, polyphase: inserted zeros are never stored nor multiplied.
//
// Along an axis let g = gcd(up, down), P = up / g, Q = down / g. Outputs r, r + P, r + 2P, ... (phase r) meet the same
// taps, and move by Q inputs from one to the next. So each output phase is a sum of shifted streams of pixels, and P of
// them are interleaved. Where pixels are short, a row of inputs is first de-interleaved into Q contiguous phases.
//
// A unit is a tile: a group of images (more than one where images are small) x a block of rows x a block of columns x a
// block of channels. Of a filter that is a column times a row, the column is applied first, for each output row: the
// weighted sum of the input rows that it meets is one float32 row, the only buffer. For four taps, the usual number,
// GROUP output rows are worked on at once.
// For any other filter the tile keeps a ring of as many float32 input rows as an output row meets.

#include <cmath>
#include <vector>

#include "upfirdn_2d_rows.h"

namespace {

const index_t TILE = 16384;       // elements of a row of a tile, about: some of them stay in the second cache
const index_t LEAST_COLUMNS = 32;  // of a block of columns, else too much of it is read twice
const index_t MOST_CHANNELS = 512;  // of a tile
const index_t ROWS = 64;           // of a block of rows
const index_t GROUP = 4;           // output rows at once
const index_t FEW_UNITS = 64;      // below this, blocks of rows become smaller

index_t floor_div(index_t a, index_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
index_t gcd(index_t a, index_t b) { return b == 0 ? a : gcd(b, a % b); }

// The taps that an output meets: input i0 + s with the filter's element last - s * up, for s < count.
struct Meeting {
  index_t i0, last, count;
};

struct Axis {
  index_t up, down, pad, taps, phases, step;  // phases: P, step: Q
  Axis(index_t up_, index_t down_, index_t pad_, index_t taps_)
      : up(up_), down(down_), pad(pad_), taps(taps_), phases(up_ / gcd(up_, down_)), step(down_ / gcd(up_, down_)) {}
  Meeting at(index_t output) const {
    const index_t start = output * down - pad, i0 = -floor_div(-start, up), skipped = i0 * up - start;
    return {i0, taps - 1 - skipped, skipped < taps ? (taps - 1 - skipped) / up + 1 : 0};
  }
};

// The filter as the product of a column and a row, if it is one: alternating least squares in double precision.
bool factorize(const UpFirDnParams* p, std::vector<float>* column, std::vector<float>* row) {
  const index_t kh = p->kernel_h, kw = p->kernel_w;
  index_t top = 0;
  for (index_t i = 1; i < kh * kw; i++)
    if (std::fabs(p->k[i]) > std::fabs(p->k[top])) top = i;
  const double largest = std::fabs(p->k[top]);
  if (!(largest > 0) || std::isinf(largest)) return false;
  std::vector<double> x(p->k + top / kw * kw, p->k + top / kw * kw + kw), y(kh);
  for (int pass = 0; pass < 3; pass++) {
    double xx = 0, yy = 0;
    for (double value : x) xx += value * value;
    for (index_t i = 0; i < kh; i++) {
      y[i] = 0;
      for (index_t j = 0; j < kw; j++) y[i] += p->k[i * kw + j] * x[j] / xx;
      yy += y[i] * y[i];
    }
    for (index_t j = 0; j < kw; j++) {
      x[j] = 0;
      for (index_t i = 0; i < kh; i++) x[j] += p->k[i * kw + j] * y[i] / yy;
    }
  }
  for (index_t i = 0; i < kh; i++)
    for (index_t j = 0; j < kw; j++)
      if (!(std::fabs(p->k[i * kw + j] - y[i] * x[j]) <= 1e-7 * largest)) return false;
  column->assign(y.begin(), y.end());
  row->assign(x.begin(), x.end());
  return true;
}

// How a problem is cut into tiles; from its shape alone.
struct Tiling {
  index_t images, rows, columns, channels;                          // of a tile
  index_t image_blocks, row_blocks, column_blocks, channel_blocks;  // numbers of tiles
  explicit Tiling(const UpFirDnParams* p) : images(1), rows(0), columns(0), channels(0), image_blocks(0),
                                            row_blocks(0), column_blocks(0), channel_blocks(0) {
    if (p->major == 0 || p->out_h == 0 || p->out_w == 0 || p->minor == 0) return;
    const Axis x(p->upx, p->downx, p->padx0, p->kernel_w), y(p->upy, p->downy, p->pady0, p->kernel_h);
    const double widening = static_cast<double>(most(p->in_w, p->out_w)) / p->out_w;
    const index_t target = most(1, static_cast<index_t>(TILE / widening));  // elements of an output row of a tile
    channels = p->minor;
    columns = p->out_w;
    if (columns * channels <= target) {
      images = most(1, least(target / (columns * channels), p->major / FEW_UNITS));
    } else {
      channels = even(p->minor, MOST_CHANNELS, 64);
      columns = even(p->out_w, most(LEAST_COLUMNS, target / channels), x.phases);
    }
    image_blocks = ceil_div(p->major, images);
    column_blocks = ceil_div(p->out_w, columns);
    channel_blocks = ceil_div(p->minor, channels);
    const index_t others = image_blocks * column_blocks * channel_blocks;
    const index_t shortest = most(16, ceil_div(16 * y.phases, y.step));  // output rows; below, halos weigh too much
    rows = even(p->out_h, most(shortest, least(ROWS, p->out_h * others / FEW_UNITS)), y.phases <= 2 ? GROUP : y.phases);
    row_blocks = ceil_div(p->out_h, rows);
  }
  index_t units() const { return image_blocks * row_blocks * column_blocks * channel_blocks; }
  // Cuts `length` into equal blocks of at most about `block`, a multiple of `unit`.
  static index_t even(index_t length, index_t block, index_t unit) {
    const index_t size = ceil_div(length, ceil_div(length, most(1, block)));
    return least(ceil_div(size, unit) * unit, ceil_div(length, unit) * unit);
  }
};

// What the calling thread does tiles with.
class Worker {
 public:
  explicit Worker(const UpFirDnParams* p);
  void tile(index_t unit);
  bool stream() const { return stream_; }

 private:
  struct Tap {
    index_t offset, kx;  // in a row buffer, in a row of the filter
  };

  void place(index_t unit);
  void find_taps();
  void fill(index_t y, const std::vector<float>& weights, float* buffer);
  template <typename T> void fill_from(const T* x, index_t y, const std::vector<float>& weights, float* buffer);
  template <typename T>
  void fill_run(const std::vector<const T*>& in, const float* weights, index_t pixels, index_t distance, float* buffer);
  template <typename T> void fill_group_from(const T* x, index_t row);
  template <typename T>
  void combine_group(const T* const* in, const float* weights, index_t n, index_t ahead, index_t first, float* out);
  void fetch(index_t row, index_t part, index_t parts) const;
  const float* ring_row(index_t y);
  void add_streams(const float* buffer, const float* weights);
  void produce(index_t m, index_t count, float* out);
  void output_row(index_t row);
  bool output_group(index_t row);
  void clear_streams();
  void emit(index_t row);
  bool emit_lines(index_t row);
  float* place_of(index_t row, index_t first, index_t n);
  void store_run(index_t image, index_t row, index_t first, index_t n, const float* in);

  const UpFirDnParams* p_;
  const Tiling tiling_;
  const Axis x_, y_;
  std::vector<float> column_, row_;  // the filter's factors
  const bool separable_;
  bool stream_;

  // The tile: its origin and size, the first input column of its buffers, the pixels of one image in a phase.
  index_t image0_, row0_, column0_, channel0_, images_, rows_, columns_, channels_, input0_, segment_;
  index_t outputs_;       // pixels of one image in an output phase
  index_t phase_length_;  // elements of a phase of a row buffer
  bool apart_;            // few channels, all in the tile: the input phases lie apart in a row buffer, else pixels are
                          // in their order
  bool grouped_;          // rows can be worked on in groups
  std::vector<std::vector<Tap>> taps_;  // of each output phase, along a row
  // Buffers: a row of inputs or a group's, the ring, a strip of each output phase, an output row, a strip of inputs.
  Buffer input_, strips_, output_, read_;
  std::vector<Buffer> ring_;
  std::vector<index_t> in_ring_;
  // The streams that an output row is the sum of, by output phase: pointers at its first element, weights.
  std::vector<std::vector<const float*>> streams_;
  std::vector<std::vector<float>> weights_;
  std::vector<const float*> at_;
  std::vector<float> down_;  // weights of the input rows that an output row meets
};

Worker::Worker(const UpFirDnParams* p)
    : p_(p), tiling_(p), x_(p->upx, p->downx, p->padx0, p->kernel_w), y_(p->upy, p->downy, p->pady0, p->kernel_h),
      separable_(factorize(p, &column_, &row_)), taps_(x_.phases), streams_(x_.phases), weights_(x_.phases) {
  stream_ = p->major * p->out_h * p->out_w * p->minor * type_size(p->dtype) >= STREAM_BYTES;
  ring_.resize(ceil_div(y_.taps, y_.up));
  in_ring_.resize(ring_.size());
}

void Worker::place(index_t unit) {
  const index_t channel_block = unit % tiling_.channel_blocks;
  unit /= tiling_.channel_blocks;
  const index_t column_block = unit % tiling_.column_blocks;
  unit /= tiling_.column_blocks;
  row0_ = unit % tiling_.row_blocks * tiling_.rows;
  image0_ = unit / tiling_.row_blocks * tiling_.images;
  column0_ = column_block * tiling_.columns;
  channel0_ = channel_block * tiling_.channels;
  images_ = least(tiling_.images, p_->major - image0_);
  rows_ = least(tiling_.rows, p_->out_h - row0_);
  columns_ = least(tiling_.columns, p_->out_w - column0_);
  channels_ = least(tiling_.channels, p_->minor - channel0_);
}

// The horizontal taps of each output phase as offsets in a row buffer: [input phase][image][pixel][channel] if apart_,
// else [image][pixel][channel].
void Worker::find_taps() {
  index_t shift = 0;
  input0_ = x_.at(column0_).i0;  // the smallest: i0 does not decrease
  for (index_t r = 0; r < x_.phases; r++) {
    const Meeting meeting = x_.at(column0_ + r);
    if (meeting.count) shift = most(shift, (meeting.i0 + meeting.count - 1 - input0_) / x_.step);
  }
  outputs_ = ceil_div(columns_, x_.phases);
  segment_ = outputs_ + shift;
  phase_length_ = ceil_div(images_ * segment_ * channels_, LINE) * LINE;
  apart_ = x_.step > 1 && channels_ < LINE && channels_ == p_->minor;
  for (index_t r = 0; r < x_.phases; r++) {
    const Meeting meeting = x_.at(column0_ + r);
    taps_[r].clear();
    for (index_t s = 0; s < meeting.count; s++) {
      const index_t distance = meeting.i0 + s - input0_;
      const index_t apart = distance % x_.step * phase_length_ + distance / x_.step * channels_;
      taps_[r].push_back({apart_ ? apart : distance * channels_, meeting.last - s * x_.up});
    }
  }
}

void Worker::tile(index_t unit) {
  place(unit);
  find_taps();
  const index_t row_length = phase_length_ * x_.step;
  grouped_ = separable_ && !apart_ && images_ == 1 && channels_ == p_->minor && y_.taps == 4 && y_.up <= 2 &&
             y_.down <= 2 && y_.up * y_.down <= 2;
  if (separable_) input_.clear(row_length * (grouped_ ? GROUP : 1));  // zeros stay where there are no pixels
  for (size_t i = 0; i < ring_.size(); i++) {
    ring_[i].clear(row_length);
    in_ring_[i] = -1;
  }
  read_.resize(STRIP);
  strips_.resize(x_.phases * STRIP);
  output_.resize(images_ > 1 ? phase_length_ * x_.phases : most(STRIP, x_.phases * channels_));
  for (index_t row = row0_; row < row0_ + rows_;) {
    if (output_group(row)) row += GROUP;
    else output_row(row++);
  }
}

// The weighted sum of the input rows [y, y + weights.size()) as a row buffer.
void Worker::fill(index_t y, const std::vector<float>& weights, float* buffer) {
  if (p_->dtype == FLOAT32) fill_from(static_cast<const float*>(p_->x), y, weights, buffer);
  else if (p_->dtype == FLOAT16) fill_from(static_cast<const Half*>(p_->x), y, weights, buffer);
  else fill_from(static_cast<const BFloat*>(p_->x), y, weights, buffer);
}

template <typename T>
void Worker::fill_from(const T* x, index_t y, const std::vector<float>& weights, float* buffer) {
  const index_t begin = most(0, input0_), end = least(p_->in_w, input0_ + segment_ * x_.step);
  if (begin >= end) return;
  std::vector<const T*> in(weights.size());
  const index_t image_length = segment_ * (apart_ ? 1 : x_.step) * channels_;
  for (index_t image = 0; image < images_; image++) {
    const index_t pixel = ((image0_ + image) * p_->in_h + y) * p_->in_w + begin;
    for (size_t s = 0; s < in.size(); s++) in[s] = x + (pixel + s * p_->in_w) * p_->minor + channel0_;
    fill_run(in, weights.data(), end - begin, begin - input0_, buffer + image * image_length);
  }
}

// `pixels` pixels to the place of pixel `distance` of an image, which begins at `buffer` (phase 0, if apart_).
template <typename T>
void Worker::fill_run(const std::vector<const T*>& in, const float* weights, index_t pixels, index_t distance,
                      float* buffer) {
  const index_t step = x_.step, rows = in.size();
  const bool whole = channels_ == p_->minor;
  if (!apart_) {
    const Runs runs = whole ? Runs{1, pixels * channels_, 0, 0} : Runs{pixels, channels_, p_->minor, channels_};
    return combine(in.data(), weights, rows, runs, buffer + distance * channels_);
  }
  std::vector<const T*> at(in);
  const index_t most_pixels = STRIP / channels_;
  for (index_t i = 0; i < pixels; i += most_pixels) {
    const index_t count = least(most_pixels, pixels - i);
    for (index_t t = 0; t < rows; t++) at[t] = in[t] + i * channels_;
    combine(at.data(), weights, rows, {1, count * channels_, 0, 0}, read_.data());
    for (index_t s = 0; s < least(step, count); s++) {
      const index_t to = distance + i + s;
      take(read_.data() + s * channels_, step, ceil_div(count - s, step), channels_,
           buffer + to % step * phase_length_ + to / step * channels_);
    }
  }
}

template <typename T>
void Worker::combine_group(const T* const* in, const float* weights, index_t n, index_t ahead, index_t first,
                           float* out) {
  const index_t length = phase_length_ * x_.step;
  if (y_.up == 2 && first) combine_rows<GROUP, 2, 2, 1, 1>(in, weights, n, ahead, length, out);
  else if (y_.up == 2) combine_rows<GROUP, 2, 2, 1, 0>(in, weights, n, ahead, length, out);
  else if (y_.down == 2) combine_rows<GROUP, 4, 1, 2, 0>(in, weights, n, ahead, length, out);
  else combine_rows<GROUP, 4, 1, 1, 0>(in, weights, n, ahead, length, out);
}

// What output rows [row, row + GROUP) need, of which all input rows exist, as row buffers.
template <typename T>
void Worker::fill_group_from(const T* x, index_t row) {
  const index_t most_rows = 2 * GROUP + 2, added = GROUP * y_.down / y_.up;
  const Meeting first = y_.at(row), last = y_.at(row + GROUP - 1);
  const index_t begin = most(0, input0_), end = least(p_->in_w, input0_ + segment_ * x_.step);
  const index_t below = last.i0 + last.count, pitch = p_->in_w * channels_;
  float weights[GROUP * 4];
  for (index_t r = 0, n = 0; r < GROUP; r++) {
    const Meeting meeting = y_.at(row + r);
    for (index_t s = 0; s < meeting.count; s++) weights[n++] = column_[meeting.last - s * y_.up];
  }
  const T* in[most_rows];
  for (index_t y = first.i0; y < below; y++)
    in[y - first.i0] = x + (image0_ * p_->in_h + y) * pitch + begin * channels_;
  const bool more = row + 2 * GROUP <= row0_ + rows_ && below + added <= p_->in_h;
  combine_group(in, weights, (end - begin) * channels_, more ? pitch : 0, y_.at(row + 1).i0 > first.i0,
                input_.data() + (begin - input0_) * channels_);
}

// Asks for one of `parts` parts of the input rows that an output row is the first to meet, so that they arrive during
// the arithmetic for the row before.
void Worker::fetch(index_t row, index_t part, index_t parts) const {
  const index_t begin = most(0, input0_), end = least(p_->in_w, input0_ + segment_ * x_.step);
  if (row >= row0_ + rows_ || begin >= end || channels_ != p_->minor) return;
  const Meeting meeting = y_.at(row), before = y_.at(row - 1);
  const index_t size = channels_ * type_size(p_->dtype), bytes = (end - begin) * size;
  const index_t first = most(0, most(meeting.i0, before.i0 + before.count));
  for (index_t y = first; y < least(meeting.i0 + meeting.count, p_->in_h); y++) {
    const char* in = static_cast<const char*>(p_->x) + ((image0_ * p_->in_h + y) * p_->in_w + begin) * size;
    for (index_t i = bytes * part / parts; i < bytes * (part + 1) / parts; i += 64) prefetch(in + i);
  }
}

const float* Worker::ring_row(index_t y) {
  const index_t slot = y % static_cast<index_t>(ring_.size());
  if (in_ring_[slot] != y) fill(y, {1.0f}, ring_[slot].data());
  in_ring_[slot] = y;
  return ring_[slot].data();
}

// What a row buffer gives to each output phase, with a row of the filter.
void Worker::add_streams(const float* buffer, const float* weights) {
  for (index_t r = 0; r < x_.phases; r++)
    for (const Tap& tap : taps_[r]) {
      streams_[r].push_back(buffer + tap.offset);
      weights_[r].push_back(weights[tap.kx]);
    }
}

void Worker::clear_streams() {
  for (index_t r = 0; r < x_.phases; r++) {
    streams_[r].clear();
    weights_[r].clear();
  }
}

// `count` pixels of each output phase, from pixel m, interleaved.
void Worker::produce(index_t m, index_t count, float* out) {
  const index_t phases = x_.phases, n = count * channels_, in_step = (apart_ ? 1 : x_.step) * channels_;
  const bool few = phases > 1 && channels_ < LINE && in_step == channels_;
  for (index_t r = 0; r < phases; r++) {
    at_.clear();
    for (const float* stream : streams_[r]) at_.push_back(stream + m * in_step);
    if (few || (phases == 1 && in_step == channels_))
      combine(at_.data(), weights_[r].data(), at_.size(), {1, n, 0, 0}, few ? strips_.data() + r * STRIP : out);
    else
      combine(at_.data(), weights_[r].data(), at_.size(), {count, channels_, in_step, phases * channels_},
              out + r * channels_);
  }
  if (few && phases == 2 && channels_ == 1) {
    put_pairs(strips_.data(), strips_.data() + STRIP, count, out);
  } else if (few) {
    for (index_t r = 0; r < phases; r++)
      put(strips_.data() + r * STRIP, phases, count, channels_, out + r * channels_);
  }
}

void Worker::output_row(index_t row) {
  const Meeting meeting = y_.at(row);
  const index_t begin = most(0, -meeting.i0), end = most(begin, least(meeting.count, p_->in_h - meeting.i0));
  clear_streams();
  down_.clear();
  for (index_t s = begin; s < end; s++) {
    const index_t ky = meeting.last - s * y_.up;
    if (separable_) down_.push_back(column_[ky]);
    else add_streams(ring_row(meeting.i0 + s), p_->k + ky * p_->kernel_w);
  }
  if (separable_) {
    fill(meeting.i0 + begin, down_, input_.data());
    add_streams(input_.data(), row_.data());
  }
  emit(row);
}

// Output rows [row, row + GROUP), if they are in the tile and so are all rows that they meet in the picture.
bool Worker::output_group(index_t row) {
  if (!grouped_ || row + GROUP > row0_ + rows_) return false;
  const Meeting last = y_.at(row + GROUP - 1);
  const index_t begin = most(0, input0_), end = least(p_->in_w, input0_ + segment_ * x_.step);
  if (y_.at(row).i0 < 0 || last.i0 + last.count > p_->in_h || begin >= end) return false;
  if (p_->dtype == FLOAT32) fill_group_from(static_cast<const float*>(p_->x), row);
  else if (p_->dtype == FLOAT16) fill_group_from(static_cast<const Half*>(p_->x), row);
  else fill_group_from(static_cast<const BFloat*>(p_->x), row);
  for (index_t r = 0; r < GROUP; r++) {
    clear_streams();
    add_streams(input_.data() + r * phase_length_ * x_.step, row_.data());
    emit(row + r);
  }
  return true;
}

// An output row as whole cache lines, straight from the row buffers, if it can be cut into them.
bool Worker::emit_lines(index_t row) {
  const index_t phases = x_.phases, in_step = x_.step * channels_;
  if (!separable_ || apart_ || images_ > 1 || channels_ != p_->minor || columns_ % phases) return false;
  const index_t first = ((image0_ * p_->out_h + row) * p_->out_w + column0_) * channels_;
  const bool one = phases == 1 && x_.step == 1;
  const Runs runs = one ? Runs{1, columns_ * channels_, 0, 0} : Runs{outputs_, channels_, in_step, phases * channels_};
  for (index_t r = 0; r < phases; r++) {
    char* out = static_cast<char*>(p_->y) + (first + r * channels_) * type_size(p_->dtype);
    const std::vector<const float*>& in = streams_[r];
    if (!combine_lines(in.data(), weights_[r].data(), in.size(), runs, p_->dtype, stream_, out)) return false;
  }
  return true;
}

// An output row: what the streams give.
void Worker::emit(index_t row) {
  if (emit_lines(row)) return;
  const index_t width = x_.phases * channels_, step = most(1, STRIP / width), length = columns_ * channels_;
  if (images_ == 1) {
    for (index_t m = 0; m < outputs_; m += step) {
      const index_t count = least(step, outputs_ - m), n = least(count * width, length - m * width);
      if (!grouped_) fetch(row + 1, m / step, ceil_div(outputs_, step));
      float* to = n == count * width ? place_of(row, m * width, n) : nullptr;
      produce(m, count, to ? to : output_.data());
      if (to == nullptr) store_run(0, row, m * width, n, output_.data());
    }
    return;
  }
  const index_t pixels = images_ * segment_ - (segment_ - outputs_);
  for (index_t m = 0; m < pixels; m += step) produce(m, least(step, pixels - m), output_.data() + m * width);
  for (index_t image = 0; image < images_; image++)
    store_run(image, row, 0, length, output_.data() + image * segment_ * width);
}

// Where elements [first, first + n) of the tile's part of an output row may be computed in place, or null.
float* Worker::place_of(index_t row, index_t first, index_t n) {
  if (stream_ || p_->dtype != FLOAT32 || channels_ != p_->minor || n == 0) return nullptr;
  return static_cast<float*>(p_->y) + ((image0_ * p_->out_h + row) * p_->out_w + column0_) * p_->minor + first;
}

// Elements [first, first + n) of the tile's part of an output row.
void Worker::store_run(index_t image, index_t row, index_t first, index_t n, const float* in) {
  const index_t base = (((image0_ + image) * p_->out_h + row) * p_->out_w + column0_) * p_->minor + channel0_;
  const index_t run = channels_ == p_->minor ? n : channels_, pixel = first / channels_;
  for (index_t done = 0; done < n; done += run) {
    const index_t at = channels_ == p_->minor ? base + first : base + (pixel + done / run) * p_->minor;
    for (index_t i = 0; i < run; i += STRIP)
      store(p_->dtype, p_->y, at + i, least(STRIP, run - i), in + done + i, stream_);
  }
}

}  // namespace

index_t upfirdn_units(const UpFirDnParams* p) { return Tiling(p).units(); }

void upfirdn_cpu(const UpFirDnParams* p, index_t begin, index_t end) {
  if (begin >= end) return;
  Worker worker(p);
  for (index_t unit = begin; unit < end; unit++) worker.tile(unit);
  stream_end(worker.stream());
}

// y = gain * act(x * scale + noise + b), the end of a styled layer, and its first and second derivative on the CPU.
//
// The derivatives' sums: a unit is a block of pixels of one sample with all channels. It leaves each channel's two sums
// in scratch [unit][2][channels]; the finish adds those of all blocks, in order, in double precision.

#include "cpu_kernels.h"

namespace {

const float* row(const float* values, index_t sample, index_t length) {
  return values ? values + sample * length : nullptr;
}

template <int ACT>
void styled_strip(const float* x, const float* scale, const float* noise, const float* b, float* __restrict y,
                  index_t n, float alpha, float gain) {
  for (index_t i = 0; i < n; i++) {
    const float v = x[i] * scale[i] + noise[i] + b[i];
    if (ACT == LINEAR) y[i] = v * gain;
    if (ACT == RELU) y[i] = (v < 0.0f ? 0.0f : v) * gain;
    if (ACT == LRELU) y[i] = v * (v > 0.0f ? 1.0f : alpha) * gain;
  }
}

// du / dy: gain times the slope of the activation, by the sign of y / gain.
struct Slope {
  float sign, high, low;
  Slope(int act, float alpha, float gain) : sign(gain < 0.0f ? -1.0f : 1.0f), high(gain), low(gain) {
    if (act == RELU) low = 0.0f;
    if (act == LRELU) low = gain * alpha;
  }
  bool constant() const { return high == low; }
  float operator()(float y) const { return y * sign > 0.0f ? high : low; }
};

// How both derivatives cut a sample. Channels last: `group` pixels are a row, whose elements have an accumulator each;
// more than STRIP channels are several strips. Channels first: a row is a strip of one channel.
struct Blocks {
  index_t channels, pixels, group, block, count;  // block: pixels of a unit; count: units of a sample
  bool channels_last;
  Blocks(int last, index_t channel_count, index_t pixel_count)
      : channels(channel_count), pixels(pixel_count), group(1), block(0), count(0), channels_last(last != 0) {
    if (channels == 0 || pixels == 0) return;
    if (channels_last) {
      group = most(1, least(pixels, STRIP / channels));
      block = group * most(1, UNIT / (group * channels));
    } else {
      block = 4 * STRIP;
    }
    block = least(block, pixels);
    count = ceil_div(pixels, block);
  }
};

// What the work on a strip adds to: one accumulator per element, for the sum of du and the sum of the product.
class Sums {
 public:
  explicit Sums(const Blocks& blocks) : size_(blocks.channels_last ? blocks.group * blocks.channels : STRIP) {}
  void clear() {
    plain.clear(size_);
    product.clear(size_);
  }
  Buffer plain, product;

 private:
  const index_t size_;
};

// Calls work.strip(first element in the sample, n, accumulators, du buffer) over block `index` of a sample; fills the
// block's sums [2][channels], and the sums of du over the channels if dnoise [pixels of the sample] is wanted.
template <typename Work>
void run_channels_last(const Blocks& blocks, index_t index, Work* work, Sums* sums, float* partial, float* dnoise) {
  const index_t channels = blocks.channels, end = least(blocks.pixels, (index + 1) * blocks.block);
  alignas(64) float du[STRIP];
  sums->clear();
  for (index_t pixel = index * blocks.block; pixel < end; pixel += blocks.group) {
    const index_t rows = least(blocks.group, end - pixel), length = rows * channels;
    float total = 0.0f;
    for (index_t at = 0; at < length; at += STRIP) {
      const index_t n = least(STRIP, length - at);
      work->strip(pixel * channels + at, n, sums->plain.data() + at, sums->product.data() + at, du);
      if (dnoise && channels > STRIP) total += sum_of(du, n);
    }
    if (dnoise && channels <= STRIP)
      for (index_t i = 0; i < rows; i++) dnoise[pixel + i] = sum_of(du + i * channels, channels);
    if (dnoise && channels > STRIP) dnoise[pixel] = total;
  }
  const index_t width = blocks.group * channels;
  for (index_t c = 0; c < channels; c++) {
    double plain = 0, product = 0;
    for (index_t i = c; i < width; i += channels) {
      plain += sums->plain.data()[i];
      product += sums->product.data()[i];
    }
    partial[c] = static_cast<float>(plain);
    partial[channels + c] = static_cast<float>(product);
  }
}

template <typename Work>
void run_channels_first(const Blocks& blocks, index_t index, Work* work, Sums* sums, float* partial, float* dnoise) {
  const index_t begin = index * blocks.block, end = least(blocks.pixels, begin + blocks.block);
  alignas(64) float du[STRIP], noise[4 * STRIP] = {0};
  for (index_t c = 0; c < blocks.channels; c++) {
    sums->clear();
    for (index_t pixel = begin; pixel < end; pixel += STRIP) {
      const index_t n = least(STRIP, end - pixel);
      work->strip(c * blocks.pixels + pixel, n, sums->plain.data(), sums->product.data(), du);
      if (dnoise)
        for (index_t i = 0; i < n; i++) noise[pixel - begin + i] += du[i];
    }
    const index_t width = least(STRIP, end - begin);
    partial[c] = sum_of(sums->plain.data(), width);
    partial[blocks.channels + c] = sum_of(sums->product.data(), width);
  }
  if (dnoise) std::memcpy(dnoise + begin, noise, (end - begin) * sizeof(float));
}

template <typename Work, typename Params>
void run_blocks(const Params* p, const Blocks& blocks, index_t begin, index_t end, float* dnoise) {
  Sums sums(blocks);
  Work work(p, blocks);
  for (index_t unit = begin; unit < end; unit++) {
    const index_t sample = unit / blocks.count, index = unit % blocks.count;
    work.sample(sample);
    float* partial = p->scratch + unit * 2 * blocks.channels;
    float* noise = dnoise ? dnoise + sample * blocks.pixels : nullptr;
    if (blocks.channels_last) run_channels_last(blocks, index, &work, &sums, partial, noise);
    else run_channels_first(blocks, index, &work, &sums, partial, noise);
  }
  work.end();
}

// Adds what the blocks left: to each_sample [batch, channels] from part 1, to all [channels] from part 0.
void finish(const Blocks& blocks, index_t batch, const float* scratch, float* each_sample, float* all) {
  const index_t channels = blocks.channels;
  std::vector<double> sum(channels), total(channels, 0.0);
  for (index_t sample = 0; sample < batch; sample++) {
    sum.assign(channels, 0.0);
    for (index_t i = 0; i < blocks.count; i++, scratch += 2 * channels) {
      if (all)
        for (index_t c = 0; c < channels; c++) total[c] += scratch[c];
      if (each_sample)
        for (index_t c = 0; c < channels; c++) sum[c] += scratch[channels + c];
    }
    if (each_sample)
      for (index_t c = 0; c < channels; c++) each_sample[sample * channels + c] = static_cast<float>(sum[c]);
  }
  if (all)
    for (index_t c = 0; c < channels; c++) all[c] = static_cast<float>(total[c]);
}

// A strip of dx = scale * du, with the sums of du and of du * x.
class FirstDerivative {
 public:
  FirstDerivative(const StyledGradParams* p, const Blocks& blocks)
      : p_(p), slope_(p->act, p->alpha, p->gain), size_(blocks.channels * blocks.pixels), base_(0),
        scale_(blocks.channels, blocks.pixels, blocks.channels_last),
        stream_(p->dx != p->dy && p->dx != p->y && p->dx != p->x &&
                p->batch * size_ * type_size(p->dtype) >= STREAM_BYTES) {}

  void sample(index_t n) {
    base_ = n * size_;
    scale_.set(row(p_->scale, n, p_->channels), 1.0f);
  }

  void strip(index_t first, index_t n, float* __restrict plain, float* __restrict product, float* __restrict du) {
    StripBuffer dy_buffer, y_buffer, x_buffer, dx;
    const float* dy = view(p_->dtype, p_->dy, base_ + first, n, dy_buffer.data);
    const float* y = slope_.constant() ? dy : view(p_->dtype, p_->y, base_ + first, n, y_buffer.data);
    const float* scale = scale_.strip(first, n);
    const Slope slope = slope_;
    if (p_->dscale) {
      const float* x = view(p_->dtype, p_->x, base_ + first, n, x_buffer.data);
      for (index_t i = 0; i < n; i++) {
        du[i] = slope(y[i]) * dy[i];
        plain[i] += du[i];
        product[i] += du[i] * x[i];
        dx.data[i] = du[i] * scale[i];
      }
    } else {
      for (index_t i = 0; i < n; i++) {
        du[i] = slope(y[i]) * dy[i];
        plain[i] += du[i];
        dx.data[i] = du[i] * scale[i];
      }
    }
    store(p_->dtype, p_->dx, base_ + first, n, dx.data, stream_);
  }

  void end() const { stream_end(stream_); }

 private:
  const StyledGradParams* p_;
  const Slope slope_;
  const index_t size_;
  index_t base_;
  Spread scale_;
  const bool stream_;
};

// A strip of ddy and d2x, with the sum of ddx * du.
class SecondDerivative {
 public:
  SecondDerivative(const StyledGrad2Params* p, const Blocks& blocks)
      : p_(p), slope_(p->act, p->alpha, p->gain), size_(blocks.channels * blocks.pixels), base_(0),
        scale_(blocks.channels, blocks.pixels, blocks.channels_last),
        dds_(blocks.channels, blocks.pixels, blocks.channels_last),
        ddn_(blocks.pixels, blocks.channels, !blocks.channels_last),
        ddb_(blocks.channels, blocks.pixels, blocks.channels_last),
        stream_(p->batch * size_ * type_size(p->dtype) >= STREAM_BYTES) {}

  void sample(index_t n) {
    base_ = n * size_;
    scale_.set(row(p_->scale, n, p_->channels), 1.0f);
    dds_.set(row(p_->dds, n, p_->channels), 0.0f);
    ddn_.set(row(p_->ddn, n, p_->pixels), 0.0f);
    ddb_.set(p_->ddb, 0.0f);
  }

  void strip(index_t first, index_t n, float*, float* __restrict product, float* __restrict du) {
    StripBuffer dy_buffer, y_buffer, x_buffer, ddx_buffer, ddy, d2x;
    const int dtype = p_->dtype;
    const float* dy = view(dtype, p_->dy, base_ + first, n, dy_buffer.data);
    const float* y = slope_.constant() ? dy : view(dtype, p_->y, base_ + first, n, y_buffer.data);
    const float* ddx = view(dtype, p_->ddx, base_ + first, n, ddx_buffer.data);
    const float *scale = scale_.strip(first, n), *ddn = ddn_.strip(first, n), *ddb = ddb_.strip(first, n);
    const float* dds = dds_.strip(first, n);
    const Slope slope = slope_;
    if (p_->x && p_->dds) {
      const float* x = view(dtype, p_->x, base_ + first, n, x_buffer.data);
      for (index_t i = 0; i < n; i++) {
        const float factor = slope(y[i]);
        ddy.data[i] = factor * (ddx[i] * scale[i] + x[i] * dds[i] + ddn[i] + ddb[i]);
        du[i] = factor * dy[i];
        product[i] += ddx[i] * du[i];
        d2x.data[i] = dds[i] * du[i];
      }
    } else {
      for (index_t i = 0; i < n; i++) {
        const float factor = slope(y[i]);
        ddy.data[i] = factor * (ddx[i] * scale[i] + ddn[i] + ddb[i]);
        du[i] = factor * dy[i];
        product[i] += ddx[i] * du[i];
        d2x.data[i] = dds[i] * du[i];
      }
    }
    store(dtype, p_->ddy, base_ + first, n, ddy.data, stream_ && !is_input(p_->ddy));
    if (p_->d2x) store(dtype, p_->d2x, base_ + first, n, d2x.data, stream_ && !is_input(p_->d2x));
  }

  void end() const { stream_end(stream_); }

 private:
  bool is_input(const void* output) const {
    return output == p_->dy || output == p_->y || output == p_->x || output == p_->ddx;
  }

  const StyledGrad2Params* p_;
  const Slope slope_;
  const index_t size_;
  index_t base_;
  Spread scale_, dds_, ddn_, ddb_;
  const bool stream_;
};

}  // namespace

index_t styled_units(const StyledParams* p) { return ceil_div(p->batch * p->channels * p->pixels, UNIT); }

void styled_cpu(const StyledParams* p, index_t begin, index_t end) {
  const index_t sample_size = p->channels * p->pixels, size = p->batch * sample_size, last = least(size, end * UNIT);
  const bool alias = p->y == p->x, stream = !alias && size * type_size(p->dtype) >= STREAM_BYTES;
  const bool direct = !alias && !stream && p->dtype == FLOAT32;
  Spread scale(p->channels, p->pixels, p->channels_last != 0), b(p->channels, p->pixels, p->channels_last != 0);
  Spread noise(p->pixels, p->channels, p->channels_last == 0);
  b.set(p->b, 0.0f);
  StripBuffer x_buffer, y_buffer;
  for (index_t i = begin * UNIT, n; i < last; i += n) {
    const index_t sample = i / sample_size, first = i % sample_size;
    n = least(least(STRIP, last - i), sample_size - first);
    scale.set(row(p->scale, sample, p->channels), 1.0f);
    noise.set(row(p->noise, p->noise_batch == 1 ? 0 : sample, p->pixels), 0.0f);
    const float *scales = scale.strip(first, n), *noises = noise.strip(first, n), *biases = b.strip(first, n);
    const float* x = view(p->dtype, p->x, i, n, x_buffer.data);
    float* y = direct ? static_cast<float*>(p->y) + i : y_buffer.data;
    if (p->act == RELU) styled_strip<RELU>(x, scales, noises, biases, y, n, p->alpha, p->gain);
    else if (p->act == LRELU) styled_strip<LRELU>(x, scales, noises, biases, y, n, p->alpha, p->gain);
    else styled_strip<LINEAR>(x, scales, noises, biases, y, n, p->alpha, p->gain);
    if (!direct) store(p->dtype, p->y, i, n, y, stream);
  }
  stream_end(stream);
}

index_t styled_grad_scratch(int channels_last, index_t batch, index_t channels, index_t pixels) {
  return batch * Blocks(channels_last, channels, pixels).count * 2 * channels;
}

index_t styled_grad_units(const StyledGradParams* p) {
  return p->batch * Blocks(p->channels_last, p->channels, p->pixels).count;
}

void styled_grad_cpu(const StyledGradParams* p, index_t begin, index_t end) {
  run_blocks<FirstDerivative>(p, Blocks(p->channels_last, p->channels, p->pixels), begin, end, p->dnoise);
}

void styled_grad_finish(const StyledGradParams* p) {
  finish(Blocks(p->channels_last, p->channels, p->pixels), p->batch, p->scratch, p->dscale, p->db);
}

index_t styled_grad2_units(const StyledGrad2Params* p) {
  return p->batch * Blocks(p->channels_last, p->channels, p->pixels).count;
}

void styled_grad2_cpu(const StyledGrad2Params* p, index_t begin, index_t end) {
  run_blocks<SecondDerivative>(p, Blocks(p->channels_last, p->channels, p->pixels), begin, end, nullptr);
}

void styled_grad2_finish(const StyledGrad2Params* p) {
  finish(Blocks(p->channels_last, p->channels, p->pixels), p->batch, p->scratch, p->d2scale, nullptr);
}

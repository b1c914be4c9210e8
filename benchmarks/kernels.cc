// Drives the CPU kernels without TensorFlow; benchmarks/kernels.py compiles and runs it.
//   kernels check CASES SEED: random shapes, threads against a plain reference; exit code 1 at a difference
//   kernels speed SECONDS [all|act|fir|full]: GB/s and the share of the bandwidth of a streaming copy, two threads

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cpu_kernels.h"

namespace {

typedef std::vector<double> Doubles;

// ---- plain references, in double precision ----

double value(int act, double alpha, double v) {
  const double scale = 1.0507009873554805, slope = 1.6732632423543772;
  switch (act) {
    case RELU: return v > 0 ? v : 0;
    case LRELU: return v > 0 ? v : v * alpha;
    case TANH: return std::tanh(v);
    case SIGMOID: return 1 / (1 + std::exp(-v));
    case ELU: return v >= 0 ? v : std::expm1(v);
    case SELU: return v >= 0 ? scale * v : scale * slope * std::expm1(v);
    case SOFTPLUS: return v > 80 ? v : std::log1p(std::exp(v));
    case SWISH: return v / (1 + std::exp(-v));
    default: return v;
  }
}

double first(int act, double alpha, double y) {
  const double scale = 1.0507009873554805, slope = 1.6732632423543772;
  switch (act) {
    case RELU: return y > 0;
    case LRELU: return y > 0 ? 1 : alpha;
    case TANH: return 1 - y * y;
    case SIGMOID: return y * (1 - y);
    case ELU: return y >= 0 ? 1 : y + 1;
    case SELU: return y >= 0 ? scale : y + scale * slope;
    case SOFTPLUS: return -std::expm1(-y);
    case SWISH: return (1 + y / (1 + std::exp(y))) / (1 + std::exp(-y));
    default: return 1;
  }
}

double second(int act, double y) {
  const double scale = 1.0507009873554805, slope = 1.6732632423543772;
  const double s = 1 / (1 + std::exp(-y)), c = std::exp(-y);
  switch (act) {
    case TANH: return (1 - y * y) * (-2 * y);
    case SIGMOID: return y * (1 - y) * (1 - 2 * y);
    case ELU: return y >= 0 ? 0 : y + 1;
    case SELU: return y >= 0 ? 0 : y + scale * slope;
    case SOFTPLUS: return c * (1 - c);
    case SWISH: return s * (1 - s) * (2 + y * (1 - 2 * s));
    default: return 0;
  }
}

// ---- tensors ----

class Tensor {  // its memory is touched, starts `shift` elements behind a cache line's start, and ends where it ends
 public:
  Tensor(int dtype, index_t size, index_t shift = 0)
      : dtype_(dtype), size_(size), shift_(shift), bytes_(nullptr, std::free) {
    void* memory = nullptr;
    if (posix_memalign(&memory, 64, (size + shift) * type_size(dtype) + 1)) std::abort();
    bytes_.reset(static_cast<char*>(memory));
    std::memset(bytes_.get(), 0x7f, (size + shift) * type_size(dtype));
  }
  void* data() { return bytes_.get() + shift_ * type_size(dtype_); }
  double get(index_t i) {
    float f;
    load(dtype_, data(), i, 1, &f);
    return f;
  }
  void set(index_t i, double v) {
    const float f = static_cast<float>(v);
    store(dtype_, data(), i, 1, &f, false);
  }
  void fill(std::mt19937* rng, float scale) {
    std::normal_distribution<float> normal(0, scale);
    for (index_t i = 0; i < size_; i++) set(i, normal(*rng));
  }
  index_t size() const { return size_; }
  int dtype() const { return dtype_; }

 private:
  int dtype_;
  index_t size_, shift_;
  std::unique_ptr<char, void (*)(void*)> bytes_;
};

void run_units(index_t units, int threads, index_t chunk, const std::function<void(index_t, index_t)>& work) {
  std::atomic<index_t> next(0);
  auto loop = [&] {
    for (index_t begin; (begin = next.fetch_add(chunk)) < units;) work(begin, std::min(units, begin + chunk));
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; i++) others.emplace_back(loop);
  loop();
  for (std::thread& thread : others) thread.join();
}

// ---- check ----

int failures = 0;

// `wanted` within the type's rounding, and within 3e-6 of `sizes`, the sums of the magnitudes of the terms.
void compare(const std::string& name, Tensor* got, const Doubles& wanted, const Doubles& sizes) {
  const double rounding = got->dtype() == FLOAT32 ? 0 : got->dtype() == FLOAT16 ? 1.0 / 2048 : 1.0 / 256;
  const double least_half = got->dtype() == FLOAT16 ? 1.0 / (1 << 24) : 0;
  for (index_t i = 0; i < got->size(); i++) {
    const double error = std::fabs(got->get(i) - wanted[i]);
    const double allowed = rounding * std::fabs(wanted[i]) + 3e-6 * (1 + rounding) * sizes[i] + least_half + 1e-30;
    if (error <= allowed) continue;
    std::printf("FAILED %s: element %lld is %.9g, not %.9g\n", name.c_str(), i, got->get(i), wanted[i]);
    failures++;
    return;
  }
}

struct Random {
  std::mt19937 engine;
  explicit Random(unsigned seed) : engine(seed) {}
  index_t below(index_t n) { return n <= 0 ? 0 : static_cast<index_t>(engine() % static_cast<uint64_t>(n)); }
  index_t between(index_t a, index_t b) { return a + below(b - a + 1); }
  template <typename T> T pick(std::initializer_list<T> items) { return items.begin()[below(items.size())]; }
  bool coin() { return below(2) != 0; }
};

void check_bias_act(Random* random) {
  BiasActParams p = {};
  p.dtype = random->between(0, 2);
  p.grad = random->between(0, 2);
  p.act = random->between(LINEAR, SWISH);
  p.alpha = random->pick({0.2f, 0.0f, 1.5f});
  p.gain = random->pick({1.0f, 1.41421356f, -0.5f});
  p.outer = random->between(0, 40);
  p.channels = random->pick<index_t>({1, 3, 8, 32, 100, 513});
  p.inner = random->pick<index_t>({1, 1, 5, 16, 700});
  const index_t size = p.outer * p.channels * p.inner;
  Tensor x(p.dtype, size, random->below(9)), b(p.dtype, p.channels), ref(p.dtype, size);
  Tensor y(p.dtype, size, random->below(9));
  x.fill(&random->engine, random->pick({1.0f, 30.0f}));
  b.fill(&random->engine, 1);
  Doubles wanted(size), sizes(size);
  const bool bias = random->coin();
  for (index_t i = 0; i < size; i++) {
    const double v = x.get(i) + (bias ? b.get(i / p.inner % p.channels) : 0);
    if (p.grad) {
      const double input = std::normal_distribution<double>(0, 3)(random->engine);
      ref.set(i, p.act == SWISH ? input : p.gain * value(p.act, p.alpha, input));
      const double r = ref.get(i) / (p.act == SWISH ? 1 : p.gain);
      wanted[i] = p.gain * v * (p.grad == 1 ? first(p.act, p.alpha, r) : second(p.act, r));
      sizes[i] = std::fabs(v);  // 1 - y * y and the like lose digits of the reference itself
    } else {
      wanted[i] = p.gain * value(p.act, p.alpha, v);
      sizes[i] = std::fabs(wanted[i]) / 2 + (bias ? 0.1 * std::fabs(b.get(i / p.inner % p.channels)) : 0);
    }
  }
  p.x = x.data();
  p.b = bias ? b.data() : nullptr;
  p.ref = p.grad ? ref.data() : nullptr;
  const bool in_place = random->below(4) == 0;
  p.y = in_place ? x.data() : y.data();
  run_units(bias_act_units(&p), 3, random->between(1, 3),
            [&](index_t begin, index_t end) { bias_act_cpu(&p, begin, end); });
  char name[200];
  std::snprintf(name, sizeof name, "bias_act dtype %d grad %d act %d [%lld, %lld, %lld]", p.dtype, p.grad, p.act,
                p.outer, p.channels, p.inner);
  compare(name, in_place ? &x : &y, wanted, sizes);
}

struct StyledCase {
  int dtype, act, channels_last;
  float alpha, gain;
  index_t batch, channels, pixels;
  explicit StyledCase(Random* random)
      : dtype(random->between(0, 2)), act(random->between(LINEAR, LRELU)), channels_last(random->coin()),
        alpha(random->pick({0.2f, 0.0f})), gain(random->pick({1.0f, 1.41421356f, -0.5f})), batch(random->between(0, 3)),
        channels(random->pick<index_t>({1, 3, 8, 32, 100, 513, 1030})),
        pixels(random->pick<index_t>({1, 16, 49, 256, 1100, 2500})) {
    while (channels * pixels > 150000) pixels /= 2;
  }
  index_t size() const { return batch * channels * pixels; }
  index_t sample(index_t i) const { return i / (channels * pixels); }
  index_t channel(index_t i) const { return channels_last ? i % channels : i / pixels % channels; }
  index_t pixel(index_t i) const { return channels_last ? i / channels % pixels : i % pixels; }
  double slope(double y) const {
    return gain * (act == LINEAR || y / gain > 0 ? 1 : act == RELU ? 0 : alpha);
  }
  std::string name(const char* what) const {
    char text[200];
    std::snprintf(text, sizeof text, "%s dtype %d act %d [%lld, %lld, %lld] channels last %d", what, dtype, act, batch,
                  channels, pixels, channels_last);
    return text;
  }
  template <typename Params> void set(Params* p) const {
    p->dtype = dtype;
    p->act = act;
    p->channels_last = channels_last;
    p->alpha = alpha;
    p->gain = gain;
    p->batch = batch;
    p->channels = channels;
    p->pixels = pixels;
  }
};

float* floats(Tensor* tensor) { return static_cast<float*>(tensor->data()); }

void check_styled(Random* random) {
  const StyledCase s(random);
  StyledParams p = {};
  s.set(&p);
  p.noise_batch = random->coin() ? 1 : s.batch;
  Tensor x(s.dtype, s.size(), random->below(9)), y(s.dtype, s.size(), random->below(9));
  Tensor scale(FLOAT32, s.batch * s.channels), noise(FLOAT32, p.noise_batch * s.pixels), b(FLOAT32, s.channels);
  for (Tensor* tensor : {&x, &scale, &noise, &b}) tensor->fill(&random->engine, 1);
  p.x = x.data();
  p.y = y.data();
  p.scale = random->coin() ? floats(&scale) : nullptr;
  p.noise = random->coin() ? floats(&noise) : nullptr;
  p.b = random->coin() ? floats(&b) : nullptr;
  Doubles wanted(s.size()), sizes(s.size());
  for (index_t i = 0; i < s.size(); i++) {
    const double product = x.get(i) * (p.scale ? scale.get(s.sample(i) * s.channels + s.channel(i)) : 1);
    const double n = p.noise ? noise.get((p.noise_batch == 1 ? 0 : s.sample(i)) * s.pixels + s.pixel(i)) : 0;
    const double bias = p.b ? b.get(s.channel(i)) : 0;
    wanted[i] = s.gain * value(s.act, s.alpha, product + n + bias);
    sizes[i] = std::fabs(product) + std::fabs(n) + std::fabs(bias);
  }
  run_units(styled_units(&p), 3, random->between(1, 3),
            [&](index_t begin, index_t end) { styled_cpu(&p, begin, end); });
  compare(s.name("styled"), &y, wanted, sizes);
}

void check_styled_grad(Random* random) {
  const StyledCase s(random);
  StyledGradParams p = {};
  s.set(&p);
  Tensor dy(s.dtype, s.size()), y(s.dtype, s.size()), x(s.dtype, s.size()), dx(s.dtype, s.size(), random->below(9));
  Tensor scale(FLOAT32, s.batch * s.channels), dscale(FLOAT32, s.batch * s.channels);
  Tensor dnoise(FLOAT32, s.batch * s.pixels), db(FLOAT32, s.channels);
  const index_t scratch_size = styled_grad_scratch(s.channels_last, s.batch, s.channels, s.pixels);
  Tensor scratch(FLOAT32, scratch_size);
  for (Tensor* tensor : {&dy, &y, &x, &scale}) tensor->fill(&random->engine, 1);
  const bool sums = random->below(4) != 0, has_scale = random->coin(), in_place = random->below(4) == 0;
  p.dy = dy.data();
  p.y = y.data();
  p.x = sums ? x.data() : nullptr;
  p.scale = has_scale ? floats(&scale) : nullptr;
  p.dscale = sums ? floats(&dscale) : nullptr;
  p.dnoise = sums || random->coin() ? floats(&dnoise) : nullptr;
  p.db = sums || random->coin() ? floats(&db) : nullptr;
  p.scratch = floats(&scratch);
  Doubles want_dx(s.size()), size_dx(s.size()), want_ds(dscale.size()), size_ds(dscale.size());
  Doubles want_dn(dnoise.size()), size_dn(dnoise.size()), want_db(s.channels), size_db(s.channels);
  for (index_t i = 0; i < s.size(); i++) {
    const index_t nc = s.sample(i) * s.channels + s.channel(i), np = s.sample(i) * s.pixels + s.pixel(i);
    const double du = s.slope(y.get(i)) * dy.get(i), product = du * x.get(i);
    want_dx[i] = du * (has_scale ? scale.get(nc) : 1);
    size_dx[i] = std::fabs(want_dx[i]);
    want_ds[nc] += product;
    size_ds[nc] += std::fabs(product);
    want_dn[np] += du;
    size_dn[np] += std::fabs(du);
    want_db[s.channel(i)] += du;
    size_db[s.channel(i)] += std::fabs(du);
  }
  p.dx = in_place ? dy.data() : dx.data();
  run_units(styled_grad_units(&p), 3, random->between(1, 3),
            [&](index_t begin, index_t end) { styled_grad_cpu(&p, begin, end); });
  styled_grad_finish(&p);
  compare(s.name("styled_grad dx"), in_place ? &dy : &dx, want_dx, size_dx);
  if (p.dscale) compare(s.name("styled_grad dscale"), &dscale, want_ds, size_ds);
  if (p.dnoise) compare(s.name("styled_grad dnoise"), &dnoise, want_dn, size_dn);
  if (p.db) compare(s.name("styled_grad db"), &db, want_db, size_db);
}

void check_styled_grad2(Random* random) {
  const StyledCase s(random);
  StyledGrad2Params p = {};
  s.set(&p);
  Tensor dy(s.dtype, s.size()), y(s.dtype, s.size()), x(s.dtype, s.size()), ddx(s.dtype, s.size());
  Tensor ddy(s.dtype, s.size()), d2x(s.dtype, s.size()), scale(FLOAT32, s.batch * s.channels);
  Tensor dds(FLOAT32, s.batch * s.channels), ddn(FLOAT32, s.batch * s.pixels), ddb(FLOAT32, s.channels);
  Tensor d2scale(FLOAT32, s.batch * s.channels);
  Tensor scratch(FLOAT32, styled_grad_scratch(s.channels_last, s.batch, s.channels, s.pixels));
  for (Tensor* tensor : {&dy, &y, &x, &ddx, &scale, &dds, &ddn, &ddb}) tensor->fill(&random->engine, 1);
  p.dy = dy.data();
  p.y = y.data();
  p.x = random->coin() ? x.data() : nullptr;
  p.ddx = ddx.data();
  p.scale = random->coin() ? floats(&scale) : nullptr;
  p.dds = random->coin() ? floats(&dds) : nullptr;
  p.ddn = random->coin() ? floats(&ddn) : nullptr;
  p.ddb = random->coin() ? floats(&ddb) : nullptr;
  p.ddy = ddy.data();
  p.d2x = random->coin() ? d2x.data() : nullptr;
  p.d2scale = random->coin() ? floats(&d2scale) : nullptr;
  p.scratch = floats(&scratch);
  Doubles want_ddy(s.size()), size_ddy(s.size()), want_d2x(s.size()), size_d2x(s.size());
  Doubles want_ds(d2scale.size()), size_ds(d2scale.size());
  for (index_t i = 0; i < s.size(); i++) {
    const index_t nc = s.sample(i) * s.channels + s.channel(i), np = s.sample(i) * s.pixels + s.pixel(i);
    const double slope = s.slope(y.get(i)), du = slope * dy.get(i), cotangent = p.dds ? dds.get(nc) : 0;
    const double terms[] = {ddx.get(i) * (p.scale ? scale.get(nc) : 1), p.x ? x.get(i) * cotangent : 0,
                            p.ddn ? ddn.get(np) : 0, p.ddb ? ddb.get(s.channel(i)) : 0};
    for (double term : terms) {
      want_ddy[i] += slope * term;
      size_ddy[i] += std::fabs(slope * term);
    }
    want_d2x[i] = cotangent * du;
    size_d2x[i] = std::fabs(want_d2x[i]);
    want_ds[nc] += ddx.get(i) * du;
    size_ds[nc] += std::fabs(ddx.get(i) * du);
  }
  run_units(styled_grad2_units(&p), 3, random->between(1, 3),
            [&](index_t begin, index_t end) { styled_grad2_cpu(&p, begin, end); });
  styled_grad2_finish(&p);
  compare(s.name("styled_grad2 ddy"), &ddy, want_ddy, size_ddy);
  if (p.d2x) compare(s.name("styled_grad2 d2x"), &d2x, want_d2x, size_d2x);
  if (p.d2scale) compare(s.name("styled_grad2 d2scale"), &d2scale, want_ds, size_ds);
}

index_t output_size(index_t in, index_t up, index_t down, index_t pads, index_t taps) {
  const index_t length = in * up + pads - taps;
  return length < 0 ? 0 : length / down + 1;
}

// Fills the tensors of a problem, whose sizes are set, and compares.
void check_upfirdn(Random* random, UpFirDnParams p, index_t shift, bool separable) {
  Tensor x(p.dtype, p.major * p.in_h * p.in_w * p.minor, random->below(9)), k(FLOAT32, p.kernel_h * p.kernel_w);
  Tensor y(p.dtype, p.major * p.out_h * p.out_w * p.minor, shift);
  x.fill(&random->engine, 1);
  k.fill(&random->engine, 1);
  if (separable) {
    Tensor column(FLOAT32, p.kernel_h), row(FLOAT32, p.kernel_w);
    column.fill(&random->engine, 1);
    row.fill(&random->engine, 1);
    for (index_t i = 0; i < k.size(); i++) k.set(i, column.get(i / p.kernel_w) * row.get(i % p.kernel_w));
  }
  p.x = x.data();
  p.k = floats(&k);
  p.y = y.data();
  Doubles wanted(y.size()), sizes(y.size());
  for (index_t i = 0; i < y.size(); i++) {
    const index_t c = i % p.minor, ox = i / p.minor % p.out_w, oy = i / p.minor / p.out_w % p.out_h;
    const index_t n = i / p.minor / p.out_w / p.out_h;
    for (index_t ty = 0; ty < p.kernel_h; ty++) {
      const index_t qy = oy * p.downy - p.pady0 + ty;
      if (qy < 0 || qy % p.upy || qy / p.upy >= p.in_h) continue;
      for (index_t tx = 0; tx < p.kernel_w; tx++) {
        const index_t qx = ox * p.downx - p.padx0 + tx;
        if (qx < 0 || qx % p.upx || qx / p.upx >= p.in_w) continue;
        const double term = k.get((p.kernel_h - 1 - ty) * p.kernel_w + p.kernel_w - 1 - tx) *
                            x.get(((n * p.in_h + qy / p.upy) * p.in_w + qx / p.upx) * p.minor + c);
        wanted[i] += term;
        sizes[i] += std::fabs(term);
      }
    }
    sizes[i] += 1e-2;  // a tap is known to 1e-7 of the largest one
  }
  run_units(upfirdn_units(&p), 3, random->between(1, 3),
            [&](index_t begin, index_t end) { upfirdn_cpu(&p, begin, end); });
  char name[300];
  std::snprintf(name, sizeof name, "upfirdn dtype %d up %d %d down %d %d pad %d %d filter %d %d "
                "x [%lld, %lld, %lld, %lld] y [%lld, %lld]", p.dtype, p.upx, p.upy, p.downx, p.downy, p.padx0, p.pady0,
                p.kernel_h, p.kernel_w,
                p.major, p.in_h, p.in_w, p.minor, p.out_h, p.out_w);
  compare(name, &y, wanted, sizes);
}

void check_upfirdn(Random* random) {
  UpFirDnParams p = {};
  p.dtype = random->between(0, 2);
  const bool usual = random->coin();  // factors of 1 and 2, a 4 x 4 filter
  p.upx = usual ? random->between(1, 2) : random->between(1, 5);
  p.downx = usual ? random->between(1, 2) : random->between(1, 5);
  p.upy = usual ? p.upx : random->between(1, 5);
  p.downy = usual ? p.downx : random->between(1, 5);
  p.kernel_h = usual ? 4 : random->between(1, 9);
  p.kernel_w = usual ? 4 : random->between(1, 12);
  p.major = random->pick<index_t>({0, 1, 1, 2, 3, 130});
  p.minor = p.major == 130 ? random->pick<index_t>({1, 1, 2}) : random->pick<index_t>({1, 1, 2, 3, 16, 32, 70, 600});
  const index_t largest = p.major == 130 ? 9 : p.minor == 1 ? 300 : p.minor < 40 ? 70 : 12;
  p.in_h = random->between(1, std::min<index_t>(largest, 90));
  p.in_w = random->between(1, largest);
  if (random->below(40) == 0 && p.major && p.major < 4) {  // blocks of columns and of channels
    p.in_h = random->between(1, 20);
    p.in_w = random->between(100, 160);
    p.minor = random->pick<index_t>({100, 260});
  }
  p.padx0 = random->between(-3, 6);
  p.pady0 = random->between(-3, 6);
  p.out_w = output_size(p.in_w, p.upx, p.downx, p.padx0 + random->between(-3, 6), p.kernel_w);
  p.out_h = output_size(p.in_h, p.upy, p.downy, p.pady0 + random->between(-3, 6), p.kernel_h);
  const index_t shift = random->coin() ? 0 : random->below(9);
  check_upfirdn(random, p, shift, random->coin());
}

// What chance seldom draws: groups of rows that begin on cache lines, a short last block of channels.
void check_usual_upfirdn(Random* random) {
  for (int dtype : {FLOAT32, FLOAT16, BFLOAT16})
    for (int kind = 0; kind < 3; kind++) {
      const int up = kind == 1 ? 2 : 1, down = kind == 2 ? 2 : 1, pad = up == 2 ? 2 : 1;
      for (index_t minor : {32, 525}) {
        const index_t h = 20, w = 40;
        UpFirDnParams p = {};
        p.dtype = dtype;
        p.upx = p.upy = up;
        p.downx = p.downy = down;
        p.padx0 = p.pady0 = pad;
        p.kernel_h = p.kernel_w = 4;
        p.major = 1;
        p.minor = minor;
        p.in_h = h * down / up + (kind == 0);
        p.in_w = w * down / up + (kind == 0);
        p.out_h = h;
        p.out_w = w;
        check_upfirdn(random, p, 0, true);
      }
    }
}

int check(index_t cases, unsigned seed) {
  Random random(seed);
  check_usual_upfirdn(&random);
  for (index_t i = 0; i < cases; i++) {
    check_bias_act(&random);
    check_styled(&random);
    check_styled_grad(&random);
    check_styled_grad2(&random);
    check_upfirdn(&random);
  }
  std::printf("%lld cases of each kernel, seed %u: %d differences\n", cases, seed, failures);
  return failures != 0;
}

// ---- speed ----

const int THREADS = 2;

struct Times {  // of one call, in seconds; processor: per thread, which other programs on the machine disturb less
  double wall, processor;
};

// The fastest of several calls.
Times fastest(double seconds, const std::function<void()>& work) {
  work();
  Times best = {1e9, 1e9};
  int calls = 0;
  for (double spent = 0; spent < seconds || calls < 5; calls++) {
    const std::clock_t clock = std::clock();
    const auto start = std::chrono::steady_clock::now();
    work();
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best.wall = std::min(best.wall, wall);
    best.processor = std::min(best.processor, static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC / THREADS);
    spent += wall;
  }
  return best;
}

class Speed {
 public:
  explicit Speed(double seconds) : seconds_(seconds), from_(FLOAT32, COPY), to_(FLOAT32, COPY) {}

  // `bytes`: inputs read once and outputs written once.
  void measure(const std::string& name, double bytes, index_t units,
               const std::function<void(index_t, index_t)>& work) {
    const index_t chunk = std::max<index_t>(1, units / (THREADS * 8));
    const Times before = copy(), time = fastest(seconds_, [&] { run_units(units, THREADS, chunk, work); });
    const Times after = copy();
    const double copied = 2.0 * COPY * sizeof(float);
    const double wall = bytes / copied * std::min(before.wall, after.wall) / time.wall;
    const double processor = bytes / copied * std::min(before.processor, after.processor) / time.processor;
    std::printf("%-56s %8.3f ms %6.1f GB/s, of copy %5.2f by wall clock, %5.2f by processor time\n", name.c_str(),
                time.wall * 1e3, bytes / time.wall / 1e9, wall, processor);
    std::fflush(stdout);
  }

 private:
  Times copy() {
    const index_t pieces = 64, piece = COPY / pieces;
    return fastest(seconds_ / 4, [&] {
      run_units(pieces, THREADS, 1, [&](index_t begin, index_t end) {
        stream_bytes(floats(&to_) + begin * piece, floats(&from_) + begin * piece, (end - begin) * piece * 4);
        stream_end(true);
      });
    });
  }

  static const index_t COPY = 32 << 20;
  const double seconds_;
  Tensor from_, to_;
};

struct Shape {
  index_t n, h, w, c;
  int channels_last;
  std::string name(int dtype) const {
    char text[100];
    const char* type = dtype == FLOAT32 ? "float32" : dtype == FLOAT16 ? "float16" : "bfloat16";
    if (channels_last) std::snprintf(text, sizeof text, " NHWC [%lld,%lld,%lld,%lld] %s", n, h, w, c, type);
    else std::snprintf(text, sizeof text, " NCHW [%lld,%lld,%lld,%lld] %s", n, c, h, w, type);
    return text;
  }
};

void speed_elementwise(Speed* speed, const Shape& s, int dtype) {
  const index_t size = s.n * s.h * s.w * s.c;
  const double bytes = static_cast<double>(size * type_size(dtype));
  std::mt19937 rng(1);
  Tensor x(dtype, size), y(dtype, size), dy(dtype, size), dx(dtype, size), ddx(dtype, size), d2x(dtype, size);
  Tensor half(dtype, s.c), b(FLOAT32, s.c), scale(FLOAT32, s.n * s.c), noise(FLOAT32, s.n * s.h * s.w);
  Tensor dscale(FLOAT32, s.n * s.c), dnoise(FLOAT32, s.n * s.h * s.w), db(FLOAT32, s.c);
  for (Tensor* tensor : {&x, &y, &dy, &ddx, &half, &b, &scale, &noise}) tensor->fill(&rng, 1);
  Tensor scratch(FLOAT32, styled_grad_scratch(s.channels_last, s.n, s.c, s.h * s.w));
  BiasActParams bias = {dtype, 0, LRELU, 0.2f, 1.41421356f, s.channels_last ? s.n * s.h * s.w : s.n, s.c,
                        s.channels_last ? 1 : s.h * s.w, x.data(), half.data(), nullptr, dx.data()};
  speed->measure("bias_act" + s.name(dtype), 2 * bytes, bias_act_units(&bias),
                 [&](index_t begin, index_t end) { bias_act_cpu(&bias, begin, end); });
  bias.grad = 1;
  bias.b = nullptr;
  bias.ref = y.data();
  speed->measure("bias_act gradient" + s.name(dtype), 3 * bytes, bias_act_units(&bias),
                 [&](index_t begin, index_t end) { bias_act_cpu(&bias, begin, end); });
  const StyledParams styled = {dtype, LRELU, 0.2f, 1.41421356f, s.channels_last, s.n, s.c, s.h * s.w, s.n, x.data(),
                               floats(&scale), floats(&noise), floats(&b), dx.data()};
  speed->measure("styled" + s.name(dtype), 2 * bytes, styled_units(&styled),
                 [&](index_t begin, index_t end) { styled_cpu(&styled, begin, end); });
  const StyledGradParams grad = {dtype, LRELU, 0.2f, 1.41421356f, s.channels_last, s.n, s.c, s.h * s.w, dy.data(),
                                 y.data(), x.data(), floats(&scale), dx.data(), floats(&dscale), floats(&dnoise),
                                 floats(&db), floats(&scratch)};
  const index_t units = styled_grad_units(&grad);
  speed->measure("styled gradient" + s.name(dtype), 4 * bytes, units, [&](index_t begin, index_t end) {
    styled_grad_cpu(&grad, begin, end);
    if (end == units) styled_grad_finish(&grad);  // its values are not looked at here
  });
  const StyledGrad2Params grad2 = {dtype, LRELU, 0.2f, 1.41421356f, s.channels_last, s.n, s.c, s.h * s.w, dy.data(),
                                   y.data(), x.data(), ddx.data(), floats(&scale), floats(&dscale), floats(&dnoise),
                                   floats(&db), dx.data(), d2x.data(), floats(&dscale), floats(&scratch)};
  speed->measure("styled second gradient" + s.name(dtype), 6 * bytes, units,
                 [&](index_t begin, index_t end) { styled_grad2_cpu(&grad2, begin, end); });
}

void speed_upfirdn(Speed* speed, const Shape& s, int dtype, bool separable) {
  const float f[] = {1, 3, 3, 1};
  float k[16];
  for (int i = 0; i < 16; i++) k[i] = f[i / 4] * f[i % 4] / 64 + (separable ? 0 : 0.001f * (i % 5));
  for (int kind = 0; kind < 3; kind++) {  // after an up-convolution: 2 H + 1 to 2 H; doubling; halving
    const int up = kind == 1 ? 2 : 1, down = kind == 2 ? 2 : 1;
    const index_t in_h = s.h / up + (kind == 0), in_w = s.w / up + (kind == 0);
    const index_t out_h = in_h * up / down - (kind == 0), out_w = in_w * up / down - (kind == 0);
    const index_t major = s.channels_last ? s.n : s.n * s.c, minor = s.channels_last ? s.c : 1;
    Tensor x(dtype, major * in_h * in_w * minor), y(dtype, major * out_h * out_w * minor);
    std::mt19937 rng(1);
    x.fill(&rng, 1);
    const int pad = up == 2 ? 2 : 1;
    const UpFirDnParams p = {dtype, up, up, down, down, pad, pad, major, in_h, in_w, minor, out_h, out_w, 4, 4,
                             x.data(), k, y.data()};
    const char* names[] = {"FIR", "FIR up 2 to", "FIR down 2 of"};
    speed->measure((separable ? "" : "full ") + std::string(names[kind]) + s.name(dtype),
                   static_cast<double>((x.size() + y.size()) * type_size(dtype)), upfirdn_units(&p),
                   [&](index_t begin, index_t end) { upfirdn_cpu(&p, begin, end); });
  }
}

int measure_speed(double seconds, const std::string& which) {
  Speed speed(seconds);
  const Shape shapes[] = {{1, 256, 256, 128, 1}, {1, 1024, 1024, 32, 1}, {4, 64, 64, 512, 1}, {1, 1024, 1024, 32, 0},
                          {4, 16, 16, 512, 1}, {4, 4, 4, 512, 1}, {4, 8, 8, 512, 0}, {1, 1024, 1024, 3, 1}};
  for (const Shape& shape : shapes)
    for (int dtype : {FLOAT32, BFLOAT16}) {
      if (which != "fir") speed_elementwise(&speed, shape, dtype);
      if (which != "act") speed_upfirdn(&speed, shape, dtype, true);
      if (which == "full") speed_upfirdn(&speed, shape, dtype, false);
    }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "check" && argc == 4) return check(std::atoll(argv[2]), std::atoi(argv[3]));
  if (mode == "speed" && argc >= 3) return measure_speed(std::atof(argv[2]), argc > 3 ? argv[3] : "");
  std::fprintf(stderr, "usage: kernels check CASES SEED | kernels speed SECONDS [all|act|fir|full]\n");
  return 2;
}

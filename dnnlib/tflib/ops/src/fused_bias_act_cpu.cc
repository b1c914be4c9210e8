// y = gain * act(x + b) and its derivatives on the CPU.

#include <vector>

#include "cpu_kernels.h"

namespace {

const float SELU_SCALE = 1.0507009873554805f, SELU_ALPHA = 1.6732632423543772f;
const float LIMIT = 80.0f, SWISH_LIMIT = 40.0f;  // beyond these the functions have reached their asymptotes

inline float sigmoid(float x) {
  const float y = 1.0f / (1.0f + Exp(above(below(-x, LIMIT), -LIMIT)).exp());
  return x < -LIMIT ? 0.0f : y;
}

// value: f(v). first, second: f'(v) and f''(v) by ref, which is f(v), for swish v.
template <int ACT> struct Act;

template <> struct Act<LINEAR> {
  static float value(float v, float) { return v; }
  static float first(float, float) { return 1.0f; }
  static float second(float) { return 0.0f; }
};
template <> struct Act<RELU> {
  static float value(float v, float) { return v < 0.0f ? 0.0f : v; }
  static float first(float y, float) { return y > 0.0f ? 1.0f : 0.0f; }
  static float second(float) { return 0.0f; }
};
template <> struct Act<LRELU> {
  static float value(float v, float alpha) { return v * (v > 0.0f ? 1.0f : alpha); }
  static float first(float y, float alpha) { return y > 0.0f ? 1.0f : alpha; }
  static float second(float) { return 0.0f; }
};
template <> struct Act<TANH> {
  static float value(float v, float) {
    const float e = Exp(2.0f * below(magnitude(v), LIMIT / 4)).expm1();
    return with_sign(e / (e + 2.0f), v);
  }
  static float first(float y, float) { return 1.0f - y * y; }
  static float second(float y) { return (1.0f - y * y) * (-2.0f * y); }
};
template <> struct Act<SIGMOID> {
  static float value(float v, float) { return sigmoid(v); }
  static float first(float y, float) { return y * (1.0f - y); }
  static float second(float y) { return y * (1.0f - y) * (1.0f - 2.0f * y); }
};
template <> struct Act<ELU> {
  static float value(float v, float) {
    const float e = expm1_of(below(v, 0.0f));
    return v >= 0.0f ? v : e;
  }
  static float first(float y, float) { return y >= 0.0f ? 1.0f : y + 1.0f; }
  static float second(float y) { return y >= 0.0f ? 0.0f : y + 1.0f; }
};
template <> struct Act<SELU> {
  static float value(float v, float) {
    const float e = SELU_ALPHA * expm1_of(below(v, 0.0f));
    return SELU_SCALE * (v >= 0.0f ? v : e);
  }
  static float first(float y, float) { return y >= 0.0f ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA; }
  static float second(float y) { return y >= 0.0f ? 0.0f : y + SELU_SCALE * SELU_ALPHA; }
};
template <> struct Act<SOFTPLUS> {
  static float value(float v, float) {
    const float y = above(v, 0.0f) + log1p_of(Exp(above(-magnitude(v), -LIMIT)).exp());
    return v > LIMIT ? v : v < -LIMIT ? 0.0f : y;
  }
  static float first(float y, float) { return -expm1_of(-y); }
  static float second(float y) {
    const Exp e(above(below(-y, LIMIT), -LIMIT));
    return e.exp() * -e.expm1();
  }
};
template <> struct Act<SWISH> {
  static float value(float v, float) { return v < -LIMIT ? 0.0f : v * sigmoid(v); }
  static float first(float x, float) {
    const float s = sigmoid(x), rest = sigmoid(-x);
    return x > SWISH_LIMIT ? 1.0f : x < -LIMIT ? 0.0f : s * (1.0f + x * rest);
  }
  static float second(float x) {
    const float s = sigmoid(x), rest = sigmoid(-x);
    return magnitude(x) > LIMIT || x > SWISH_LIMIT ? 0.0f : s * rest * (2.0f + x * (rest - s));
  }
};

struct Factors {
  float alpha, gain, ref;  // ref: what turns the stored output into f(v)
};
typedef void (*Strip)(const float* x, const float* b, const float* ref, float* y, index_t n, const Factors& factors);

template <int ACT, int GRAD>
void strip(const float* x, const float* b, const float* ref, float* __restrict y, index_t n, const Factors& factors) {
  const float alpha = factors.alpha, gain = factors.gain, scale = factors.ref;
  for (index_t i = 0; i < n; i++) {
    const float v = x[i] + b[i];
    if (GRAD == 0) y[i] = gain * Act<ACT>::value(v, alpha);
    if (GRAD == 1) y[i] = gain * (v * Act<ACT>::first(ref[i] * scale, alpha));
    if (GRAD == 2) y[i] = gain * (v * Act<ACT>::second(ref[i] * scale));
  }
}

template <int ACT> Strip of_grad(int grad) {
  return grad == 0 ? strip<ACT, 0> : grad == 1 ? strip<ACT, 1> : strip<ACT, 2>;
}

Strip find_strip(int act, int grad) {
  switch (act) {
    case RELU: return of_grad<RELU>(grad);
    case LRELU: return of_grad<LRELU>(grad);
    case TANH: return of_grad<TANH>(grad);
    case SIGMOID: return of_grad<SIGMOID>(grad);
    case ELU: return of_grad<ELU>(grad);
    case SELU: return of_grad<SELU>(grad);
    case SOFTPLUS: return of_grad<SOFTPLUS>(grad);
    case SWISH: return of_grad<SWISH>(grad);
    default: return of_grad<LINEAR>(grad);
  }
}

index_t size_of(const BiasActParams* p) { return p->outer * p->channels * p->inner; }

}  // namespace

index_t bias_act_units(const BiasActParams* p) { return ceil_div(size_of(p), UNIT); }

void bias_act_cpu(const BiasActParams* p, index_t begin, index_t end) {
  const index_t size = size_of(p), last = least(size, end * UNIT);
  const bool alias = p->y == p->x || p->y == p->ref;
  const bool stream = !alias && size * type_size(p->dtype) >= STREAM_BYTES;
  const bool direct = !alias && !stream && p->dtype == FLOAT32;
  const Strip compute = find_strip(p->act, p->grad);
  const float unscale = p->act == SWISH ? 1.0f : p->gain == 0.0f ? 0.0f : 1.0f / p->gain;
  const Factors factors = {p->alpha, p->gain, unscale};
  std::vector<float> bias(p->b ? p->channels : 0);
  if (p->b) load(p->dtype, p->b, 0, p->channels, bias.data());
  Spread biases(p->channels, p->inner, p->inner == 1);
  biases.set(p->b ? bias.data() : nullptr, 0.0f);
  StripBuffer x_buffer, ref_buffer, y_buffer;
  for (index_t i = begin * UNIT; i < last; i += STRIP) {
    const index_t n = least(STRIP, last - i);
    const float* x = view(p->dtype, p->x, i, n, x_buffer.data);
    const float* ref = p->grad ? view(p->dtype, p->ref, i, n, ref_buffer.data) : nullptr;
    float* y = direct ? static_cast<float*>(p->y) + i : y_buffer.data;
    compute(x, biases.strip(i, n), ref, y, n, factors);
    if (!direct) store(p->dtype, p->y, i, n, y, stream);
  }
  stream_end(stream);
}

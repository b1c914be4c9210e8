// StyledBiasAct, StyledBiasActGrad, StyledBiasActGrad2: the end of a styled layer and its derivatives (StyledParams).
//
// x is [N, H, W, C] or [N, C, H, W]; without noise any rank from 2 will do, the channels last or second. An optional
// input that is left out is a vector without elements, and so is an output that was not asked for. The kernels read an
// element of all inputs before they write that of an output, so outputs may lie in the memory of inputs.
#include "tensorflow_glue.h"

namespace stylegan2 {

using tensorflow::shape_inference::DimensionHandle;

// Attributes and checks that the three operations share.
struct StyledSettings {
  int act;
  float alpha, gain;
  bool channels_last;

  Status Read(OpKernelConstruction* ctx) {
    std::string format;
    Status status = ctx->GetAttr("act", &act);
    if (status.ok()) status = ctx->GetAttr("alpha", &alpha);
    if (status.ok()) status = ctx->GetAttr("gain", &gain);
    if (status.ok()) status = ctx->GetAttr("data_format", &format);
    channels_last = format == "NHWC";
    if (status.ok() && (act < LINEAR || act > LRELU)) return InvalidArgument("act must be 1, 2 or 3, not ", act);
    return status;
  }

  template <class Params>
  void Set(Params* p, const Tensor& x) const {
    p->dtype = TypeOf(x);
    p->act = act;
    p->alpha = alpha;
    p->gain = gain;
    p->channels_last = channels_last;
    p->batch = x.dim_size(0);
    p->channels = x.dim_size(channels_last ? x.dims() - 1 : 1);
    p->pixels = channels_last ? Product(x.shape(), 1, x.dims() - 1) : Product(x.shape(), 2, x.dims());
  }
};

// Where nothing tells the samples apart, they may be one sample of more pixels, with the channels last if they can be.
template <class Params>
void JoinSamples(Params* p) {
  if (!p->channels_last && p->pixels != 1) return;
  p->channels_last = 1;
  p->pixels *= p->batch;
  p->batch = 1;
}

Status CheckRank(const Tensor& x) {
  if (x.dims() < 2) return InvalidArgument("x must have two axes or more, its shape is ", x.shape().DebugString());
  return Status();
}

Status CheckLike(const char* name, const Tensor& t, const Tensor& x) {
  if (t.shape() == x.shape()) return Status();
  return InvalidArgument(name, " must have the shape ", x.shape().DebugString(), ", not ", t.shape().DebugString());
}

// [N, C] or left out.
template <class Params>
Status CheckScale(const char* name, const Tensor& t, const Params& p) {
  if (!IsGiven(t) || (t.dims() == 2 && t.dim_size(0) == p.batch && t.dim_size(1) == p.channels)) return Status();
  return InvalidArgument(name, " must have the shape [", p.batch, ",", p.channels, "], not ", t.shape().DebugString());
}

// [N or 1, 1, H, W] or left out.
template <class Params>
Status CheckNoise(const char* name, const Tensor& t, const Tensor& x, const Params& p) {
  const int h = p.channels_last ? 1 : 2;
  if (!IsGiven(t) || (x.dims() == 4 && t.dims() == 4 && (t.dim_size(0) == 1 || t.dim_size(0) == p.batch) &&
                      t.dim_size(1) == 1 && t.dim_size(2) == x.dim_size(h) && t.dim_size(3) == x.dim_size(h + 1))) {
    return Status();
  }
  return InvalidArgument(name, " ", t.shape().DebugString(), " does not fit x ", x.shape().DebugString());
}

// [C] or left out.
template <class Params>
Status CheckBias(const char* name, const Tensor& t, const Params& p) {
  if (!IsGiven(t) || (t.dims() == 1 && t.dim_size(0) == p.channels)) return Status();
  return InvalidArgument(name, " must have the shape [", p.channels, "], not ", t.shape().DebugString());
}

// Allocates what the derivatives need besides their outputs.
template <bool ON_GPU, class Params>
Status AllocateScratch(OpKernelContext* ctx, Params* p, Tensor* scratch) {
  index_t floats = 0;
#if STYLEGAN2_CUDA
  if (ON_GPU) floats = styled_grad_scratch_cuda(p->channels_last, p->batch, p->channels, p->pixels);
#endif
  if (!ON_GPU) floats = styled_grad_scratch(p->channels_last, p->batch, p->channels, p->pixels);
  Status status = ctx->allocate_temp(tensorflow::DT_FLOAT, TensorShape({floats}), scratch);
  p->scratch = OutFloats(scratch);
  return status;
}

// Shape functions: the axes of the input `x`.
Status ChannelsOf(InferenceContext* c, ShapeHandle x, DimensionHandle* channels) {
  std::string format;
  Status status = c->GetAttr("data_format", &format);
  *channels = c->RankKnown(x) ? c->Dim(x, format == "NHWC" ? -1 : 1) : c->UnknownDim();
  return status;
}

bool IsLeftOut(InferenceContext* c, ShapeHandle s) {
  return c->RankKnown(s) && c->Rank(s) == 1 && c->ValueKnown(c->Dim(s, 0)) && c->Value(c->Dim(s, 0)) == 0;
}

// Output `index` is [N, C] if the optional input `s` is given.
void SetScaleShape(InferenceContext* c, int index, ShapeHandle s, ShapeHandle x, DimensionHandle channels) {
  if (IsLeftOut(c, s)) {
    c->set_output(index, c->Vector(0));
  } else {
    c->set_output(index, c->RankKnown(x) && c->RankKnown(s) ? c->Matrix(c->Dim(x, 0), channels) : c->UnknownShape());
  }
}

Status StyledBiasActShape(InferenceContext* c) {
  ShapeHandle x;
  Status status = c->WithRankAtLeast(c->input(0), 2, &x);
  c->set_output(0, c->input(0));
  return status;
}

Status StyledBiasActGradShape(InferenceContext* c) {
  ShapeHandle dy;
  DimensionHandle channels;
  bool noise_grad, bias_grad;
  Status status = c->WithRankAtLeast(c->input(0), 2, &dy);
  if (status.ok()) status = ChannelsOf(c, dy, &channels);
  if (status.ok()) status = c->GetAttr("noise_grad", &noise_grad);
  if (status.ok()) status = c->GetAttr("bias_grad", &bias_grad);
  if (!status.ok()) return status;
  c->set_output(0, dy);
  SetScaleShape(c, 1, c->input(3), dy, channels);
  if (!noise_grad) {
    c->set_output(2, c->Vector(0));
  } else if (c->RankKnown(dy)) {
    std::string format;
    status = c->GetAttr("data_format", &format);
    if (status.ok()) status = c->WithRank(dy, 4, &dy);
    if (!status.ok()) return status;
    const int h = format == "NHWC" ? 1 : 2;
    c->set_output(2, c->MakeShape({c->Dim(dy, 0), c->MakeDim(1), c->Dim(dy, h), c->Dim(dy, h + 1)}));
  }
  c->set_output(3, bias_grad ? c->Vector(channels) : c->Vector(0));
  return status;
}

Status StyledBiasActGrad2Shape(InferenceContext* c) {
  ShapeHandle dy;
  DimensionHandle channels;
  Status status = c->WithRankAtLeast(c->input(0), 2, &dy);
  if (status.ok()) status = ChannelsOf(c, dy, &channels);
  if (!status.ok()) return status;
  c->set_output(0, dy);
  const ShapeHandle dds = c->input(5);
  c->set_output(1, IsLeftOut(c, dds) ? c->Vector(0) : c->RankKnown(dds) ? dy : c->UnknownShape());
  SetScaleShape(c, 2, c->input(3), dy, channels);
  return status;
}

#define STYLEGAN2_STYLED_ATTRS                                          \
  Attr("T: " STYLEGAN2_TYPES)                                           \
      .Attr("act: int")                                                 \
      .Attr("alpha: float = 0.0")                                       \
      .Attr("gain: float = 1.0")                                        \
      .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'")

static Register styled_bias_act(
    Op("StyledBiasAct")
        .Input("x: T")
        .Input("scale: float")  // [N, C]
        .Input("noise: float")  // [N or 1, 1, H, W]
        .Input("b: float")      // [C]
        .Output("y: T")
        .STYLEGAN2_STYLED_ATTRS,
    StyledBiasActShape);

static Register styled_bias_act_grad(
    Op("StyledBiasActGrad")
        .Input("dy: T")
        .Input("y: T")
        .Input("x: T")            // left out where scale is
        .Input("scale: float")
        .Output("dx: T")
        .Output("dscale: float")  // where scale is given
        .Output("dnoise: float")  // [N, 1, H, W]
        .Output("db: float")
        .STYLEGAN2_STYLED_ATTRS
        .Attr("noise_grad: bool")
        .Attr("bias_grad: bool"),
    StyledBiasActGradShape);

static Register styled_bias_act_grad2(
    Op("StyledBiasActGrad2")
        .Input("dy: T")
        .Input("y: T")
        .Input("x: T")
        .Input("scale: float")
        .Input("ddx: T")           // cotangents of the outputs of StyledBiasActGrad
        .Input("dds: float")
        .Input("ddn: float")
        .Input("ddb: float")
        .Output("ddy: T")
        .Output("d2x: T")          // where dds is given
        .Output("d2scale: float")  // where scale is given
        .STYLEGAN2_STYLED_ATTRS,
    StyledBiasActGrad2Shape);

template <bool ON_GPU>
class StyledBiasActKernel : public OpKernel {
 public:
  explicit StyledBiasActKernel(OpKernelConstruction* ctx) : OpKernel(ctx) { OP_REQUIRES_OK(ctx, settings_.Read(ctx)); }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &x = ctx->input(0), &scale = ctx->input(1), &noise = ctx->input(2), &b = ctx->input(3);
    StyledParams p = {};
    OP_REQUIRES_OK(ctx, CheckRank(x));
    settings_.Set(&p, x);
    OP_REQUIRES_OK(ctx, CheckScale("scale", scale, p));
    OP_REQUIRES_OK(ctx, CheckNoise("noise", noise, x, p));
    OP_REQUIRES_OK(ctx, CheckBias("b", b, p));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(ctx, ctx->forward_input_or_allocate_output({0}, 0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    p.noise_batch = IsGiven(noise) ? noise.dim_size(0) : 1;
    p.x = In(x);
    p.scale = InFloats(scale);
    p.noise = InFloats(noise);
    p.b = InFloats(b);
    p.y = Out(y);
    if (p.scale == nullptr && (p.noise == nullptr || p.noise_batch == p.batch)) {
      JoinSamples(&p);
      if (p.batch == 1) p.noise_batch = 1;
    }
#if STYLEGAN2_CUDA
    if (ON_GPU) {
      Check(ctx, styled_cuda(&p, Stream(ctx)));
      return;
    }
#endif
    Parallel(ctx, styled_units(&p), x.NumElements() * 2,
             [&p](index_t begin, index_t end) { styled_cpu(&p, begin, end); });
  }

 private:
  StyledSettings settings_;
};

template <bool ON_GPU>
class StyledBiasActGradKernel : public OpKernel {
 public:
  explicit StyledBiasActGradKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, settings_.Read(ctx));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("noise_grad", &noise_grad_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("bias_grad", &bias_grad_));
  }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &dy = ctx->input(0), &y = ctx->input(1), &x = ctx->input(2), &scale = ctx->input(3);
    const bool scaled = IsGiven(scale);
    StyledGradParams p = {};
    OP_REQUIRES_OK(ctx, CheckRank(dy));
    settings_.Set(&p, dy);
    OP_REQUIRES_OK(ctx, CheckLike("y", y, dy));
    OP_REQUIRES_OK(ctx, CheckScale("scale", scale, p));
    if (scaled || IsGiven(x)) OP_REQUIRES_OK(ctx, CheckLike("x", x, dy));
    OP_REQUIRES(ctx, !noise_grad_ || dy.dims() == 4,
                InvalidArgument("with noise dy must have four axes, its shape is ", dy.shape().DebugString()));
    const index_t height = noise_grad_ ? dy.dim_size(p.channels_last ? 1 : 2) : 0;
    const index_t width = noise_grad_ ? dy.dim_size(p.channels_last ? 2 : 3) : 0;
    const TensorShape none({0});
    Tensor *dx, *dscale, *dnoise, *db, scratch;
    OP_REQUIRES_OK(ctx, ctx->forward_input_or_allocate_output({0}, 0, dy.shape(), &dx));
    OP_REQUIRES_OK(ctx, ctx->allocate_output(1, scaled ? TensorShape({p.batch, p.channels}) : none, &dscale));
    const TensorShape noise = noise_grad_ ? TensorShape({p.batch, 1, height, width}) : none;
    OP_REQUIRES_OK(ctx, ctx->allocate_output(2, noise, &dnoise));
    OP_REQUIRES_OK(ctx, ctx->allocate_output(3, bias_grad_ ? TensorShape({p.channels}) : none, &db));
    p.dy = In(dy);
    p.y = In(y);
    p.x = scaled ? In(x) : nullptr;
    p.scale = InFloats(scale);
    p.dx = Out(dx);
    p.dscale = OutFloats(dscale);
    p.dnoise = OutFloats(dnoise);
    p.db = OutFloats(db);
    if (!scaled) JoinSamples(&p);
    OP_REQUIRES_OK(ctx, AllocateScratch<ON_GPU>(ctx, &p, &scratch));
#if STYLEGAN2_CUDA
    if (ON_GPU) {
      Check(ctx, styled_grad_cuda(&p, Stream(ctx)));
      return;
    }
#endif
    Parallel(ctx, styled_grad_units(&p), dy.NumElements() * 3,
             [&p](index_t begin, index_t end) { styled_grad_cpu(&p, begin, end); });
    styled_grad_finish(&p);
  }

 private:
  StyledSettings settings_;
  bool noise_grad_, bias_grad_;
};

template <bool ON_GPU>
class StyledBiasActGrad2Kernel : public OpKernel {
 public:
  explicit StyledBiasActGrad2Kernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    OP_REQUIRES_OK(ctx, settings_.Read(ctx));
  }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &dy = ctx->input(0), &y = ctx->input(1), &x = ctx->input(2), &scale = ctx->input(3);
    const Tensor &ddx = ctx->input(4), &dds = ctx->input(5), &ddn = ctx->input(6), &ddb = ctx->input(7);
    const bool scaled = IsGiven(scale), scale_given = IsGiven(dds);
    StyledGrad2Params p = {};
    OP_REQUIRES_OK(ctx, CheckRank(dy));
    settings_.Set(&p, dy);
    OP_REQUIRES_OK(ctx, CheckLike("y", y, dy));
    OP_REQUIRES_OK(ctx, CheckLike("ddx", ddx, dy));
    if (scale_given || IsGiven(x)) OP_REQUIRES_OK(ctx, CheckLike("x", x, dy));
    OP_REQUIRES_OK(ctx, CheckScale("scale", scale, p));
    OP_REQUIRES_OK(ctx, CheckScale("dds", dds, p));
    OP_REQUIRES_OK(ctx, CheckNoise("ddn", ddn, dy, p));
    OP_REQUIRES(ctx, !IsGiven(ddn) || ddn.dim_size(0) == p.batch,
                InvalidArgument("ddn must have ", p.batch, " samples, not ", ddn.dim_size(0)));
    OP_REQUIRES_OK(ctx, CheckBias("ddb", ddb, p));
    const TensorShape none({0});
    Tensor *ddy, *d2x, *d2scale, scratch;
    OP_REQUIRES_OK(ctx, ctx->forward_input_or_allocate_output({4, 0}, 0, dy.shape(), &ddy));
    if (scale_given) OP_REQUIRES_OK(ctx, ctx->forward_input_or_allocate_output({0, 4}, 1, dy.shape(), &d2x));
    else OP_REQUIRES_OK(ctx, ctx->allocate_output(1, none, &d2x));
    OP_REQUIRES_OK(ctx, ctx->allocate_output(2, scaled ? TensorShape({p.batch, p.channels}) : none, &d2scale));
    p.dy = In(dy);
    p.y = In(y);
    p.x = scale_given ? In(x) : nullptr;
    p.ddx = In(ddx);
    p.scale = InFloats(scale);
    p.dds = InFloats(dds);
    p.ddn = InFloats(ddn);
    p.ddb = InFloats(ddb);
    p.ddy = Out(ddy);
    p.d2x = Out(d2x);
    p.d2scale = OutFloats(d2scale);
    if (!scaled && !scale_given) JoinSamples(&p);
    OP_REQUIRES_OK(ctx, AllocateScratch<ON_GPU>(ctx, &p, &scratch));
#if STYLEGAN2_CUDA
    if (ON_GPU) {
      Check(ctx, styled_grad2_cuda(&p, Stream(ctx)));
      return;
    }
#endif
    Parallel(ctx, styled_grad2_units(&p), dy.NumElements() * 4,
             [&p](index_t begin, index_t end) { styled_grad2_cpu(&p, begin, end); });
    styled_grad2_finish(&p);
  }

 private:
  StyledSettings settings_;
};

STYLEGAN2_KERNELS("StyledBiasAct", StyledBiasActKernel);
STYLEGAN2_KERNELS("StyledBiasActGrad", StyledBiasActGradKernel);
STYLEGAN2_KERNELS("StyledBiasActGrad2", StyledBiasActGrad2Kernel);

}  // namespace stylegan2

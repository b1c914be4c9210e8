// FusedBiasAct: bias, activation and gain, and their first and second derivatives (see BiasActParams).
#include "tensorflow_glue.h"

namespace stylegan2 {

Status FusedBiasActShape(InferenceContext* c) {
  ShapeHandle unused;
  Status status = c->WithRankAtLeast(c->input(0), 1, &unused);
  if (status.ok()) status = c->WithRank(c->input(1), 1, &unused);
  c->set_output(0, c->input(0));
  return status;
}

static Register fused_bias_act(
    Op("FusedBiasAct")
        .Input("x: T")
        .Input("b: T")    // [size of x along axis], empty = none
        .Input("ref: T")  // like x, empty where grad is 0
        .Output("y: T")
        .Attr("T: " STYLEGAN2_TYPES)
        .Attr("grad: int = 0")
        .Attr("axis: int = 1")
        .Attr("act: int = 0")
        .Attr("alpha: float = 0.0")
        .Attr("gain: float = 1.0"),
    FusedBiasActShape);

template <bool ON_GPU>
class FusedBiasActKernel : public OpKernel {
 public:
  explicit FusedBiasActKernel(OpKernelConstruction* ctx) : OpKernel(ctx), p_() {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("grad", &p_.grad));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("axis", &axis_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("act", &p_.act));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("alpha", &p_.alpha));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("gain", &p_.gain));
    OP_REQUIRES(ctx, 0 <= p_.grad && p_.grad <= 2, InvalidArgument("grad must be 0, 1 or 2, not ", p_.grad));
    OP_REQUIRES(ctx, LINEAR <= p_.act && p_.act <= SWISH, InvalidArgument("act must be 1 to 9, not ", p_.act));
    OP_REQUIRES(ctx, axis_ >= 0, InvalidArgument("axis must not be negative, it is ", axis_));
  }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &x = ctx->input(0), &b = ctx->input(1), &ref = ctx->input(2);
    const TensorShape& shape = x.shape();
    const bool has_bias = b.NumElements() > 0;
    OP_REQUIRES(ctx, b.dims() == 1, InvalidArgument("b must be a vector, its shape is ", b.shape().DebugString()));
    OP_REQUIRES(ctx, !has_bias || (axis_ < x.dims() && b.dim_size(0) == x.dim_size(axis_)),
                InvalidArgument("b must be as long as axis ", axis_, " of x ", shape.DebugString(), ", its length is ",
                                b.dim_size(0)));
    OP_REQUIRES(ctx, p_.grad == 0 ? ref.NumElements() == 0 : ref.shape() == shape,
                InvalidArgument("ref must be like x where grad is not 0, else empty: x ", shape.DebugString(), ", ref ",
                                ref.shape().DebugString(), ", grad ", p_.grad));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(ctx, ctx->forward_input_or_allocate_output({0}, 0, shape, &y));
    if (x.NumElements() == 0) return;
    BiasActParams p = p_;
    p.dtype = TypeOf(x);
    p.outer = has_bias ? Product(shape, 0, axis_) : 1;
    p.channels = has_bias ? x.dim_size(axis_) : 1;
    p.inner = has_bias ? Product(shape, axis_ + 1, x.dims()) : x.NumElements();
    p.x = In(x);
    p.b = In(b);
    p.ref = In(ref);
    p.y = Out(y);
#if STYLEGAN2_CUDA
    if (ON_GPU) {
      Check(ctx, bias_act_cuda(&p, Stream(ctx)));
      return;
    }
#endif
    const index_t work = p.act <= LRELU ? 1 : 8;  // an exponential costs as much as some elements of memory
    Parallel(ctx, bias_act_units(&p), x.NumElements() * work,
             [&p](index_t begin, index_t end) { bias_act_cpu(&p, begin, end); });
  }

 private:
  BiasActParams p_;
  int axis_;
};

STYLEGAN2_KERNELS("FusedBiasAct", FusedBiasActKernel);

}  // namespace stylegan2

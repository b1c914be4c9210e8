// Warp2D: an affine warp between images of twofold resolution (see WarpParams), on the CPU only.
#include "tensorflow_glue.h"

namespace stylegan2 {

Status Warp2DShape(InferenceContext* c) {
  ShapeHandle x;
  Status status = c->WithRank(c->input(0), 4, &x);
  if (status.ok()) c->set_output(0, x);
  return status;
}

static Register warp_2d(
    Op("Warp2D")
        .Input("x: float")         // [N, C, H, W]
        .Input("matrices: float")  // [N, 2, 3]
        .Input("margins: int32")   // left, top, right, bottom
        .Input("fir: float")       // [12]
        .Output("y: float")
        .Attr("rule: {'forward', 'adjoint', 'inverse'}"),
    Warp2DShape);

class Warp2DKernel : public OpKernel {
 public:
  explicit Warp2DKernel(OpKernelConstruction* ctx) : OpKernel(ctx) {
    std::string rule;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("rule", &rule));
    rule_ = rule == "forward" ? WARP_FORWARD : rule == "adjoint" ? WARP_ADJOINT : WARP_INVERSE;
  }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &x = ctx->input(0), &matrices = ctx->input(1), &margins = ctx->input(2), &fir = ctx->input(3);
    OP_REQUIRES(ctx, x.dims() == 4, InvalidArgument("x must be [N, C, H, W], not ", x.shape().DebugString()));
    OP_REQUIRES(ctx, matrices.shape() == TensorShape({x.dim_size(0), 2, 3}),
                InvalidArgument("matrices must have the shape [", x.dim_size(0), ",2,3], not ",
                                matrices.shape().DebugString()));
    OP_REQUIRES(ctx, margins.shape() == TensorShape({4}),
                InvalidArgument("margins must have four elements, not ", margins.shape().DebugString()));
    OP_REQUIRES(ctx, fir.shape() == TensorShape({WARP_TAPS}),
                InvalidArgument("fir must have 12 taps, not ", fir.shape().DebugString()));
    WarpParams p = {};
    p.rule = rule_;
    p.batch = x.dim_size(0);
    p.channels = x.dim_size(1);
    p.height = x.dim_size(2);
    p.width = x.dim_size(3);
    Tensor* y = nullptr;
    OP_REQUIRES_OK(ctx, ctx->allocate_output(0, x.shape(), &y));
    if (x.NumElements() == 0) return;
    index_t* const sides[4] = {&p.left, &p.top, &p.right, &p.bottom};
    for (int i = 0; i < 4; i++) {
      *sides[i] = static_cast<const int*>(In(margins))[i];
      OP_REQUIRES(ctx, *sides[i] >= 0 && *sides[i] < (i % 2 ? p.height : p.width),
                  InvalidArgument("a margin of ", *sides[i], " pixels can't be reflected"));
    }
    p.x = InFloats(x);
    p.matrices = InFloats(matrices);
    p.fir = InFloats(fir);
    p.y = OutFloats(y);
    Parallel(ctx, warp_units(&p), x.NumElements() * 32,
             [&p](index_t begin, index_t end) { warp_cpu(&p, begin, end); });
  }

 private:
  int rule_;
};

// Not on a GPU: there the operations of the reference run as they are.
REGISTER_KERNEL_BUILDER(Name("Warp2D").Device(tensorflow::DEVICE_CPU), Warp2DKernel);

}  // namespace stylegan2

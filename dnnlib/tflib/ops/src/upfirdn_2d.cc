// UpFirDn2D: up-sampling by zero insertion, padding, filtering and down-sampling (see UpFirDnParams).
#include "tensorflow_glue.h"

namespace stylegan2 {

// Size of the result along one axis; below 1 if the filter does not fit.
static index_t UpFirDnSize(index_t in, int up, int down, int pad0, int pad1, index_t taps) {
  const index_t room = in * up + pad0 + pad1 - taps;
  return room < 0 ? 0 : room / down + 1;
}

Status UpFirDn2DShape(InferenceContext* c) {
  ShapeHandle x, k;
  Status status = c->WithRank(c->input(0), 4, &x);
  if (status.ok()) status = c->WithRank(c->input(1), 2, &k);
  if (!status.ok()) return status;
  tensorflow::shape_inference::DimensionHandle sizes[2];
  const char* const attrs[2][4] = {{"upy", "downy", "pady0", "pady1"}, {"upx", "downx", "padx0", "padx1"}};
  for (int axis = 0; axis < 2; axis++) {
    int values[4];
    for (int i = 0; i < 4 && status.ok(); i++) status = c->GetAttr(attrs[axis][i], &values[i]);
    if (!status.ok()) return status;
    if (values[0] < 1 || values[1] < 1) return InvalidArgument("factors must be at least 1");
    sizes[axis] = c->UnknownDim();
    if (c->ValueKnown(c->Dim(x, axis + 1)) && c->ValueKnown(c->Dim(k, axis))) {
      const index_t size = UpFirDnSize(c->Value(c->Dim(x, axis + 1)), values[0], values[1], values[2], values[3],
                                       c->Value(c->Dim(k, axis)));
      if (size < 1) return InvalidArgument("the filter does not fit the padded image");
      sizes[axis] = c->MakeDim(size);
    }
  }
  c->set_output(0, c->MakeShape({c->Dim(x, 0), sizes[0], sizes[1], c->Dim(x, 3)}));
  return status;
}

// The filter is float32 whatever x is, so that it is not rounded, and lies in the memory of the device.
static Register upfirdn_2d(
    Op("UpFirDn2D")
        .Input("x: T")      // [major, H, W, minor]
        .Input("k: float")  // [kernel height, kernel width]
        .Output("y: T")
        .Attr("T: " STYLEGAN2_TYPES)
        .Attr("upx: int = 1")
        .Attr("upy: int = 1")
        .Attr("downx: int = 1")
        .Attr("downy: int = 1")
        .Attr("padx0: int = 0")
        .Attr("padx1: int = 0")
        .Attr("pady0: int = 0")
        .Attr("pady1: int = 0"),
    UpFirDn2DShape);

template <bool ON_GPU>
class UpFirDn2DKernel : public OpKernel {
 public:
  explicit UpFirDn2DKernel(OpKernelConstruction* ctx) : OpKernel(ctx), p_() {
    OP_REQUIRES_OK(ctx, ctx->GetAttr("upx", &p_.upx));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("upy", &p_.upy));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("downx", &p_.downx));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("downy", &p_.downy));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("padx0", &p_.padx0));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("padx1", &padx1_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("pady0", &p_.pady0));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("pady1", &pady1_));
    OP_REQUIRES(ctx, std::min({p_.upx, p_.upy, p_.downx, p_.downy}) >= 1,
                InvalidArgument("factors must be at least 1, got up ", p_.upx, ", ", p_.upy, ", down ", p_.downx, ", ",
                                p_.downy));
  }

  void Compute(OpKernelContext* ctx) override {
    const Tensor &x = ctx->input(0), &k = ctx->input(1);
    OP_REQUIRES(ctx, x.dims() == 4, InvalidArgument("x must be [major, H, W, minor], not ", x.shape().DebugString()));
    OP_REQUIRES(ctx, x.dim_size(1) > 0 && x.dim_size(2) > 0,
                InvalidArgument("x must have pixels, its shape is ", x.shape().DebugString()));
    OP_REQUIRES(ctx, k.dims() == 2 && k.NumElements() > 0,
                InvalidArgument("k must be a matrix, its shape is ", k.shape().DebugString()));
    UpFirDnParams p = p_;
    p.dtype = TypeOf(x);
    p.major = x.dim_size(0);
    p.in_h = x.dim_size(1);
    p.in_w = x.dim_size(2);
    p.minor = x.dim_size(3);
    p.out_h = UpFirDnSize(p.in_h, p.upy, p.downy, p.pady0, pady1_, k.dim_size(0));
    p.out_w = UpFirDnSize(p.in_w, p.upx, p.downx, p.padx0, padx1_, k.dim_size(1));
    OP_REQUIRES(ctx, p.out_h >= 1 && p.out_w >= 1,
                InvalidArgument("the filter ", k.shape().DebugString(), " does not fit the padded image x ",
                                x.shape().DebugString()));
    OP_REQUIRES(ctx, std::max(k.dim_size(0), k.dim_size(1)) <= 4096, InvalidArgument("k is too large"));
    p.kernel_h = static_cast<int>(k.dim_size(0));
    p.kernel_w = static_cast<int>(k.dim_size(1));
    Tensor* y = nullptr;
    OP_REQUIRES_OK(ctx, ctx->allocate_output(0, TensorShape({p.major, p.out_h, p.out_w, p.minor}), &y));
    if (y->NumElements() == 0) return;
    p.x = In(x);
    p.k = InFloats(k);
    p.y = Out(y);
#if STYLEGAN2_CUDA
    if (ON_GPU) {
      Check(ctx, upfirdn_cuda(&p, Stream(ctx)));
      return;
    }
#endif
    const index_t taps = index_t(p.kernel_h) * p.kernel_w / (index_t(p.upx) * p.upy) + 1;
    Parallel(ctx, upfirdn_units(&p), y->NumElements() * taps / 4,
             [&p](index_t begin, index_t end) { upfirdn_cpu(&p, begin, end); });
  }

 private:
  UpFirDnParams p_;
  int padx1_, pady1_;
};

STYLEGAN2_KERNELS("UpFirDn2D", UpFirDn2DKernel);

}  // namespace stylegan2

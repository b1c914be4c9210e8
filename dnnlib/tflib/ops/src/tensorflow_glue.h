// What the operations need of TensorFlow besides its own headers, for TensorFlow 1.14 and 2.x: registration, work in
// threads, pointers and the stream of a GPU.
#ifndef STYLEGAN2_TENSORFLOW_GLUE_H_
#define STYLEGAN2_TENSORFLOW_GLUE_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "kernels.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/errors.h"
#include "tensorflow/core/lib/core/threadpool.h"
#include "tensorflow/core/public/version.h"

#if STYLEGAN2_CUDA  // no header of CUDA is needed: the stream is handed on as it is
#if defined(__has_include) && __has_include("xla/stream_executor/stream.h")
#include "xla/stream_executor/stream.h"
#elif defined(__has_include) && __has_include("tensorflow/compiler/xla/stream_executor/stream.h")
#include "tensorflow/compiler/xla/stream_executor/stream.h"
#include "tensorflow/compiler/xla/stream_executor/stream_executor_internal.h"
#else
#include "tensorflow/stream_executor/stream.h"
#include "tensorflow/stream_executor/stream_executor_internal.h"
#endif
#endif

// TF_MAJOR_VERSION is 1 in 1.x; late versions of 2.x do not define it.
#if TF_MAJOR_VERSION == 1
#define STYLEGAN2_TYPES "{float, half}"
#else
#define STYLEGAN2_TYPES "{float, half, bfloat16}"
#endif

namespace stylegan2 {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;
typedef decltype(tensorflow::errors::InvalidArgument("")) Status;
typedef Status (*ShapeFunction)(InferenceContext*);

#if TF_MAJOR_VERSION == 1
typedef tensorflow::register_op::OpDefBuilderWrapper<true> Op;

// Wheels that GCC 4 built (1.14 for Python 3.6) call a std::function with its arguments by value, later compilers make
// it expect references; all else about it is the same, so for those wheels the entry point is replaced.
inline Status CallByValue(const std::_Any_data& function, InferenceContext* c) {
  return (*reinterpret_cast<const ShapeFunction*>(&function))(c);
}

inline tensorflow::OpShapeInferenceFn AsTensorFlowCallsIt(ShapeFunction f) {
  tensorflow::OpShapeInferenceFn result(f);
  if (std::strncmp(tf_compiler_version(), "4.", 2) == 0) {
    Status (*entry)(const std::_Any_data&, InferenceContext*) = &CallByValue;
    std::memcpy(reinterpret_cast<char*>(&result) + sizeof(result) - sizeof(entry), &entry, sizeof(entry));
  }
  return result;
}
#else
typedef tensorflow::register_op::OpDefBuilderWrapper Op;
#endif

// static Register r(Op("Name").Input("x: T")..., function): defines an operation, its shape function included.
struct Register {
  Register(const Op& op, ShapeFunction f) {
#if TF_MAJOR_VERSION == 1
    const_cast<tensorflow::OpDefBuilder&>(op.builder()).SetShapeFn(AsTensorFlowCallsIt(f));
    tensorflow::register_op::OpDefBuilderReceiver receiver(op);
#else
    const_cast<Op&>(op).SetShapeFn(f)();
#endif
  }
};

// The kernels of an operation: Kernel<false> for the CPU and, in a build with CUDA, Kernel<true> for the GPU.
#if STYLEGAN2_CUDA
#define STYLEGAN2_KERNELS(name, Kernel)                                                        \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), ::stylegan2::Kernel<false>); \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_GPU), ::stylegan2::Kernel<true>)
#else
#define STYLEGAN2_KERNELS(name, Kernel) \
  REGISTER_KERNEL_BUILDER(Name(name).Device(tensorflow::DEVICE_CPU), ::stylegan2::Kernel<false>)
#endif

inline int TypeOf(const Tensor& x) {
  return x.dtype() == tensorflow::DT_FLOAT ? FLOAT32 : x.dtype() == tensorflow::DT_HALF ? FLOAT16 : BFLOAT16;
}

// Data of a tensor; null where it has no elements.
inline const void* In(const Tensor& x) { return x.NumElements() == 0 ? nullptr : x.tensor_data().data(); }
inline void* Out(Tensor* y) { return const_cast<void*>(In(*y)); }
inline const float* InFloats(const Tensor& x) { return static_cast<const float*>(In(x)); }
inline float* OutFloats(Tensor* y) { return static_cast<float*>(Out(y)); }

// An optional input is left out by giving a vector without elements.
inline bool IsGiven(const Tensor& x) { return x.dims() != 1 || x.NumElements() != 0; }

inline index_t Product(const TensorShape& shape, int begin, int end) {
  index_t product = 1;
  for (int i = begin; i < end; i++) product *= shape.dim_size(i);
  return product;
}

// Runs f(begin, end) over all of [0, units), cut into pieces, in the threads of TensorFlow's pool and in this one.
// `cost` is about the number of elements read and written in all: little work stays in one thread.
//
// The pieces lie in a queue, and the caller waits for pieces that were taken, not for threads to start: it cannot hang
// even if all threads of the pool are callers. Only functions without arguments are given to the pool (see above).
template <class F>
void Parallel(OpKernelContext* ctx, index_t units, index_t cost, const F& f) {
  const index_t cost_per_thread = 1 << 15;  // 10 to 30 microseconds of work; waking a thread takes about 5
  if (units <= 0) return;
  const tensorflow::DeviceBase::CpuWorkerThreads* pool = ctx->device()->tensorflow_cpu_worker_threads();
  const index_t threads = std::min({units, index_t(pool->num_threads), 1 + cost / cost_per_thread});
  if (threads <= 1) {
    f(0, units);
    return;
  }
  struct Queue {
    index_t units, piece;
    const F* f;  // valid until the last piece is done; nobody takes a piece later
    std::atomic<index_t> next;
    std::mutex mutex;
    std::condition_variable changed;
    index_t done;
    void Work() {
      for (;;) {
        const index_t begin = next.fetch_add(piece);
        if (begin >= units) return;
        const index_t end = std::min(begin + piece, units);
        (*f)(begin, end);
        std::lock_guard<std::mutex> lock(mutex);
        done += end - begin;
        if (done == units) changed.notify_all();
      }
    }
  };
  std::shared_ptr<Queue> queue = std::make_shared<Queue>();
  queue->units = units;
  queue->piece = std::max<index_t>(1, units / (threads * 8));
  queue->f = &f;
  queue->next = 0;
  queue->done = 0;
  for (index_t i = 1; i < threads; i++) pool->workers->Schedule([queue]() { queue->Work(); });
  queue->Work();
  std::unique_lock<std::mutex> lock(queue->mutex);
  queue->changed.wait(lock, [&queue]() { return queue->done == queue->units; });
}

#if STYLEGAN2_CUDA
template <class S>
auto StreamOf(S* stream, int) -> decltype(stream->platform_specific_handle().stream) {
  return stream->platform_specific_handle().stream;
}
template <class S>
void* StreamOf(S* stream, long) {  // before TensorFlow 2.14
  return *stream->implementation()->GpuStreamMemberHack();
}
// The cudaStream_t on which TensorFlow runs this kernel.
inline void* Stream(OpKernelContext* ctx) { return StreamOf(ctx->op_device_context()->stream(), 0); }

// Reports what a *_cuda function returned.
inline void Check(OpKernelContext* ctx, int cuda_error) {
  OP_REQUIRES(ctx, cuda_error == 0, tensorflow::errors::Internal("a CUDA kernel did not start: error ", cuda_error));
}
#endif

}  // namespace stylegan2
#endif  // STYLEGAN2_TENSORFLOW_GLUE_H_

// WorkerSum: sum of a tensor over worker processes of one machine, through memory that all of them share.
//
// Each sum of the graph has a region of the memory: a page with a counter for each worker, then two buffers for each
// worker, used in turn. A tensor goes through them piece by piece: a worker writes its piece, counts it, waits until all
// have counted it, and adds up all of them in worker order, so the result has the same bits in all workers. Whoever
// counts piece k + 2 knows that all have read piece k, since each of them has counted piece k + 1 after that: two buffers
// are enough. Nobody spins: a thread of each process sleeps on a word that changes with every count (a futex).
#include "tensorflow_glue.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <thread>
#include <vector>

namespace stylegan2 {

const index_t kPage = 4096, kCounter = 64;  // bytes; a counter has a cache line of its own
const int kMostWorkers = kPage / kCounter;
const long kLookAgainNanoseconds = 20 * 1000 * 1000;  // for steps that TensorFlow has given up

static Register worker_sum(
    Op("WorkerSum")
        .Input("x: float")
        .Output("y: float")
        .Attr("fd: int >= 0")     // of the shared memory; its first word is the futex
        .Attr("page: int >= 1")   // at which this sum's region begins
        .Attr("pages: int >= 1")  // of a buffer
        .Attr("worker: int >= 0")
        .Attr("workers: int >= 1")
        .SetIsStateful(),         // two sums of the same tensor are two sums
    [](InferenceContext* c) {
      c->set_output(0, c->input(0));
      return Status();
    });

// A part of this process's address space that shows shared memory.
class Mapping {
 public:
  Mapping(int fd, index_t offset, index_t size) : size_(size) {
    start_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  }
  ~Mapping() {
    if (ok()) munmap(start_, size_);
  }
  bool ok() const { return start_ != MAP_FAILED; }
  char* at(index_t offset) const { return static_cast<char*>(start_) + offset; }

 private:
  void* start_;
  index_t size_;
};

// A sum under way in this process.
class Pending {
 public:
  virtual ~Pending() {}
  virtual bool Advance() = 0;  // goes as far as the others allow; true once it is over
};

// The thread of this process in which sums wait for other workers; it sleeps while there are none.
class Waiting {
 public:
  static Waiting* Thread() {
    static Waiting* const waiting = new Waiting;  // never deleted: the thread runs as long as the process
    return waiting;
  }

  // `word`: of the one memory that this process shares; it stays mapped.
  void Add(std::unique_ptr<Pending> pending, std::atomic<int>* word) {
    std::lock_guard<std::mutex> lock(mutex_);
    word_ = word;
    added_.push_back(std::move(pending));
    changed_.notify_one();
    Wake(word);
  }

  // Tells all processes that something was counted.
  static void Wake(std::atomic<int>* word) {
    word->fetch_add(1);
    syscall(SYS_futex, reinterpret_cast<int*>(word), FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  }

 private:
  Waiting() { std::thread([this]() { Work(); }).detach(); }

  void Work() {
    std::vector<std::unique_ptr<Pending>> here;
    for (;;) {
      std::atomic<int>* word;
      int seen;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        if (here.empty()) changed_.wait(lock, [this]() { return !added_.empty(); });
        word = word_;
        seen = word->load();  // before looking: what is counted from now on changes it
        for (std::unique_ptr<Pending>& pending : added_) here.push_back(std::move(pending));
        added_.clear();
      }
      for (size_t i = 0; i < here.size();) {
        if (here[i]->Advance()) {
          here.erase(here.begin() + i);
        } else {
          i++;
        }
      }
      const timespec patience = {0, kLookAgainNanoseconds};
      if (!here.empty()) {
        syscall(SYS_futex, reinterpret_cast<int*>(word), FUTEX_WAIT, seen, &patience, nullptr, 0);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Pending>> added_;
  std::atomic<int>* word_ = nullptr;
};

class WorkerSumKernel : public tensorflow::AsyncOpKernel {
 public:
  explicit WorkerSumKernel(OpKernelConstruction* ctx) : AsyncOpKernel(ctx) {
    int fd, page, pages;
    OP_REQUIRES_OK(ctx, ctx->GetAttr("fd", &fd));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("page", &page));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("pages", &pages));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("worker", &worker_));
    OP_REQUIRES_OK(ctx, ctx->GetAttr("workers", &workers_));
    OP_REQUIRES(ctx, worker_ < workers_ && workers_ <= kMostWorkers,
                InvalidArgument("worker ", worker_, " of ", workers_, ", at most ", kMostWorkers));
    piece_ = pages * kPage;
    region_.reset(new Mapping(fd, page * kPage, kPage + 2 * workers_ * piece_));
    Mapping* const first_page = new Mapping(fd, 0, kPage);  // stays: the thread may look at it after this kernel's end
    OP_REQUIRES(ctx, first_page->ok() && region_->ok(), InvalidArgument("file ", fd, " can't be mapped"));
    word_ = reinterpret_cast<std::atomic<int>*>(first_page->at(0));
  }

  void ComputeAsync(OpKernelContext* ctx, DoneCallback done) override {
    Tensor* y = nullptr;
    OP_REQUIRES_OK_ASYNC(ctx, ctx->allocate_output(0, ctx->input(0).shape(), &y), done);
    std::unique_ptr<Sum> sum(new Sum(this, ctx, y, std::move(done)));
    if (!sum->Advance()) Waiting::Thread()->Add(std::move(sum), word_);
  }

 private:
  std::atomic<uint64_t>* Counted(int worker) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(region_->at(worker * kCounter));
  }

  float* Buffer(int worker, uint64_t number) const {
    return reinterpret_cast<float*>(region_->at(kPage + (2 * worker + index_t(number % 2)) * piece_));
  }

  class Sum : public Pending {
   public:
    Sum(const WorkerSumKernel* kernel, OpKernelContext* ctx, Tensor* y, DoneCallback done)
        : kernel_(kernel), ctx_(ctx), done_(std::move(done)), x_(InFloats(ctx->input(0))), y_(OutFloats(y)),
          size_(y->NumElements()), begin_(0), number_(kernel->Counted(kernel->worker_)->load()) {
      if (size_ > 0) Write();
    }

    bool Advance() override {
      while (begin_ < size_) {
        for (int worker = 0; worker < kernel_->workers_; worker++) {
          if (kernel_->Counted(worker)->load(std::memory_order_acquire) <= number_) return GivenUp();
        }
        Add();
        begin_ += Length();
        number_++;
        if (begin_ < size_) Write();
      }
      done_();  // may delete the kernel
      return true;
    }

   private:
    index_t Length() const { return std::min(size_ - begin_, kernel_->piece_ / index_t(sizeof(float))); }

    void Write() {
      std::memcpy(kernel_->Buffer(kernel_->worker_, number_), x_ + begin_, Length() * sizeof(float));
      kernel_->Counted(kernel_->worker_)->store(number_ + 1, std::memory_order_release);
      Waiting::Wake(kernel_->word_);
    }

    void Add() {
      const index_t length = Length();
      float* const y = y_ + begin_;
      std::memcpy(y, kernel_->Buffer(0, number_), length * sizeof(float));
      for (int worker = 1; worker < kernel_->workers_; worker++) {
        const float* const part = kernel_->Buffer(worker, number_);
        for (index_t i = 0; i < length; i++) y[i] += part[i];
      }
    }

    bool GivenUp() {
      tensorflow::CancellationManager* const manager = ctx_->cancellation_manager();
      if (manager == nullptr || !manager->IsCancelled()) return false;
      ctx_->SetStatus(tensorflow::errors::Aborted("a sum over the workers was given up"));
      done_();
      return true;
    }

    const WorkerSumKernel* const kernel_;
    OpKernelContext* const ctx_;
    const DoneCallback done_;
    const float* const x_;
    float* const y_;
    const index_t size_;
    index_t begin_;
    uint64_t number_;  // of the piece, counted from the first one of the training
  };

  int worker_, workers_;
  index_t piece_;  // bytes of a buffer
  std::unique_ptr<Mapping> region_;
  std::atomic<int>* word_;
};

REGISTER_KERNEL_BUILDER(Name("WorkerSum").Device(tensorflow::DEVICE_CPU), WorkerSumKernel);

}  // namespace stylegan2
#endif  // __linux__

// WorkerSum: sum of a tensor over worker processes of one machine, through memory that all of them share.
//
// Each sum of the training's graph has a region of the memory: a page with a counter for each worker, then two buffers
// for each worker, used in turn. (Sums of other graphs, which are run one after another, have the same few.) A tensor
// goes through them piece by piece. A worker writes its piece and counts; when all have, it adds up its slice of all
// pieces, in worker order, writes that over the slice of its own piece, and counts again; when all have, it copies all
// slices. So all workers have the same bits, and the work of one hardly grows with their number. Whoever writes piece
// k + 2 has seen all count slices of piece k + 1, thus its writing before, which each did after copying piece k: two
// buffers are enough. Nobody spins: a thread of each process sleeps on a word that changes with every count (a futex). A
// sum that is given up in one worker leaves the counters of the others waiting, so the memory is marked as broken, and
// this sum and all later ones fail in all workers; so they do if the workers come to sums of other sizes or types.
#include "tensorflow_glue.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <utility>
#include <vector>

namespace stylegan2 {

const index_t kPage = 65536, kCounter = 64;  // bytes; pages of all systems divide it, a counter has its own cache line
const int kMostWorkers = kPage / kCounter;
const int kGivenUp = 1, kDifferent = 2;  // marks of a broken memory
const long kLookAgainNanoseconds = 20 * 1000 * 1000;  // for steps that TensorFlow has given up

static Register worker_sum(
    Op("WorkerSum")
        .Input("x: T")
        .Output("y: T")
        .Attr("T: {float, double, int32, int64}")
        .Attr("fd: int >= 0")     // of the shared memory; its first page holds the futex and the mark
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

// The first page of a memory; null if it can't be mapped. It stays: the thread may look at it after a kernel's end.
inline const Mapping* FirstPage(int fd) {
  static std::mutex* const mutex = new std::mutex;
  static std::map<std::pair<uint64_t, uint64_t>, std::unique_ptr<Mapping>>* const pages =
      new std::map<std::pair<uint64_t, uint64_t>, std::unique_ptr<Mapping>>;
  struct stat file;
  if (fstat(fd, &file) != 0) return nullptr;
  std::lock_guard<std::mutex> lock(*mutex);
  std::unique_ptr<Mapping>& page = (*pages)[std::make_pair(uint64_t(file.st_dev), uint64_t(file.st_ino))];
  if (page == nullptr || !page->ok()) page.reset(new Mapping(fd, 0, kPage));
  return page->ok() ? page.get() : nullptr;
}

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

template <class T>
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
    const Mapping* const first_page = FirstPage(fd);
    OP_REQUIRES(ctx, first_page != nullptr && region_->ok(), InvalidArgument("file ", fd, " can't be mapped"));
    word_ = reinterpret_cast<std::atomic<int>*>(first_page->at(0));
    broken_ = reinterpret_cast<std::atomic<int>*>(first_page->at(kCounter));
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

  // What a worker sums: number and type of the elements, behind its counter.
  uint64_t* Kind(int worker) const {
    return reinterpret_cast<uint64_t*>(region_->at(worker * kCounter + sizeof(uint64_t)));
  }

  T* Buffer(int worker, uint64_t number) const {
    return reinterpret_cast<T*>(region_->at(kPage + (2 * worker + index_t(number % 2)) * piece_));
  }

  class Sum : public Pending {
   public:
    Sum(const WorkerSumKernel* kernel, OpKernelContext* ctx, Tensor* y, DoneCallback done)
        : kernel_(kernel), ctx_(ctx), done_(std::move(done)), x_(static_cast<const T*>(In(ctx->input(0)))),
          y_(static_cast<T*>(Out(y))), size_(y->NumElements()), begin_(0),
          count_(kernel->Counted(kernel->worker_)->load()) {
      *kernel->Kind(kernel->worker_) = Kind();  // all have seen that of the sum before, or they would not have counted
      if (size_ > 0) Write();
    }

    bool Advance() override {
      while (begin_ < size_) {
        if (IsGivenUp()) return true;
        for (int worker = 0; worker < kernel_->workers_; worker++) {
          if (kernel_->Counted(worker)->load(std::memory_order_acquire) < count_) return false;
        }
        if (count_ % 2 == 1) {
          if (begin_ == 0 && !IsSameSum()) {
            Break(kDifferent);
            continue;
          }
          AddSlice();
          continue;
        }
        CopySlices();
        begin_ += Length();
        if (begin_ < size_) Write();
      }
      done_();  // may delete the kernel
      return true;
    }

   private:
    index_t Length() const { return std::min(size_ - begin_, kernel_->piece_ / index_t(sizeof(T))); }
    index_t Slice(int worker) const { return Length() * worker / kernel_->workers_; }  // where it begins
    T* Buffer(int worker) const { return kernel_->Buffer(worker, (count_ - 1) / 2); }

    uint64_t Kind() const { return uint64_t(size_) * 64 + ctx_->input(0).dtype(); }

    bool IsSameSum() const {
      for (int worker = 0; worker < kernel_->workers_; worker++) {
        if (*kernel_->Kind(worker) != Kind()) return false;
      }
      return true;
    }

    void Break(int why) {
      int whole = 0;  // the first reason counts: it has others in its train
      kernel_->broken_->compare_exchange_strong(whole, why);
      Waiting::Wake(kernel_->word_);
    }

    void Count() {
      kernel_->Counted(kernel_->worker_)->store(count_, std::memory_order_release);
      Waiting::Wake(kernel_->word_);
    }

    void Write() {
      count_++;
      std::memcpy(Buffer(kernel_->worker_), x_ + begin_, Length() * sizeof(T));
      Count();
    }

    void AddSlice() {
      const index_t begin = Slice(kernel_->worker_), end = Slice(kernel_->worker_ + 1);
      T* const y = y_ + begin_;
      std::memcpy(y + begin, Buffer(0) + begin, (end - begin) * sizeof(T));
      for (int worker = 1; worker < kernel_->workers_; worker++) {
        const T* const part = Buffer(worker);
        for (index_t i = begin; i < end; i++) y[i] += part[i];
      }
      std::memcpy(Buffer(kernel_->worker_) + begin, y + begin, (end - begin) * sizeof(T));
      count_++;
      Count();
    }

    void CopySlices() {
      for (int worker = 0; worker < kernel_->workers_; worker++) {
        if (worker == kernel_->worker_) continue;  // already there
        const index_t begin = Slice(worker), end = Slice(worker + 1);
        std::memcpy(y_ + begin_ + begin, Buffer(worker) + begin, (end - begin) * sizeof(T));
      }
    }

    bool IsGivenUp() {
      tensorflow::CancellationManager* const manager = ctx_->cancellation_manager();
      if (manager != nullptr && manager->IsCancelled()) Break(kGivenUp);
      const int why = kernel_->broken_->load();
      if (why == 0) return false;
      ctx_->SetStatus(tensorflow::errors::Aborted(why == kGivenUp ? "a sum over the workers was given up"
                                                                  : "the workers came to different sums"));
      done_();
      return true;
    }

    const WorkerSumKernel* const kernel_;
    OpKernelContext* const ctx_;
    const DoneCallback done_;
    const T* const x_;
    T* const y_;
    const index_t size_;
    index_t begin_;
    uint64_t count_;  // of this worker: two for each piece, since the training began
  };

  int worker_, workers_;
  index_t piece_;  // bytes of a buffer
  std::unique_ptr<Mapping> region_;
  std::atomic<int>*word_, *broken_;
};

#define STYLEGAN2_WORKER_SUM(T, type)                                                                      \
  REGISTER_KERNEL_BUILDER(                                                                                 \
      Name("WorkerSum").Device(tensorflow::DEVICE_CPU).TypeConstraint("T", tensorflow::type), WorkerSumKernel<T>)
STYLEGAN2_WORKER_SUM(float, DT_FLOAT);
STYLEGAN2_WORKER_SUM(double, DT_DOUBLE);
STYLEGAN2_WORKER_SUM(int32_t, DT_INT32);
STYLEGAN2_WORKER_SUM(int64_t, DT_INT64);

}  // namespace stylegan2
#endif  // __linux__

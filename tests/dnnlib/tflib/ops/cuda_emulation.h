// Runs CUDA kernels on the CPU, for tests: blocks one after another, the threads of a block as fibers of one thread.
//
// A fiber runs until it waits at a barrier or ends, then the next one runs; forwards, backwards or shuffled (blocks,
// too), so that a missing barrier shows in at least one of the orders. Shared memory is new and full of NaNs in every
// block and belongs to the heap, so that AddressSanitizer knows its bounds. Threads that wait at different barriers, or
// wait for one that has ended, fail the launch, as do grids and blocks that no GPU takes.
// With CUDA_EMULATION_THREADS threads are real ones: slow, but ThreadSanitizer then finds every missing barrier.
// The kernels may use what is defined here, all shuffles with whole warps; see cuda_kernels.h.
#ifndef CUDA_EMULATION_H_
#define CUDA_EMULATION_H_

#include <math.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#ifdef CUDA_EMULATION_THREADS
#include <condition_variable>
#include <mutex>
#include <thread>
#else
#include <sys/mman.h>
#if !defined(__x86_64__) || defined(CUDA_EMULATION_UCONTEXT)
#define CUDA_EMULATION_USES_UCONTEXT
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)

typedef int cudaError_t;
enum { cudaSuccess = 0, cudaErrorInvalidValue = 1, cudaErrorInvalidConfiguration = 9, cudaErrorLaunchFailure = 719 };

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}  // NOLINT: converts, as CUDA's does
};

// Hidden: several libraries with kernels may be loaded at once, each with a machine of its own.
#pragma GCC visibility push(hidden)
namespace cuda_emulation {

enum { MAX_THREADS = 1024, WARP = 32, SHARED_BYTES = 48 << 10, STACK_BYTES = 128 << 10 };
enum Order { FORWARD = 0, BACKWARD = 1, SHUFFLED = 2 };
enum State { READY, AT_BLOCK_BARRIER, AT_WARP_BARRIER, DONE };

struct Thread {
  dim3 index;
  int number, site;
  State state;
  float exchanged;  // in shuffles
#ifndef CUDA_EMULATION_THREADS
  char* stack;
#ifdef CUDA_EMULATION_USES_UCONTEXT
  ucontext_t context;
#else
  void* context;
#endif
#endif
};

#ifdef CUDA_EMULATION_THREADS
// A barrier that threads may leave for ever; then those that wait for them are told so instead of waiting.
class Barrier {
 public:
  void reset(int threads) { expected_ = threads, arrived_ = 0, left_ = 0, failed_ = false; }

  void wait(int site) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (arrived_ == 0) site_ = site;
    if (site != site_ || left_ > 0) failed_ = true;
    if (++arrived_ == expected_) return release();
    const unsigned generation = generation_;
    released_.wait(lock, [&] { return generation != generation_; });
  }

  void leave() {
    std::lock_guard<std::mutex> lock(mutex_);
    --expected_, ++left_;
    if (arrived_ > 0) failed_ = true;
    if (arrived_ > 0 && arrived_ == expected_) release();
  }

  bool failed() const { return failed_; }

 private:
  void release() { arrived_ = 0, ++generation_, released_.notify_all(); }

  std::mutex mutex_;
  std::condition_variable released_;
  int expected_ = 0, arrived_ = 0, left_ = 0, site_ = 0;
  unsigned generation_ = 0;
  bool failed_ = false;
};
#endif

struct Machine {
  dim3 grid, block, block_index;
  std::vector<Thread> threads;
  const std::function<void()>* body = nullptr;
  char* shared = nullptr;
  std::size_t shared_bytes = 0;
  cudaError_t error = cudaSuccess;
  int order = FORWARD;
  std::uint64_t random = 1;
  std::uint64_t first_block = 0, last_block = ~std::uint64_t(0);  // those of others are not run
  std::uint64_t blocks = 0, blocks_run = 0;  // of the last launch; of all launches
#ifdef CUDA_EMULATION_THREADS
  Barrier block_barrier, warp_barriers[MAX_THREADS / WARP];
  std::mutex mutex;
#else
  Thread* running = nullptr;
#ifdef CUDA_EMULATION_USES_UCONTEXT
  ucontext_t scheduler;
#else
  void* scheduler = nullptr;
#endif
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_stack_bytes = 0;
#endif
};

inline Machine& machine() {
  static Machine instance;
  return instance;
}

inline std::uint64_t random_below(std::uint64_t limit) {  // xorshift64*
  std::uint64_t& x = machine().random;
  x ^= x >> 12, x ^= x << 25, x ^= x >> 27;
  return (x * 2685821657736338717ull >> 16) % limit;
}

inline std::vector<std::uint64_t> ordered(std::uint64_t count) {
  std::vector<std::uint64_t> out(count);
  for (std::uint64_t i = 0; i < count; ++i) out[i] = machine().order == BACKWARD ? count - 1 - i : i;
  if (machine().order == SHUFFLED) {
    for (std::uint64_t i = count; i > 1; --i) std::swap(out[i - 1], out[random_below(i)]);
  }
  return out;
}

inline bool fail(const char* why) {
  const dim3& at = machine().block_index;
  std::fprintf(stderr, "cuda_emulation: %s in block %u,%u,%u\n", why, at.x, at.y, at.z);
  machine().error = cudaErrorLaunchFailure;
  return false;
}

#ifdef CUDA_EMULATION_THREADS

inline Thread*& running() {
  static thread_local Thread* thread = nullptr;
  return thread;
}

inline void wait(State state, int site) {
  Machine& m = machine();
  (state == AT_BLOCK_BARRIER ? m.block_barrier : m.warp_barriers[running()->number / WARP]).wait(site);
}

inline bool run_block() {
  Machine& m = machine();
  const int count = static_cast<int>(m.threads.size());
  m.block_barrier.reset(count);
  for (int i = 0; i < count; i += WARP) m.warp_barriers[i / WARP].reset(count - i < WARP ? count - i : WARP);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&m, i] {
      running() = &m.threads[i];
      (*m.body)();
      m.block_barrier.leave();
      m.warp_barriers[i / WARP].leave();
    });
  }
  for (auto& thread : threads) thread.join();
  bool failed = m.block_barrier.failed();
  for (int i = 0; i < count; i += WARP) failed = failed || m.warp_barriers[i / WARP].failed();
  return !failed || fail("divergent barrier");
}

#else

inline Thread*& running() { return machine().running; }

#ifndef CUDA_EMULATION_USES_UCONTEXT
// Saves the registers that functions must keep, and exchanges stacks. A local symbol: every source that includes this
// header has its own.
extern "C" __attribute__((visibility("hidden"))) void cuda_emulation_switch(void** from, void* to);
__asm__(
    ".text\n"
    ".type cuda_emulation_switch,@function\n"
    "cuda_emulation_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size cuda_emulation_switch,.-cuda_emulation_switch\n");
#endif

inline void to_fiber(Thread* thread) {
  Machine& m = machine();
  m.running = thread;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, thread->stack, STACK_BYTES);
#endif
#ifdef CUDA_EMULATION_USES_UCONTEXT
  swapcontext(&m.scheduler, &thread->context);
#else
  cuda_emulation_switch(&m.scheduler, thread->context);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

inline void to_scheduler() {
  Machine& m = machine();
  Thread* self = m.running;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(self->state == DONE ? nullptr : &fake, m.scheduler_stack, m.scheduler_stack_bytes);
#endif
#ifdef CUDA_EMULATION_USES_UCONTEXT
  swapcontext(&self->context, &m.scheduler);
#else
  cuda_emulation_switch(&self->context, m.scheduler);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, &m.scheduler_stack, &m.scheduler_stack_bytes);
#endif
}

inline void wait(State state, int site) {
  running()->state = state;
  running()->site = site;
  to_scheduler();
}

inline void fiber_main() {
  Machine& m = machine();
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &m.scheduler_stack, &m.scheduler_stack_bytes);
#endif
  (*m.body)();
  m.running->state = DONE;
  to_scheduler();
  std::abort();  // nobody switches to a fiber that is done
}

inline void make_fiber(Thread* thread) {
  if (thread->stack == nullptr) {
    void* memory = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    thread->stack = static_cast<char*>(memory);
  }
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION(thread->stack, STACK_BYTES);
#endif
#ifdef CUDA_EMULATION_USES_UCONTEXT
  getcontext(&thread->context);
  thread->context.uc_stack.ss_sp = thread->stack;
  thread->context.uc_stack.ss_size = STACK_BYTES;
  thread->context.uc_link = nullptr;
  makecontext(&thread->context, fiber_main, 0);
#else
  void** top = reinterpret_cast<void**>(thread->stack + STACK_BYTES - 64);  // 16-byte aligned as before a call
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(fiber_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  thread->context = top;
#endif
}

// Lets threads [first, end) go on if all of them wait at the same barrier.
inline bool release(int first, int end, State state) {
  std::vector<Thread>& threads = machine().threads;
  for (int i = first; i < end; ++i) {
    if (threads[i].state != state || threads[i].site != threads[first].site) return false;
  }
  for (int i = first; i < end; ++i) threads[i].state = READY;
  return true;
}

inline bool run_block() {
  Machine& m = machine();
  const int count = static_cast<int>(m.threads.size());
  for (Thread& thread : m.threads) make_fiber(&thread);
  const std::vector<std::uint64_t> order = ordered(count);
  for (;;) {
    for (std::uint64_t i : order) {
      if (m.threads[i].state == READY) to_fiber(&m.threads[i]);
    }
    int done = 0;
    for (const Thread& thread : m.threads) done += thread.state == DONE;
    if (done == count) return true;
    bool released = false;
    for (int i = 0; i < count; i += WARP) {
      released = release(i, i + WARP < count ? i + WARP : count, AT_WARP_BARRIER) || released;
    }
    if (!released && !release(0, count, AT_BLOCK_BARRIER)) return fail("divergent barrier");
  }
}

#endif

inline void run(dim3 grid, dim3 block, const std::function<void()>& body) {
  Machine& m = machine();
  const std::uint64_t count = std::uint64_t(block.x) * block.y * block.z;
  const std::uint64_t blocks = std::uint64_t(grid.x) * grid.y * grid.z;
  if (count == 0 || count > MAX_THREADS || block.z > 64 || blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535) {
    m.error = cudaErrorInvalidConfiguration;
    return;
  }
  m.blocks = blocks;
  m.grid = grid;
  m.block = block;
  m.body = &body;
  if (m.threads.size() < count) m.threads.resize(count, Thread());
  std::vector<Thread> spare(m.threads.begin() + count, m.threads.end());  // their stacks are kept
  m.threads.resize(count, Thread());
  const std::uint64_t last = m.last_block < blocks ? m.last_block + 1 : blocks;
  const std::uint64_t chosen = m.first_block < last ? last - m.first_block : 0;
  for (std::uint64_t i : ordered(chosen)) {
    const std::uint64_t number = m.first_block + i;
    m.block_index = dim3(number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y);
    for (std::uint64_t t = 0; t < count; ++t) {
      m.threads[t].index = dim3(t % block.x, t / block.x % block.y, t / block.x / block.y);
      m.threads[t].number = static_cast<int>(t);
      m.threads[t].state = READY;
    }
    const bool good = run_block();
    std::free(m.shared);
    m.shared = nullptr;
    ++m.blocks_run;
    if (!good) break;
  }
  m.threads.insert(m.threads.end(), spare.begin(), spare.end());
}

template <typename T> T& shared() {
  static_assert(sizeof(T) <= SHARED_BYTES, "more shared memory than every GPU has for a block");
  Machine& m = machine();
#ifdef CUDA_EMULATION_THREADS
  std::lock_guard<std::mutex> lock(m.mutex);
#endif
  if (m.shared == nullptr) {
    m.shared = static_cast<char*>(std::malloc(sizeof(T)));
    m.shared_bytes = sizeof(T);
    std::memset(m.shared, 0xff, sizeof(T));
  }
  if (m.shared_bytes != sizeof(T)) std::abort();  // one shared object per kernel
  return *reinterpret_cast<T*>(m.shared);
}

inline float shuffle_xor(unsigned mask, float value, int bits, int site) {
  if (mask != 0xffffffffu || machine().threads.size() % WARP != 0) std::abort();
  Thread* self = running();
  self->exchanged = value;
  wait(AT_WARP_BARRIER, 2 * site);
  const float other = machine().threads[self->number ^ bits].exchanged;
  wait(AT_WARP_BARRIER, 2 * site + 1);
  return other;
}

}  // namespace cuda_emulation
#pragma GCC visibility pop

#define threadIdx (cuda_emulation::running()->index)
#define blockIdx (cuda_emulation::machine().block_index)
#define blockDim (cuda_emulation::machine().block)
#define gridDim (cuda_emulation::machine().grid)
#define __syncthreads() cuda_emulation::wait(cuda_emulation::AT_BLOCK_BARRIER, __LINE__)
#define __shfl_xor_sync(MASK, VALUE, BITS) cuda_emulation::shuffle_xor(MASK, VALUE, BITS, __LINE__)
#define SHARED(TYPE, NAME) TYPE& NAME = cuda_emulation::shared<TYPE>()
#define LAUNCH(KERNEL, GRID, BLOCK, STREAM, ARGUMENT) \
  (static_cast<void>(STREAM), cuda_emulation::run(GRID, BLOCK, [&] { KERNEL(ARGUMENT); }))

inline cudaError_t cudaGetLastError() {
  const cudaError_t error = cuda_emulation::machine().error;
  cuda_emulation::machine().error = cudaSuccess;
  return error;
}

inline std::uint64_t __umul64hi(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t low = 0xffffffffu, a0 = a & low, a1 = a >> 32, b0 = b & low, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (middle & low);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

struct __nv_bfloat16 {
  std::uint16_t bits;
};

struct __half {
  std::uint16_t bits;
};

inline std::uint32_t bits_of(float v) {
  std::uint32_t bits;
  std::memcpy(&bits, &v, sizeof(bits));
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof(v));
  return v;
}

inline float __bfloat162float(__nv_bfloat16 v) { return float_of(std::uint32_t(v.bits) << 16); }

inline __nv_bfloat16 __float2bfloat16_rn(float v) {
  const std::uint32_t bits = bits_of(v);
  if (v != v) return __nv_bfloat16{0x7fff};
  return __nv_bfloat16{static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline float __half2float(__half v) {
  const std::uint32_t sign = std::uint32_t(v.bits & 0x8000) << 16, rest = v.bits & 0x7fff;
  if (rest >= 0x7c00) return float_of(sign | 0x7f800000 | rest << 13);
  return float_of(sign | bits_of(float_of(rest << 13) * 5.192296858534828e33f));  // 2^112: also right for subnormals
}

inline __half __float2half_rn(float v) {
  const std::uint32_t sign = bits_of(v) >> 16 & 0x8000;
  const float size = fabsf(v);
  if (v != v) return __half{0x7fff};
  if (size >= 65520.0f) return __half{static_cast<std::uint16_t>(sign | 0x7c00)};
  if (size < 6.103515625e-5f) {  // subnormal: adding 1/2 leaves multiples of 2^-24, correctly rounded
    return __half{static_cast<std::uint16_t>(sign | (bits_of(size + 0.5f) - bits_of(0.5f)))};
  }
  const std::uint32_t bits = bits_of(size) - (112u << 23);
  return __half{static_cast<std::uint16_t>(sign | (bits + 0xfff + (bits >> 13 & 1)) >> 13)};
}

// What the tests set and ask. Weak: in every source, once in the library.
extern "C" {
__attribute__((weak)) void cuda_emulation_order(int order, std::uint64_t seed) {
  cuda_emulation::machine().order = order;
  cuda_emulation::machine().random = 2 * seed + 1;
}

// Of each launch from now on, runs the blocks numbered from `first` to `last`.
__attribute__((weak)) void cuda_emulation_blocks(std::uint64_t first, std::uint64_t last) {
  cuda_emulation::machine().first_block = first;
  cuda_emulation::machine().last_block = last;
}

// Blocks of the last launch, run or not.
__attribute__((weak)) std::uint64_t cuda_emulation_grid() { return cuda_emulation::machine().blocks; }

__attribute__((weak)) std::uint64_t cuda_emulation_blocks_run() { return cuda_emulation::machine().blocks_run; }
}

#endif  // CUDA_EMULATION_H_

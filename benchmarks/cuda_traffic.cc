// Watches the memory accesses of CUDA kernels that are emulated on the CPU; see cuda_traffic.py.
//
// The kernels are compiled with -fsanitize=thread, which calls __tsan_* for every access; the functions here take the
// place of the sanitizer's. The k-th access of one place in the code by the 32 threads of a warp is one request, as on
// a GPU whose warp has not diverged.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "cuda_emulation.h"

namespace {

enum { SECTOR = 32, BANKS = 32, BANK_BYTES = 4 };

struct Access {
  std::uintptr_t address;
  unsigned size;
};

struct Request {
  std::vector<Access> lanes;
};

typedef std::pair<const void*, unsigned> Place;  // of the code, and the how manieth access of the thread there

struct Watched {
  std::uintptr_t begin, end;
};

// 0: bytes asked for in global memory; 1: bytes of the sectors of each request; 2: bytes of the sectors that each block
// touches, each once; 3: requests to shared memory; 4: passes over the banks that they take; 5: those that they need
double totals[6];
std::vector<Watched> watched;
bool is_on = false;
std::uint64_t block = ~std::uint64_t(0);
std::map<std::pair<int, Place>, Request> global_requests, shared_requests;  // by warp
std::map<std::pair<int, const void*>, unsigned> counts;                     // by thread
std::set<std::uintptr_t> sectors;

// Passes that a request to shared memory takes: most different words of one bank, among the threads served together.
// Accesses of 8 and 16 bytes are served by half and by quarter warps.
void add_shared(const Request& request, unsigned size) {
  const std::size_t together = size <= 4 ? 32 : size <= 8 ? 16 : 8;
  for (std::size_t first = 0; first < request.lanes.size(); first += together) {
    std::map<unsigned, std::set<std::uintptr_t>> words;
    std::size_t most = 0;
    for (std::size_t i = first; i < std::min(first + together, request.lanes.size()); ++i) {
      for (unsigned at = 0; at < request.lanes[i].size; at += BANK_BYTES) {
        const std::uintptr_t word = (request.lanes[i].address + at) / BANK_BYTES;
        words[word % BANKS].insert(word);
      }
    }
    for (const auto& bank : words) most = std::max(most, bank.second.size());
    totals[4] += most;
    totals[5] += 1;
  }
  totals[3] += 1;
}

void flush() {
  for (const auto& request : global_requests) {
    std::set<std::uintptr_t> touched;
    for (const Access& lane : request.second.lanes) {
      for (std::uintptr_t s = lane.address / SECTOR; s <= (lane.address + lane.size - 1) / SECTOR; ++s) touched.insert(s);
    }
    totals[1] += static_cast<double>(touched.size()) * SECTOR;
  }
  for (const auto& request : shared_requests) add_shared(request.second, request.second.lanes[0].size);
  totals[2] += static_cast<double>(sectors.size()) * SECTOR;
  global_requests.clear(), shared_requests.clear(), counts.clear(), sectors.clear();
}

void access(const void* p, unsigned size, const void* site) {
  if (!is_on) return;
  cuda_emulation::Machine& m = cuda_emulation::machine();
  if (m.running == nullptr) return;
  const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t shared = reinterpret_cast<std::uintptr_t>(m.shared);
  const bool is_shared = m.shared != nullptr && address >= shared && address < shared + m.shared_bytes;
  bool is_global = false;
  for (const Watched& w : watched) is_global = is_global || (address >= w.begin && address < w.end);
  if (!is_shared && !is_global) return;
  if (block != m.blocks_run) {
    flush();
    block = m.blocks_run;
  }
  const int thread = m.running->number;
  const Place place(site, counts[std::make_pair(thread, site)]++);
  auto& requests = is_shared ? shared_requests : global_requests;
  requests[std::make_pair(thread / cuda_emulation::WARP, place)].lanes.push_back(Access{address, size});
  if (is_shared) return;
  totals[0] += size;
  for (std::uintptr_t s = address / SECTOR; s <= (address + size - 1) / SECTOR; ++s) sectors.insert(s);
}

}  // namespace

extern "C" {
void traffic_watch(std::uintptr_t begin, std::uintptr_t bytes) { watched.push_back(Watched{begin, begin + bytes}); }
void traffic_start() {
  std::memset(totals, 0, sizeof(totals));
  block = ~std::uint64_t(0);
  is_on = true;
}
void traffic_stop(double* out) {
  flush();
  is_on = false;
  watched.clear();
  std::memcpy(out, totals, sizeof(totals));
}

#define SITE __builtin_return_address(0)
#define ACCESS(SIZE)                                                          \
  void __tsan_read##SIZE(void* p) { access(p, SIZE, SITE); }                  \
  void __tsan_write##SIZE(void* p) { access(p, SIZE, SITE); }                 \
  void __tsan_unaligned_read##SIZE(void* p) { access(p, SIZE, SITE); }        \
  void __tsan_unaligned_write##SIZE(void* p) { access(p, SIZE, SITE); }       \
  void __tsan_volatile_read##SIZE(void* p) { access(p, SIZE, SITE); }         \
  void __tsan_volatile_write##SIZE(void* p) { access(p, SIZE, SITE); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
// structures of 16 bytes are one access of a GPU, larger ones several
static void range(void* p, unsigned long size, const void* site) {
  for (unsigned long at = 0; at < size; at += 16) {
    access(static_cast<char*>(p) + at, static_cast<unsigned>(std::min(size - at, 16ul)),
           static_cast<const char*>(site) + at / 16);
  }
}
void __tsan_read_range(void* p, unsigned long size) { range(p, size, SITE); }
void __tsan_write_range(void* p, unsigned long size) { range(p, size, SITE); }
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit(void*) {}
void __tsan_init() {}
}

// Goes before DPDK in a gateway with one worker (LD_PRELOAD) and tells how much of the worker's time its
// devices' drivers had: the cycles of all calls to receive and to send, in polls that found frames. They are
// the number in the file that SLUICE_DEVICE_CALLS names, eight bytes.
#include <dlfcn.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

using Burst = uint16_t (*)(void*, rte_mbuf**, uint16_t);

/// Of the one driver that all devices have.
Burst driver_receive, driver_transmit;

/// The worker's, from the first to the next call for the queue that it polls first.
struct Poll {
  void* first_queue = nullptr;
  uint64_t cycles = 0;
  bool has_frames = false;
} poll;

/// What the file holds. Ends the process where none is named, or it cannot be mapped.
std::atomic<uint64_t>* counted() {
  static std::atomic<uint64_t>* const place = [] {
    constexpr auto kSize = sizeof(std::atomic<uint64_t>);
    const char* const name = std::getenv("SLUICE_DEVICE_CALLS");
    const int file = name == nullptr ? -1 : open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void* const mapped = file < 0 || ftruncate(file, kSize) != 0
                             ? MAP_FAILED
                             : mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) std::abort();
    close(file);
    return static_cast<std::atomic<uint64_t>*>(mapped);
  }();
  return place;
}

uint16_t receive(void* queue, rte_mbuf** frames, uint16_t count) {
  if (poll.first_queue == nullptr) poll.first_queue = queue;
  if (queue == poll.first_queue) {
    if (poll.has_frames) counted()->fetch_add(poll.cycles, std::memory_order_relaxed);
    poll.cycles = 0;
    poll.has_frames = false;
  }
  const uint64_t before = rte_rdtsc();
  const uint16_t received = driver_receive(queue, frames, count);
  poll.cycles += rte_rdtsc() - before;
  poll.has_frames = poll.has_frames || received != 0;
  return received;
}

uint16_t transmit(void* queue, rte_mbuf** frames, uint16_t count) {
  const uint64_t before = rte_rdtsc();
  const uint16_t sent = driver_transmit(queue, frames, count);
  poll.cycles += rte_rdtsc() - before;
  return sent;
}

/// What stands in `place`, which `ours` takes.
void replace(Burst& place, Burst& theirs, Burst ours) {
  if (place == ours) return;
  if (theirs != nullptr && theirs != place) std::abort();  // devices of two drivers
  theirs = place;
  place = ours;
}

}  // namespace

/// DPDK's own, and from then on the device's calls are ours.
extern "C" int rte_eth_dev_start(uint16_t device) {
  static const auto start = reinterpret_cast<int (*)(uint16_t)>(dlsym(RTLD_NEXT, "rte_eth_dev_start"));
  const int error = start(device);
  if (error != 0) return error;
  counted();
  replace(rte_eth_fp_ops[device].rx_pkt_burst, driver_receive, receive);
  replace(rte_eth_fp_ops[device].tx_pkt_burst, driver_transmit, transmit);
  return 0;
}

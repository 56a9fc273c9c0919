#include "dataplane/roles/worker_rest.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "dataplane/device/receive_descriptors.h"
#include "dataplane/roles/worker_loop.h"

namespace sluice::dataplane {
namespace {

/// What is due by time alone may be late by that, and expiry makes up for no more than twice as long.
constexpr uint32_t kLongestSleepUs = 2000;
/// How long a worker spins whom the kernel alone wakes with packets: about what a sleep costs its CPU. So it
/// spends at most twice as much as one that knows when the next frame comes.
constexpr uint64_t kSpinUs = 2;

}  // namespace

Result<std::unique_ptr<WorkerRest>> WorkerRest::create(Worker& worker, std::span<const KernelTap> taps) {
  std::unique_ptr<WorkerRest> rest(new WorkerRest(worker, epoll_create1(EPOLL_CLOEXEC)));
  bool is_complete = rest->epoll_ >= 0 && rest->watch(rest->waker_.descriptor());
  for (const ReceiveQueue& queue : worker.receive_queues) {
    is_complete = is_complete && rest->watch_queue(queue.device, queue.queue);
  }
  const auto index = static_cast<uint16_t>(worker.place.index);
  for (const KernelTap& tap : taps) {
    if (index < tap.queues) is_complete = is_complete && rest->watch_queue(tap.device, index);
  }
  if (is_complete) return rest;
  return fail("worker " + std::to_string(index) + " has nothing to sleep by: " + std::strerror(errno));
}

/// Who hashes has deadlines, and a journal that does not wake it.
WorkerRest::WorkerRest(Worker& worker, int epoll)
    : epoll_(epoll),
      spin_cycles_(rte_get_tsc_hz() / 1'000'000 * kSpinUs),
      is_always_woken_(worker.hash == nullptr) {
  for (auto* rings : {&worker.from_worker, &worker.from_transmit, &worker.from_hash}) {
    for (PacketRing* const ring : *rings) {
      if (ring == nullptr) continue;
      ring->attach(waker_);
      has_rings_ = true;
    }
  }
  worker.requests->attach(waker_);
  if (worker.checks != nullptr) worker.checks->to_worker.attach(waker_);
}

WorkerRest::~WorkerRest() {
  if (epoll_ >= 0) close(epoll_);
}

bool WorkerRest::watch(int descriptor) {
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {}};
  // Two queues may have the same descriptors.
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) == 0 || errno == EEXIST;
}

bool WorkerRest::watch_queue(uint16_t device, uint16_t queue) {
  const auto descriptors = receive_descriptors(device, queue);
  is_always_woken_ = is_always_woken_ && !descriptors.empty();
  return std::all_of(descriptors.begin(), descriptors.end(), [this](int each) { return watch(each); });
}

void WorkerRest::after_busy_poll() {
  empty_polls_ = 0;
  if (is_armed_) waker_.disarm();
  is_armed_ = false;
}

void WorkerRest::after_empty_poll(uint64_t cycles) {
  if (empty_polls_++ == 0) idle_since_ = cycles;
  if (spins(cycles)) return rte_pause();
  if (is_armed_) sleep();
  // Between here and the next sleep lies a poll, as the waker demands.
  waker_.arm();
  is_armed_ = true;
}

/// Where a ring leads into it, another worker wakes it, by a system call that this one's own packets wait
/// for: then it spins for longer.
bool WorkerRest::spins(uint64_t cycles) const {
  if (is_always_woken_ && !has_rings_) return cycles - idle_since_ < spin_cycles_;
  return rest_microseconds(empty_polls_) == 0;
}

void WorkerRest::sleep() {
  const uint32_t microseconds = is_always_woken_ ? kLongestSleepUs : rest_microseconds(empty_polls_);
  const timespec longest{0, static_cast<long>(microseconds) * 1000};
  std::array<epoll_event, 16> events;
  const int woken = epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &longest, nullptr);
  if (woken != 0) empty_polls_ = 0;  // what comes next may be near
}

}  // namespace sluice::dataplane

#include "ctrl/telemetry/flow_reader.h"

#include <signal.h>
#include <time.h>

#include <utility>

#include "dataplane/base/cycle_time.h"

namespace sluice::ctrl {
namespace {

constexpr std::chrono::milliseconds kBetweenReads{5};
constexpr std::chrono::milliseconds kFormerPatience{500}, kLastPatience{2000};
constexpr size_t kFromLane = 256;       ///< records of one lane that are taken together
constexpr unsigned kPiecesOfLane = 16;  ///< before the next lane has its turn

/// What the clock of the workers is behind that of the wall, modulo 2^64.
uint64_t wall_minus_worker() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const uint64_t wall =
      static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  return wall - dataplane::worker_nanoseconds();
}

template <typename Value>
std::optional<Value>& place_in(std::vector<std::optional<Value>>& values, size_t number) {
  if (number >= values.size()) values.resize(number + 1);
  return values[number];
}

}  // namespace

FlowRecordReader::~FlowRecordReader() {
  stop();
}

void FlowRecordReader::start() {
  const std::lock_guard lock(mutex_);
  if (thread_.joinable() || ends_) return;
  // Signals are for the control thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void FlowRecordReader::listen(lb::FlowReader reader, std::shared_ptr<FlowListener> listener) {
  const std::lock_guard lock(mutex_);
  wanted_[static_cast<size_t>(reader)] = std::move(listener);
}

void FlowRecordReader::stop() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  news_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FlowRecordReader::run() {
  pthread_setname_np(pthread_self(), "flow-records");
  Listeners used;
  for (bool is_last = false; !is_last;) {
    {
      const std::lock_guard lock(mutex_);
      is_last = ends_;  // then the workers have stopped: this round sees all
    }
    follow_wanted(used);
    const auto lanes = gateway_.flow_lanes();
    size_t read = 0;
    do {
      read = lanes ? read_some(*lanes, used) : 0;
      for (const auto& listener : used) {
        if (listener) listener->pause();
      }
    } while (is_last && read != 0);
    if (read != 0 || is_last) continue;
    std::unique_lock lock(mutex_);
    news_.wait_for(lock, kBetweenReads, [this] { return ends_; });
  }
  for (const auto& listener : used) {
    if (listener) listener->finish(kLastPatience);
  }
}

/// Makes `used` those that are wanted, once whoever goes has what was made for it.
void FlowRecordReader::follow_wanted(Listeners& used) {
  Listeners wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = wanted_;
  }
  if (used == wanted) return;
  Listeners both = used;
  for (size_t i = 0; i < used.size(); ++i) {
    if (!both[i]) both[i] = wanted[i];
  }
  if (const auto lanes = gateway_.flow_lanes()) read_some(*lanes, both);
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i] && used[i] != wanted[i]) used[i]->finish(kFormerPatience);
  }
  used = std::move(wanted);
}

size_t FlowRecordReader::read_some(dataplane::FlowLanes& lanes, const Listeners& to) {
  size_t read = 0;
  for (unsigned i = 0; i < lanes.size(); ++i) {
    for (unsigned piece = 0; piece < kPiecesOfLane; ++piece) {
      const size_t count = read_lane(lanes, lanes.of(i), to);
      read += count;
      if (count < kFromLane) break;
    }
  }
  return read;
}

size_t FlowRecordReader::read_lane(dataplane::FlowLanes& lanes, lb::FlowLane& lane, const Listeners& to) {
  std::array<lb::FlowRecord, kFromLane> records;
  const size_t count = lane.ring.pop(records);
  if (count == 0) return 0;
  // After the records: one of a number that has another name now was made after this had changed.
  if (const uint64_t version = lanes.names_version.load(); version != names_version_) {
    services_.clear();
    backends_.clear();
    names_version_ = version;
  }
  const uint64_t ahead_ns = wall_minus_worker();
  for (size_t i = 0; i < count; ++i) hand_out(lanes, records[i], ahead_ns, to);
  lane.named.store(lane.named.load(std::memory_order_relaxed) + count, std::memory_order_release);
  return count;
}

void FlowRecordReader::hand_out(dataplane::FlowLanes& lanes, const lb::FlowRecord& record, uint64_t ahead_ns,
                                const Listeners& to) {
  learn_names(record.service, record.backend);
  const BackendKey& backend = *backends_[record.backend];
  const NamedFlow flow{record,
                       record.begin_ns + ahead_ns,
                       record.end_ns + ahead_ns,
                       *services_[record.service],
                       backend.pool,
                       backend.address,
                       backend.port != 0 ? backend.port : record.key.destination_port.host()};
  for (size_t i = 0; i < to.size(); ++i) {
    const auto reader = static_cast<lb::FlowReader>(i);
    if (!record.is_for(reader)) continue;
    if (to[i]) {
      to[i]->take(flow);
    } else if (record.end != lb::FlowEnd::kActive) {
      lanes.count_refused(reader);
    }
  }
}

void FlowRecordReader::learn_names(lb::ServiceId service, lb::BackendId backend) {
  auto& service_name = place_in(services_, service);
  auto& backend_name = place_in(backends_, backend);
  if (service_name && backend_name) return;
  auto names = gateway_.record_names(service, backend);
  service_name = std::move(names.service);
  backend_name = std::move(names.backend);
}

}  // namespace sluice::ctrl

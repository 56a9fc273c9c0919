#include "dataplane/esp/sequence_leases.h"

#include <algorithm>

namespace sluice::dataplane {
namespace {

constexpr unsigned kMostAtOnce = 32;

}  // namespace

SequenceLeases::SequenceLeases(unsigned workers, uint64_t first, uint64_t end)
    : workers_(workers),
      most_(workers == 1 ? kMostAtOnce
                         : std::clamp(static_cast<unsigned>(kMostBehind) / (2 * workers), 1u, kMostAtOnce)),
      leaving_(std::make_unique<Leaving[]>(workers)),
      next_(first),
      end_(end) {}

bool SequenceLeases::has_to_wait(unsigned worker, unsigned count) const {
  return workers_ > 1 && is_too_far(worker, next_.load(std::memory_order_relaxed) + count - 1);
}

bool SequenceLeases::is_too_far(unsigned worker, uint64_t last) const {
  for (unsigned other = 0; other < workers_; ++other) {
    if (other == worker) continue;
    const uint64_t lowest = leaving_[other].lowest.load(std::memory_order_seq_cst);
    if (lowest != kNone && last > lowest + kMostBehind) return true;
  }
  return false;
}

std::optional<uint64_t> SequenceLeases::take(unsigned count) {
  const uint64_t end = end_.load(std::memory_order_acquire);
  // A look first: who finds nothing shall not use up the numbers that the next extension brings.
  if (next_.load(std::memory_order_relaxed) + count > end) return std::nullopt;
  const uint64_t first = next_.fetch_add(count, std::memory_order_seq_cst);
  if (first + count > end) return std::nullopt;
  return first;
}

SequenceLeases::Departure SequenceLeases::depart(unsigned worker, uint64_t first, unsigned count) {
  if (workers_ == 1) return Departure::kNow;
  // Sequentially consistent, as is taking: of two workers one at least sees what the other has said.
  leaving_[worker].lowest.store(first, std::memory_order_seq_cst);
  if (next_.load(std::memory_order_seq_cst) - 1 > first + kMostBehind) {
    left(worker);
    return Departure::kStale;
  }
  if (is_too_far(worker, first + count - 1)) {
    left(worker);
    return Departure::kLater;
  }
  return Departure::kNow;
}

void SequenceLeases::left(unsigned worker) {
  leaving_[worker].lowest.store(kNone, std::memory_order_release);
}

}  // namespace sluice::dataplane

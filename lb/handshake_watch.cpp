#include "lb/handshake_watch.h"

#include <algorithm>
#include <cmath>

namespace sluice::lb {
namespace {

void set(std::atomic<uint64_t>& value, uint64_t number) {
  value.store(number, std::memory_order_relaxed);
}
uint64_t get(const std::atomic<uint64_t>& value) {
  return value.load(std::memory_order_relaxed);
}

}  // namespace

double AverageTime::faded(uint64_t now_ns) const {
  const auto since = static_cast<double>(now_ns - std::min(now_ns, get(sampled_ns_)));
  return static_cast<double>(get(ewma_ns_)) * std::exp(-since / kFadeNs);
}

void AverageTime::add_peak(uint64_t now_ns, uint64_t nanoseconds) {
  const bool is_peak = static_cast<double>(nanoseconds) >= faded(now_ns);
  mix(now_ns, nanoseconds, is_peak ? 0 : 1);
}

void AverageTime::add(uint64_t now_ns, uint64_t nanoseconds) {
  mix(now_ns, nanoseconds, is_known() ? 7.0 / 8 : 0);
}

/// `most`: the weight of what was before, at most.
void AverageTime::mix(uint64_t now_ns, uint64_t nanoseconds, double most) {
  const auto since = static_cast<double>(now_ns - std::min(now_ns, get(sampled_ns_)));
  const double weight = std::min(most, std::exp(-since / kFadeNs));
  const double next =
      static_cast<double>(get(ewma_ns_)) * weight + static_cast<double>(nanoseconds) * (1 - weight);
  set(ewma_ns_, std::max<uint64_t>(1, static_cast<uint64_t>(next)));
  set(sampled_ns_, now_ns);
}

void AverageTime::clear() {
  set(ewma_ns_, 0);
  set(sampled_ns_, 0);
}

PendingHandshake* HandshakeWatch::find(FlowIndex flow) {
  const uint32_t mark = mark_of(flow), place = mark & mask_;
  if (!is_mark_of(flow, mark) || (place - head_ & mask_) >= tail_ - head_) return nullptr;
  PendingHandshake& handshake = memory_.pending[place];
  return handshake.flow == flow ? &handshake : nullptr;  // marks begin as zeros
}

void HandshakeWatch::begin(FlowIndex flow, BackendId backend, bool tells) {
  if (tail_ - head_ > mask_) return forget(flow);  // an older one of an entry that was given up
  memory_.pending[tail_ & mask_] = {now_ns_, flow, backend, tells};
  mark_of(flow) = mark(flow, tail_++);
}

void HandshakeWatch::answer(FlowIndex flow, ServiceId service, BackendId backend) {
  AnswerTime& time = memory_.backends[backend];
  set(time.answered_ns, now_ns_);
  if (time.has_failed) {
    time.has_failed = false;
    events_.push({backend, HandshakeEvent::Kind::kAnswered, now_ns_});
  }
  PendingHandshake* const handshake = find(flow);
  if (handshake == nullptr) return;
  const uint64_t took_ns = now_ns_ - handshake->began_ns;
  forget(flow);
  memory_.services[service].add(took_ns);
  time.handshake.add_peak(now_ns_, took_ns);
}

void HandshakeWatch::ask(FlowIndex flow) {
  memory_.responses[flow & mask_] = {now_ns_, flow};
}

std::optional<uint64_t> HandshakeWatch::waited_ns(FlowIndex flow) {
  PendingResponse& response = memory_.responses[flow & mask_];
  if (response.flow != flow) return std::nullopt;
  response.flow = kNoFlow;
  return now_ns_ - response.asked_ns;
}

void HandshakeWatch::respond(FlowIndex flow, BackendId backend) {
  if (const auto waited = waited_ns(flow)) memory_.backends[backend].response.add(now_ns_, *waited);
}

void HandshakeWatch::refuse(FlowIndex flow, BackendId backend) {
  const auto waited = waited_ns(flow);
  if (waited) memory_.backends[backend].handshake.add_peak(now_ns_, std::max(*waited, kFailureNs));
}

void HandshakeWatch::fail(PendingHandshake& handshake, HandshakeEvent::Kind kind) {
  forget(handshake.flow);
  const uint64_t waited_ns = std::max(now_ns_ - handshake.began_ns, kFailureNs);
  memory_.backends[handshake.backend].handshake.add_peak(now_ns_, waited_ns);
  fail(handshake.backend, kind, handshake.tells);
}

void HandshakeWatch::fail(FlowIndex flow, HandshakeEvent::Kind kind) {
  if (PendingHandshake* const handshake = find(flow); handshake != nullptr) fail(*handshake, kind);
}

void HandshakeWatch::fail(BackendId backend, HandshakeEvent::Kind kind, bool tells) {
  if (!tells) return;
  memory_.backends[backend].has_failed = true;
  events_.push({backend, kind, now_ns_});  // where there is no room, so many have failed that one is enough
}

bool HandshakeWatch::retire_oldest() {
  if (head_ == tail_) return false;
  PendingHandshake& oldest = memory_.pending[head_ & mask_];
  const bool is_over = mark_of(oldest.flow) != mark(oldest.flow, head_);
  if (!is_over && now_ns_ - oldest.began_ns < kPatienceNs) return false;
  if (!is_over) fail(oldest, HandshakeEvent::Kind::kUnanswered);
  ++head_;
  return true;
}

}  // namespace sluice::lb

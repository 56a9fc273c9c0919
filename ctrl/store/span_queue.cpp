#include "ctrl/store/span_queue.h"

#include <sys/random.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace sluice::ctrl {
namespace {

constexpr size_t kMostAttributeBytes = 1024;  ///< bytes of one attribute, so that a queue's are bounded

/// Ids are random, and none is zero (Trace Context, 2.2.2).
template <typename Id>
Id fresh_id() {
  Id id{};
  // So few bytes never come in pieces, and never fail once the kernel's generator is seeded: getrandom(2).
  while (::getrandom(id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()) || id == Id{}) continue;
  return id;
}

void cut(std::string& text) {
  if (text.size() > kMostAttributeBytes) text.resize(kMostAttributeBytes);
}

}  // namespace

std::shared_ptr<OpenSpan> SpanQueue::open(std::string name, Span::Time start,
                                          const std::optional<TraceContext>& parent, SpanKind kind) {
  if (!is_on()) return nullptr;
  Span span{.trace = parent ? parent->trace : fresh_id<TraceId>(),
            .id = fresh_id<SpanId>(),
            .parent = parent ? parent->span : SpanId{},
            .name = std::move(name),
            .kind = kind,
            .start = start,
            .end = start};
  return std::make_shared<OpenSpan>(shared_from_this(), std::move(span), !parent || parent->is_sampled);
}

void SpanQueue::add(Span span) {
  if (!is_on()) return;
  if (span.trace == TraceId{}) span.trace = fresh_id<TraceId>();
  if (span.id == SpanId{}) span.id = fresh_id<SpanId>();
  cut(span.failure);
  for (auto& [key, value] : span.attributes) {
    if (auto* text = std::get_if<std::string>(&value)) cut(*text);
  }
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMostWaiting) return count(SpanResult::kDropped, 1);
  waiting_.push_back(std::move(span));
  if (waiting_.size() == 1 && listener_) listener_();
}

std::vector<Span> SpanQueue::take(size_t most) {
  const std::lock_guard lock(mutex_);
  const auto end = waiting_.begin() + static_cast<ptrdiff_t>(std::min(most, waiting_.size()));
  std::vector<Span> taken(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return taken;
}

size_t SpanQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

void SpanQueue::drop_waiting() {
  const std::lock_guard lock(mutex_);
  count(SpanResult::kDropped, waiting_.size());
  waiting_.clear();
}

void SpanQueue::on_news(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void SpanQueue::count(SpanResult result, uint64_t spans) {
  counted_[static_cast<size_t>(result)].fetch_add(spans, std::memory_order_relaxed);
}

OpenSpan::~OpenSpan() {
  if (!is_recorded_) return;
  if (span_.end == span_.start) span_.end = std::max(span_.start, std::chrono::system_clock::now());
  queue_->add(std::move(span_));
}

void OpenSpan::set(std::string_view key, SpanValue value) {
  const std::lock_guard lock(mutex_);
  for (auto& [known, old] : span_.attributes) {
    if (known == key) return void(old = std::move(value));
  }
  span_.attributes.emplace_back(key, std::move(value));
}

void OpenSpan::fail(std::string why) {
  const std::lock_guard lock(mutex_);
  span_.has_failed = true;
  span_.failure = std::move(why);
}

void OpenSpan::reach(Time time) {
  const std::lock_guard lock(mutex_);
  span_.end = std::max(span_.end, time);
}

void OpenSpan::add_step(std::string name, Time start, Time end, SpanAttributes attributes,
                        const std::string* failure) {
  reach(end);
  if (!is_recorded_) return;
  queue_->add({.trace = span_.trace,
               .parent = span_.id,
               .name = std::move(name),
               .start = start,
               .end = end,
               .attributes = std::move(attributes),
               .has_failed = failure != nullptr,
               .failure = failure ? *failure : std::string()});
}

}  // namespace sluice::ctrl

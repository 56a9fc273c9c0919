#include "ctrl/store/event_hub.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace sluice::ctrl {
namespace {

constexpr size_t kMostAtOnce = 512;  ///< events of one tick: some milliseconds of the control loop

double unix_seconds_now() {
  using std::chrono::microseconds;
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<double>(std::chrono::duration_cast<microseconds>(since).count()) / 1e6;
}

}  // namespace

std::optional<EventKind> event_kind_of(std::string_view word) {
  const auto found = std::ranges::find(kEventKinds, word);
  if (found == kEventKinds.end()) return std::nullopt;
  return static_cast<EventKind>(found - kEventKinds.begin());
}

EventHub::EventHub() = default;
EventHub::~EventHub() = default;

void EventHub::tell(EventKind kind, nlohmann::json fields) {
  if (!is_heard()) return;
  fields["time"] = unix_seconds_now();
  fields["kind"] = word_for(kind);
  std::string text = fields.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  auto object = std::make_shared<const nlohmann::json>(std::move(fields));
  const std::lock_guard lock(mutex_);
  if (waiting_.size() == kMostWaiting) {
    ++left_out_[static_cast<size_t>(kind)];
  } else {
    waiting_.push_back({kind, std::move(object), std::move(text)});
  }
}

std::optional<uint64_t> EventHub::listen(EventSink sink, EventKinds kinds, Listener listener) {
  remove_gone();
  if (listeners_.size() == kMostListeners) {
    look_who_is_there();
    remove_gone();
  }
  if (listeners_.size() == kMostListeners) return std::nullopt;
  listeners_.push_back({++last_number_, sink, kinds, std::move(listener)});
  listeners_count_ = listeners_.size();
  return last_number_;
}

void EventHub::end(uint64_t number) {
  const auto found = std::ranges::find(listeners_, number, &Listening::number);
  if (found != listeners_.end()) found->is_gone = true;  // its turn may be now: it is removed later
}

void EventHub::tick(std::chrono::steady_clock::time_point now) {
  std::deque<Event> events;
  std::array<uint64_t, kEventKinds.size()> left_out{};
  {
    const std::lock_guard lock(mutex_);
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(waiting_.size(), kMostAtOnce));
    events.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    left_out = std::exchange(left_out_, {});
  }
  for (const Event& event : events) pass_on(event);
  for (size_t kind = 0; kind < left_out.size(); ++kind) {
    for (const Listening& one : listeners_) {
      if ((one.kinds & bit_of(static_cast<EventKind>(kind))) != 0) count_dropped(one.sink, left_out[kind]);
    }
  }
  if (now >= next_look_) {
    next_look_ = now + kBetweenLooks;
    look_who_is_there();
  }
  remove_gone();
}

void EventHub::pass_on(const Event& event) {
  for (Listening& one : listeners_) {
    if (one.is_gone || (one.kinds & bit_of(event.kind)) == 0) continue;
    const Notified told = one.listener(&event);
    if (told == Notified::kFull) count_dropped(one.sink);
    if (told == Notified::kGone) one.is_gone = true;
  }
}

void EventHub::look_who_is_there() {
  for (Listening& one : listeners_) {
    if (!one.is_gone && one.listener(nullptr) == Notified::kGone) one.is_gone = true;
  }
}

void EventHub::remove_gone() {
  std::erase_if(listeners_, [](const Listening& one) { return one.is_gone; });
  listeners_count_ = listeners_.size();
}

}  // namespace sluice::ctrl

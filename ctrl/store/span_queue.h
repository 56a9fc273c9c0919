// Spans between those who make them, on any thread, and the exporter's thread: a bounded queue, and what
// became of each span. Where it is full, spans are dropped and counted; nobody ever waits.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/wire/span.h"

namespace sluice::ctrl {

/// What becomes of spans: a receiver has them; there was no room or no time; no receiver took them.
enum class SpanResult : uint8_t { kExported, kDropped, kFailed };
inline constexpr std::array<std::string_view, 3> kSpanResults = {"exported", "dropped", "failed"};

class OpenSpan;

/// Owned by shared pointers: open spans may outlive all else.
class SpanQueue : public std::enable_shared_from_this<SpanQueue> {
 public:
  static constexpr size_t kMostWaiting = 8192;  ///< spans; about 4 MiB

  /// Whether anybody wants spans: who would have to work for one asks first. Any thread, as all that
  /// follows.
  bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
  void turn(bool on) { is_on_.store(on, std::memory_order_relaxed); }

  /// Begins a span: below `parent`, or as the root of a new trace. Null: nobody wants spans. Of a parent that
  /// is not sampled nothing is recorded, nor of anything below it.
  std::shared_ptr<OpenSpan> open(std::string name, Span::Time start,
                                 const std::optional<TraceContext>& parent = std::nullopt,
                                 SpanKind kind = SpanKind::kInternal);
  /// Takes a whole span, whose ids may be left to this. It is nothing where nobody wants spans any more.
  void add(Span span);

  /// The oldest, in order.
  std::vector<Span> take(size_t most);
  size_t waiting() const;
  /// Counts as dropped what waits.
  void drop_waiting();
  /// `listener` is called when the first of some spans has come, during add(), and must not call back.
  void on_news(std::function<void()> listener);

  void count(SpanResult result, uint64_t spans);
  uint64_t counted(SpanResult result) const {
    return counted_[static_cast<size_t>(result)].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> is_on_ = false;
  std::array<std::atomic<uint64_t>, kSpanResults.size()> counted_{};
  mutable std::mutex mutex_;  ///< of the next two
  std::deque<Span> waiting_;
  std::function<void()> listener_;
};

/// A span that goes on: whoever holds it may add to it; it ends, and is queued, when the last one lets go.
/// Any thread.
class OpenSpan {
 public:
  using Time = Span::Time;

  OpenSpan(std::shared_ptr<SpanQueue> queue, Span span, bool is_recorded)
      : queue_(std::move(queue)), is_recorded_(is_recorded), span_(std::move(span)) {}
  ~OpenSpan();
  OpenSpan(const OpenSpan&) = delete;
  OpenSpan& operator=(const OpenSpan&) = delete;

  bool is_recorded() const { return is_recorded_; }
  const std::string& name() const { return span_.name; }
  Time start() const { return span_.start; }
  /// For what is done for it elsewhere.
  TraceContext context() const { return {span_.trace, span_.id, is_recorded_}; }
  void set(std::string_view key, SpanValue value);
  void fail(std::string why);
  /// It does not end before.
  void reach(Time time);
  /// A step of it that is over.
  void add_step(std::string name, Time start, Time end, SpanAttributes attributes = {},
                const std::string* failure = nullptr);

 private:
  const std::shared_ptr<SpanQueue> queue_;
  const bool is_recorded_;
  std::mutex mutex_;  ///< of the span, but for its ids, name and start
  Span span_;
};

}  // namespace sluice::ctrl

// What happens, told to whoever wants to know: clients of the control socket, readers of GET /events, NATS.
// One bounded queue between those who tell, on any thread, and the control thread, which passes on. A
// listener that is slow loses its own events, counted, and nobody else's.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/store/notified.h"

namespace sluice::ctrl {

enum class EventKind : uint8_t {
  kConfigApplied,
  kConfigRefused,
  kBackendState,
  kSourceState,
  kTunnelState,
  kInspectionReady,
  kLedgerCheckpoint,
  kWorkerStalled,
  kPortLink,
  kCapture,
};
inline constexpr std::array<std::string_view, 10> kEventKinds = {
    "config_applied",   "config_refused",    "backend_state",  "source_state", "tunnel_state",
    "inspection_ready", "ledger_checkpoint", "worker_stalled", "port_link",    "capture"};
inline constexpr std::string_view word_for(EventKind kind) {
  return kEventKinds[static_cast<size_t>(kind)];
}

/// A set of kinds, a bit for each.
using EventKinds = uint32_t;
inline constexpr EventKinds kAllEvents = (EventKinds{1} << kEventKinds.size()) - 1;
constexpr EventKinds bit_of(EventKind kind) {
  return EventKinds{1} << static_cast<unsigned>(kind);
}
/// The kind of that name; nothing: there is none.
std::optional<EventKind> event_kind_of(std::string_view word);

enum class EventSink : uint8_t { kSocket, kSse, kNats };
inline constexpr std::array<std::string_view, 3> kEventSinks = {"socket", "sse", "nats"};

/// `object` has `time` (Unix seconds), `kind`, and what the kind has besides; `text` is the same in one line.
struct Event {
  EventKind kind;
  std::shared_ptr<const nlohmann::json> object;
  std::string text;
};

class EventHub {
 public:
  static constexpr size_t kMostWaiting = 16'384;  ///< events that have not been passed on yet
  static constexpr size_t kMostListeners = 256;

  EventHub();
  ~EventHub();
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  /// Says what has happened just now. `fields` is an object without `time` and `kind`. Any thread; never
  /// waits for a listener. Costs next to nothing while there is none.
  void tell(EventKind kind, nlohmann::json fields);
  /// Whether anybody listens: who would have to work for `fields` asks first. Any thread.
  bool is_heard() const { return listeners_count_.load(std::memory_order_relaxed) != 0; }

  /// Takes an event, or null, with which it is only asked whether it is still there. kFull: the event is
  /// lost, and counted. kGone: it is asked no more.
  using Listener = std::function<Notified(const Event* event)>;
  /// Control thread, as all below. Nothing: there are too many already. Else the number to end it by.
  std::optional<uint64_t> listen(EventSink sink, EventKinds kinds, Listener listener);
  void end(uint64_t number);
  /// Passes on what has been told. Every few milliseconds.
  void tick(std::chrono::steady_clock::time_point now);

  /// Counts events that a sink has lost, by itself too. Any thread.
  void count_dropped(EventSink sink, uint64_t events = 1) {
    dropped_[static_cast<size_t>(sink)].fetch_add(events, std::memory_order_relaxed);
  }
  uint64_t dropped(EventSink sink) const {
    return dropped_[static_cast<size_t>(sink)].load(std::memory_order_relaxed);
  }

 private:
  struct Listening {
    uint64_t number;
    EventSink sink;
    EventKinds kinds;
    Listener listener;
    bool is_gone = false;
  };
  static constexpr std::chrono::seconds kBetweenLooks{1};  ///< for those that are gone
  void pass_on(const Event& event);
  void look_who_is_there();
  void remove_gone();

  std::atomic<size_t> listeners_count_ = 0;
  std::array<std::atomic<uint64_t>, kEventSinks.size()> dropped_{};
  std::mutex mutex_;  ///< of the next two
  std::deque<Event> waiting_;
  std::array<uint64_t, kEventKinds.size()> left_out_{};  ///< by kind, since the last tick: there was no room

  std::vector<Listening> listeners_;
  uint64_t last_number_ = 0;
  std::chrono::steady_clock::time_point next_look_{};
};

}  // namespace sluice::ctrl

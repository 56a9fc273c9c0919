// The captures that run: has workers copy packets, and makes pieces of a pcapng file of what comes. A reader
// that is slow loses packets of its own capture. Control thread, but for what says otherwise.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "ctrl/intent/fault.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/notified.h"
#include "dataplane/tables/capture.h"

namespace sluice::ctrl {

/// What is asked for. It ends with whichever limit is reached first.
struct CaptureRequest {
  dataplane::CaptureWish wish;
  uint64_t packets = 10'000;
  uint64_t bytes = UINT64_MAX;  ///< of the file
  std::chrono::seconds time{60};
};

class PacketCaptures {
 public:
  using Clock = std::chrono::steady_clock;
  /// Takes the params of one notification as JSON text: `{capture, data}`, and last `{capture, done, packets,
  /// lost}`.
  using Listener = std::function<Notified(std::string_view params)>;
  using StartAnswer = std::function<void(Outcome<uint64_t>)>;

  /// Borrows `gateway`.
  explicit PacketCaptures(Gateway& gateway) : gateway_(gateway) {}

  /// Calls `answer` with the capture's number once every worker looks, or with why there is none; `listener`
  /// only after that.
  void start(CaptureRequest request, Listener listener, StartAnswer answer);
  /// Ends a capture with what has come so far. False: there is none with that number.
  bool stop(uint64_t capture);
  /// Passes on what has come. Every few milliseconds.
  void tick(Clock::time_point now);

 private:
  enum class State : uint8_t {
    kStarting,  ///< workers are being told
    kRunning,
    kEnding,  ///< workers are being told to stop
  };
  struct Running {
    uint64_t number;
    CaptureRequest request;  ///< its wish has moved into `capture`
    std::shared_ptr<const dataplane::Capture> capture;
    Listener listener;
    StartAnswer answer;
    State state = State::kStarting;
    Clock::time_point end{};
    std::string piece{};         ///< of the file, not passed on yet
    uint64_t piece_packets = 0;  ///< in that piece
    uint64_t packets = 0, bytes = 0, refused = 0;
    bool has_begun = false;   ///< the file
    bool is_unheard = false;  ///< the listener is gone
    bool is_over = false;     ///< the listener has been told, or is gone
  };
  void publish();
  void advance(Running& running, Clock::time_point now, bool settled);
  bool begin(Running& running);
  bool drain(Running& running);
  void pass_on(Running& running);
  static Notified send(Running& running, const std::string& piece);
  void finish(Running& running);
  /// Null: it cannot be told at this moment.
  const std::string* comment_of(const dataplane::CaptureNote& note);

  using Known = std::tuple<lb::ServiceId, lb::BackendId, dataplane::DropReason>;

  Gateway& gateway_;
  uint64_t last_number_ = 0;
  std::vector<Running> running_;
  /// Of the present tick, for what many packets have in common, and the one of the packet before.
  std::map<Known, std::string> comments_;
  std::map<Known, std::string>::const_iterator last_comment_ = comments_.end();
};

}  // namespace sluice::ctrl

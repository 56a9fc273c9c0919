// A TCP connection as a check opens one, in user space: a client that sends little, takes what comes in
// order, and leaves with a reset (RFC 9293). Its segments go where no socket of the kernel leads. It has
// neither a socket nor a clock: who owns it brings segments and the time. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ctrl/wire/check_packet.h"

namespace sluice::ctrl {

class TcpClient {
 public:
  using Clock = std::chrono::steady_clock;
  /// Sends a segment. It may be lost: what needs an answer is sent again.
  using Emit = std::function<void(const TcpSegment&)>;
  enum class State : uint8_t {
    kClosed,   ///< not opened yet
    kOpening,  ///< until the peer accepts
    kOpen,
    kRefused,  ///< the peer has reset what was to be opened
    kReset,    ///< the peer has reset what was open
  };

  /// A lost segment is sent again after that, then after twice as long, up to kLongestWait. RFC 6298 begins
  /// with a second, which is all the time that most checks have.
  static constexpr std::chrono::milliseconds kFirstWait{200};
  static constexpr std::chrono::milliseconds kLongestWait{1600};
  /// Received and not read yet: what is advertised as window.
  static constexpr size_t kMostUnread = 32768;

  /// `initial_sequence` is nothing that others can guess (RFC 6528). No segment either way has more than
  /// `most_payload` bytes.
  TcpClient(uint32_t initial_sequence, uint16_t most_payload, Emit emit);

  void open(Clock::time_point now);
  void receive(const TcpSegment& segment, Clock::time_point now);
  /// While it is open. Takes all bytes.
  void write(std::span<const uint8_t> bytes, Clock::time_point now);
  /// Returns how many bytes; 0: there are none now, or never again: has_ended().
  size_t read(std::span<uint8_t> bytes);
  /// Sends again what is due.
  void on_time(Clock::time_point now);
  /// Tells the peer that it is over. Nothing is received any more.
  void abort();

  State state() const { return state_; }
  /// Whether the peer has ended its side, and all that it sent has been read.
  bool has_ended() const { return peer_has_ended_ && unread_.empty(); }
  /// When on_time() is due; nothing: not before something comes.
  std::optional<Clock::time_point> due() const { return due_; }

 private:
  void receive_opening(const TcpSegment& segment, Clock::time_point now);
  void receive_open(const TcpSegment& segment, Clock::time_point now);
  void take_acknowledgment(const TcpSegment& segment, Clock::time_point now);
  void take_payload(const TcpSegment& segment);
  void send_more(Clock::time_point now);
  void send(uint8_t flags, uint32_t sequence, std::span<const uint8_t> payload = {});
  void acknowledge() { send(TcpHeader::kAck, sent_); }
  void restart_timer(Clock::time_point now);
  uint16_t window() const { return static_cast<uint16_t>(kMostUnread - unread_.size()); }
  uint32_t in_flight() const { return sent_ - acknowledged_; }

  Emit emit_;
  State state_ = State::kClosed;
  uint32_t acknowledged_;  ///< the peer has all before
  uint32_t sent_;          ///< all before has been sent
  uint32_t expected_ = 0;  ///< next of the peer's
  uint16_t most_received_;
  uint16_t most_sent_;
  uint32_t peer_window_ = 0;
  uint16_t told_window_ = 0;
  bool peer_has_ended_ = false;
  std::vector<uint8_t> unacknowledged_;  ///< from `acknowledged_` on; some of it may not be sent yet
  std::vector<uint8_t> unread_;
  std::chrono::milliseconds wait_ = kFirstWait;
  std::optional<Clock::time_point> due_;
};

}  // namespace sluice::ctrl

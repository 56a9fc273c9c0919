#include "ctrl/health/tcp_client.h"

#include <algorithm>
#include <utility>

namespace sluice::ctrl {
namespace {

constexpr uint8_t kPush = 0x08;
constexpr uint16_t kDefaultSegment = 536;  ///< of a peer that names none (RFC 9293, 3.7.1)
constexpr uint32_t kMostInFlight = 4 * kDefaultSegment;

/// Whether sequence number `a` comes after `b`.
bool is_after(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) > 0;
}

}  // namespace

TcpClient::TcpClient(uint32_t initial_sequence, uint16_t most_payload, Emit emit)
    : emit_(std::move(emit)),
      acknowledged_(initial_sequence),
      sent_(initial_sequence),
      most_received_(most_payload),
      most_sent_(std::min(most_payload, kDefaultSegment)) {}

void TcpClient::open(Clock::time_point now) {
  state_ = State::kOpening;
  send(TcpHeader::kSyn, acknowledged_);
  sent_ = acknowledged_ + 1;
  restart_timer(now);
}

void TcpClient::receive(const TcpSegment& segment, Clock::time_point now) {
  if (state_ == State::kOpening)
    receive_opening(segment, now);
  else if (state_ == State::kOpen)
    receive_open(segment, now);
}

/// RFC 9293, 3.10.7.3.
void TcpClient::receive_opening(const TcpSegment& segment, Clock::time_point now) {
  const bool resets = (segment.flags & TcpHeader::kRst) != 0;
  if ((segment.flags & TcpHeader::kAck) == 0) return;
  if (segment.acknowledgment != sent_) {  // of a connection that the peer still remembers: it is to forget it
    if (!resets) send(TcpHeader::kRst, segment.acknowledgment);
    return;
  }
  if (resets) {
    state_ = State::kRefused;
    due_.reset();
    return;
  }
  if ((segment.flags & TcpHeader::kSyn) == 0) return;
  state_ = State::kOpen;
  acknowledged_ = segment.acknowledgment;
  expected_ = segment.sequence + 1;
  peer_window_ = segment.window;
  if (segment.most_payload != 0) most_sent_ = std::min(most_sent_, segment.most_payload);
  restart_timer(now);
  acknowledge();
}

/// RFC 9293, 3.10.7.4, and RFC 5961 for what does not fit exactly.
void TcpClient::receive_open(const TcpSegment& segment, Clock::time_point now) {
  if ((segment.flags & TcpHeader::kRst) != 0) {
    if (segment.sequence == expected_) {
      state_ = State::kReset;
      due_.reset();
    } else if (segment.sequence - expected_ < kMostUnread) {
      acknowledge();
    }
    return;
  }
  if ((segment.flags & TcpHeader::kSyn) != 0) return acknowledge();
  if ((segment.flags & TcpHeader::kAck) == 0) return;
  if (is_after(segment.acknowledgment, sent_)) return acknowledge();
  take_acknowledgment(segment, now);
  const bool ends = (segment.flags & TcpHeader::kFin) != 0;
  if (segment.payload.empty() && !ends && segment.sequence == expected_) return send_more(now);
  take_payload(segment);
  const auto size = static_cast<uint32_t>(segment.payload.size());
  if (ends && !peer_has_ended_ && segment.sequence + size == expected_) {
    peer_has_ended_ = true;
    ++expected_;
  }
  acknowledge();
  send_more(now);
}

void TcpClient::take_acknowledgment(const TcpSegment& segment, Clock::time_point now) {
  if (!is_after(acknowledged_, segment.acknowledgment)) peer_window_ = segment.window;
  if (!is_after(segment.acknowledgment, acknowledged_)) return;
  const uint32_t done = segment.acknowledgment - acknowledged_;
  unacknowledged_.erase(unacknowledged_.begin(), unacknowledged_.begin() + static_cast<std::ptrdiff_t>(done));
  acknowledged_ = segment.acknowledgment;
  wait_ = kFirstWait;
  restart_timer(now);
}

/// Takes what goes on where the last byte was. What lies behind a gap comes again.
void TcpClient::take_payload(const TcpSegment& segment) {
  const uint32_t known = expected_ - segment.sequence;  // huge where there is a gap
  if (peer_has_ended_ || known > segment.payload.size()) return;
  const auto fresh = segment.payload.subspan(known);
  const auto taken = fresh.first(std::min<size_t>(fresh.size(), window()));
  unread_.insert(unread_.end(), taken.begin(), taken.end());
  expected_ += static_cast<uint32_t>(taken.size());
}

void TcpClient::write(std::span<const uint8_t> bytes, Clock::time_point now) {
  unacknowledged_.insert(unacknowledged_.end(), bytes.begin(), bytes.end());
  send_more(now);
}

size_t TcpClient::read(std::span<uint8_t> bytes) {
  const size_t size = std::min(bytes.size(), unread_.size());
  std::copy_n(unread_.begin(), size, bytes.begin());
  unread_.erase(unread_.begin(), unread_.begin() + static_cast<std::ptrdiff_t>(size));
  // The peer may wait for room that it does not know of.
  if (state_ == State::kOpen && told_window_ < kMostUnread / 2 && window() >= kMostUnread / 2) acknowledge();
  return size;
}

void TcpClient::send_more(Clock::time_point now) {
  const uint32_t most = std::min(peer_window_, kMostInFlight);
  while (in_flight() < unacknowledged_.size() && in_flight() < most) {
    const auto waiting = std::span(unacknowledged_).subspan(in_flight());
    const auto piece = waiting.first(std::min<size_t>({waiting.size(), most_sent_, most - in_flight()}));
    send(TcpHeader::kAck | kPush, sent_, piece);
    sent_ += static_cast<uint32_t>(piece.size());
  }
  if (!unacknowledged_.empty() && !due_) restart_timer(now);
}

void TcpClient::on_time(Clock::time_point now) {
  if (!due_ || now < *due_) return;
  wait_ = std::min(wait_ * 2, kLongestWait);
  due_ = now + wait_;
  if (state_ == State::kOpening) return send(TcpHeader::kSyn, acknowledged_);
  // One byte into a window of none asks whether it is open again.
  const size_t most = std::clamp<size_t>(peer_window_, 1, most_sent_);
  const auto piece = std::span(unacknowledged_).first(std::min(unacknowledged_.size(), most));
  send(TcpHeader::kAck | kPush, acknowledged_, piece);
  if (in_flight() < piece.size()) sent_ = acknowledged_ + static_cast<uint32_t>(piece.size());
}

void TcpClient::abort() {
  if (state_ == State::kOpening) send(TcpHeader::kRst, sent_);
  if (state_ == State::kOpen) send(TcpHeader::kRst | TcpHeader::kAck, sent_);
  state_ = State::kClosed;
  due_.reset();
}

void TcpClient::send(uint8_t flags, uint32_t sequence, std::span<const uint8_t> payload) {
  const bool acknowledges = (flags & TcpHeader::kAck) != 0;
  const bool opens = (flags & TcpHeader::kSyn) != 0;
  told_window_ = window();
  emit_({.sequence = sequence,
         .acknowledgment = acknowledges ? expected_ : 0,
         .flags = flags,
         .window = told_window_,
         .most_payload = opens ? most_received_ : uint16_t{0},
         .payload = payload});
}

/// Nothing is due where the peer has everything.
void TcpClient::restart_timer(Clock::time_point now) {
  const bool waits = state_ == State::kOpening || !unacknowledged_.empty();
  due_ = waits ? std::optional(now + wait_) : std::nullopt;
}

}  // namespace sluice::ctrl

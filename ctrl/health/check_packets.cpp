#include "ctrl/health/check_packets.h"

#include <utility>

#include "ctrl/wire/check_packet.h"

namespace sluice::ctrl {
namespace {

/// Workers do not wake the control thread: it looks that often while anybody waits for an answer.
constexpr std::chrono::milliseconds kBetweenLooks{1};
/// Taken at once, so that a flood of answers leaves the loop time for others.
constexpr size_t kTakenAtOnce = 64;
constexpr std::chrono::milliseconds kBetweenIdleLooks{50};  ///< while nobody does, but ports are closing
constexpr std::chrono::seconds kClosing{1};
constexpr uint16_t kFirstPort = 1024;
constexpr unsigned kDraws = 64;

}  // namespace

CheckPackets::CheckPackets(boost::asio::io_context& io, dataplane::CheckLanes& lanes)
    : timer_(io), lanes_(&lanes), received_(kTakenAtOnce) {}

std::optional<uint16_t> CheckPackets::open(Receiver receiver) {
  if (lanes_ == nullptr) return std::nullopt;
  std::uniform_int_distribution<unsigned> ports(kFirstPort, UINT16_MAX);
  for (unsigned draw = 0; draw < kDraws; ++draw) {
    const auto port = static_cast<uint16_t>(ports(random_));
    if (receivers_.contains(port)) continue;
    receivers_.emplace(port, std::move(receiver));
    lanes_->ports().open(port);
    is_waiting_ ? void(timer_.cancel()) : wait();  // it may have been idle
    return port;
  }
  return std::nullopt;
}

void CheckPackets::close(uint16_t port) {
  receivers_[port] = nullptr;
  closing_.push_back({std::chrono::steady_clock::now() + kClosing, port});
}

void CheckPackets::release_closed() {
  const auto now = std::chrono::steady_clock::now();
  for (; !closing_.empty() && closing_.front().over <= now; closing_.pop_front()) {
    receivers_.erase(closing_.front().port);
    lanes_->ports().close(closing_.front().port);
  }
}

bool CheckPackets::send(const dataplane::CheckPacket& packet) {
  return lanes_ != nullptr && lanes_->send(packet);
}

void CheckPackets::stop() {
  lanes_ = nullptr;
  timer_.cancel();
}

void CheckPackets::wait() {
  if (is_waiting_) return;
  is_waiting_ = true;
  const bool is_idle = receivers_.size() == closing_.size();
  timer_.expires_after(is_idle ? kBetweenIdleLooks : kBetweenLooks);
  timer_.async_wait([self = shared_from_this()](boost::system::error_code) {
    self->is_waiting_ = false;
    if (self->lanes_ == nullptr) return;
    self->receive();
    self->release_closed();
    if (!self->receivers_.empty()) self->wait();
  });
}

void CheckPackets::receive() {
  const size_t count = lanes_->take(received_);
  for (size_t i = 0; i < count; ++i) {
    const auto port = destination_port_of(received_[i].ip());
    const auto found = port ? receivers_.find(*port) : receivers_.end();
    if (found == receivers_.end() || !found->second) continue;
    const Receiver receiver = found->second;  // who receives may close the port
    receiver(received_[i].ip());
  }
}

}  // namespace sluice::ctrl

// The packets of checks that go through services: to the data plane, and its answers to who waits for them.
// Control loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/worker/check_lane.h"

namespace sluice::ctrl {

/// Shared by the connections, some of which may end after the data plane: stop() comes before that.
class CheckPackets : public std::enable_shared_from_this<CheckPackets> {
 public:
  using Receiver = std::function<void(std::span<const uint8_t> ip)>;

  CheckPackets(boost::asio::io_context& io, dataplane::CheckLanes& lanes);

  /// A port, drawn at random, so that others must guess it: what comes to it from a service's address goes to
  /// `receiver` until close(). Nothing: all are in use.
  std::optional<uint16_t> open(Receiver receiver);
  /// What comes for a second more is swallowed: the backend's last words are no martians.
  void close(uint16_t port);
  /// False: the data plane has not taken what was sent before.
  bool send(const dataplane::CheckPacket& packet);
  /// Nothing is sent or received any more.
  void stop();

 private:
  struct Closing {
    std::chrono::steady_clock::time_point over;
    uint16_t port;
  };
  void wait();
  void receive();
  void release_closed();

  boost::asio::steady_timer timer_;
  dataplane::CheckLanes* lanes_;                      ///< null: stopped
  std::unordered_map<uint16_t, Receiver> receivers_;  ///< none where the port is closing
  std::deque<Closing> closing_;                       ///< the earliest first
  std::vector<dataplane::CheckPacket> received_;
  bool is_waiting_ = false;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace sluice::ctrl

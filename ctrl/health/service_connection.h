// A check's connection by the way of a service's packets: to the service's address, at one backend, in the
// service's mode. Control loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/address.h"
#include "ctrl/health/check_connection.h"
#include "ctrl/health/check_packets.h"
#include "lb/service.h"

namespace sluice::ctrl {

/// How a service's packets get to one of its backends, and the answers back.
struct ServiceRoute {
  std::string service;     ///< its name
  lb::ForwardMode mode{};  ///< ipip, gue or direct
  IpAddress backend;
  IpAddress own;      ///< of a port: what the backend answers to
  IpAddress address;  ///< of the service
  uint16_t port = 0;  ///< of the service
  /// What would keep packets from leaving, in words; asked where a check has timed out.
  std::function<std::optional<std::string>()> problem;
};

class ServiceConnection : public CheckConnection {
 public:
  /// The time runs from here on.
  ServiceConnection(const boost::asio::any_io_executor& executor, std::shared_ptr<CheckPackets> packets,
                    ServiceRoute route, Kind kind, std::chrono::milliseconds timeout);
  ~ServiceConnection() override;
  ServiceConnection(const ServiceConnection&) = delete;
  ServiceConnection& operator=(const ServiceConnection&) = delete;

  boost::asio::awaitable<void> connect() override;
  boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) override;
  boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) override;
  boost::asio::awaitable<void> send_datagram(std::span<const uint8_t> bytes) override;

 private:
  struct State;
  /// Until something has come, or is due.
  boost::asio::awaitable<void> wait();

  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl

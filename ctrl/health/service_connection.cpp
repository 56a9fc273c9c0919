#include "ctrl/health/service_connection.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <random>
#include <utility>
#include <vector>

#include "ctrl/health/tcp_client.h"
#include "ctrl/wire/check_packet.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = TcpClient::Clock;

/// What leaves room for every header in the smallest MTU of IPv6, either way.
constexpr uint16_t kMostPayload = 1220;
constexpr size_t kMostDatagrams = 16;

}  // namespace

struct ServiceConnection::State {
  State(const asio::any_io_executor& executor, std::shared_ptr<CheckPackets> carrier, ServiceRoute way,
        Kind what, std::chrono::milliseconds patience)
      : packets(std::move(carrier)),
        route(std::move(way)),
        kind(what),
        timeout(patience),
        deadline(Clock::now() + patience),
        timer(executor),
        client(std::random_device{}(), kMostPayload, [this](const TcpSegment& segment) { send(segment); }) {}

  void receive(std::span<const uint8_t> ip) {
    if (kind == Kind::kStream) {
      const auto segment = read_tcp(ip, ends);
      if (!segment) return;
      client.receive(*segment, Clock::now());
    } else {
      const auto payload = read_udp(ip, ends);
      if (!payload || datagrams.size() >= kMostDatagrams) return;
      datagrams.emplace_back(payload->begin(), payload->end());
    }
    timer.cancel();
  }

  void send(const TcpSegment& segment) {
    packet.size = static_cast<uint16_t>(write_tcp(packet.bytes, ends, segment));
    pass_on();
  }

  /// What is not taken is lost, as on a wire, but it is remembered that it was not the backend's doing.
  void pass_on() {
    packet.mode = route.mode;
    packet.backend = route.backend;
    was_refused = !packets->send(packet);
  }

  std::optional<std::string> problem() const {
    if (was_refused) return "the data plane takes no packets";
    return route.problem ? route.problem() : std::nullopt;
  }

  const std::shared_ptr<CheckPackets> packets;
  const ServiceRoute route;
  const Kind kind;
  const std::chrono::milliseconds timeout;
  const Clock::time_point deadline;
  asio::steady_timer timer;
  CheckEnds ends;
  TcpClient client;
  std::deque<std::vector<uint8_t>> datagrams;
  dataplane::CheckPacket packet;
  bool was_refused = false;
};

ServiceConnection::ServiceConnection(const asio::any_io_executor& executor,
                                     std::shared_ptr<CheckPackets> packets, ServiceRoute route, Kind kind,
                                     std::chrono::milliseconds timeout)
    : state_(std::make_shared<State>(executor, std::move(packets), std::move(route), kind, timeout)) {
  const auto port = state_->packets->open([state = std::weak_ptr(state_)](std::span<const uint8_t> ip) {
    if (const auto here = state.lock()) here->receive(ip);
  });
  if (!port) throw CheckImpossible("no port is free");
  state_->ends = {state_->route.own, *port, state_->route.address, state_->route.port};
}

ServiceConnection::~ServiceConnection() {
  state_->client.abort();
  state_->packets->close(state_->ends.own_port);
}

awaitable<void> ServiceConnection::wait() {
  const auto now = Clock::now();
  if (now >= state_->deadline) end_timed_out(state_->timeout, now - state_->deadline, state_->problem());
  state_->timer.expires_at(std::min(state_->deadline, state_->client.due().value_or(state_->deadline)));
  boost::system::error_code ignored;  // that something has come
  co_await state_->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  state_->client.on_time(Clock::now());
}

awaitable<void> ServiceConnection::connect() {
  if (state_->kind == Kind::kDatagram) co_return;
  state_->client.open(Clock::now());
  while (state_->client.state() == TcpClient::State::kOpening) co_await wait();
  if (state_->client.state() != TcpClient::State::kOpen) throw CheckFailed("connection refused");
}

awaitable<size_t> ServiceConnection::read_some(std::span<uint8_t> bytes) {
  for (;;) {
    if (state_->kind == Kind::kDatagram && !state_->datagrams.empty()) {
      const std::vector<uint8_t> datagram = std::move(state_->datagrams.front());
      state_->datagrams.pop_front();
      const size_t size = std::min(bytes.size(), datagram.size());
      std::copy_n(datagram.begin(), size, bytes.begin());
      co_return size;
    }
    if (state_->kind == Kind::kStream) {
      if (const size_t size = state_->client.read(bytes); size != 0) co_return size;
      if (state_->client.has_ended()) co_return 0;
      if (state_->client.state() != TcpClient::State::kOpen) throw CheckFailed("connection reset by peer");
    }
    co_await wait();
  }
}

awaitable<void> ServiceConnection::write(std::span<const uint8_t> bytes) {
  if (state_->client.state() != TcpClient::State::kOpen) throw CheckFailed("connection reset by peer");
  state_->client.write(bytes, Clock::now());
  co_return;
}

awaitable<void> ServiceConnection::send_datagram(std::span<const uint8_t> bytes) {
  state_->packet.size = static_cast<uint16_t>(write_udp(state_->packet.bytes, state_->ends, bytes));
  if (state_->packet.size == 0) throw CheckImpossible("what is to be sent does not fit a packet");
  state_->pass_on();
  co_return;
}

}  // namespace sluice::ctrl

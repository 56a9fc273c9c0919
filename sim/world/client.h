// A client's small TCP and UDP: one connection, which asks some questions and is closed. It holds the answers
// to what a connection may expect of a gateway. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sim/core/chance.h"
#include "sim/world/packet.h"
#include "sim/world/scenario.h"
#include "sim/world/server.h"

namespace sluice::sim {

class Connection;

/// What a connection needs of the world.
class ClientWorld {
 public:
  virtual ~ClientWorld() = default;
  virtual Nanoseconds now() const = 0;
  virtual void after(Nanoseconds delay, std::function<void()> what) = 0;
  /// Towards the gateway; MAC addresses are filled in.
  virtual void send_to_gateway(Packet packet) = 0;
  /// The backend that gave its first answer.
  virtual void note_backend(const Connection& connection, uint16_t backend) = 0;
  [[noreturn]] virtual void violate(const std::string& what) = 0;
};

class Connection {
 public:
  enum class State : uint8_t {
    kNew,
    kSynSent,
    kOpen,  ///< established; or UDP
    kFinSent,
    kDone,     ///< closed as it should be
    kAborted,  ///< by itself, by RST or in silence
    kReset,    ///< by the other side
    kGaveUp,   ///< nobody answered
  };

  Connection(ClientWorld& world, uint32_t number, const ServicePlan& service, unsigned service_number,
             IpAddress client, uint16_t port, Chance chance);

  void start();
  /// A packet for its addresses and ports.
  void receive(const Packet& packet);

  State state() const { return state_; }
  bool has_ended() const { return state_ >= State::kDone; }
  bool is_open() const { return state_ == State::kOpen || state_ == State::kFinSent; }
  unsigned service() const { return service_number_; }
  uint16_t port() const { return port_; }
  const IpAddress& client() const { return client_; }
  std::optional<uint16_t> backend() const { return backend_; }
  Nanoseconds began() const { return began_; }
  /// Something was done to it for which it may move, be reset or lose packets, from now on.
  void disturb() { is_disturbed_ = true; }
  bool is_disturbed() const { return is_disturbed_; }
  /// Its packets may have been lost, but nothing else was done to it.
  void lose() { may_lose_ = true; }
  bool may_lose() const { return may_lose_ || is_disturbed_; }
  /// Its packets come to another gateway from now on, which knows it by its hash alone until they have come.
  void move() { has_moved_ = true; }
  bool has_moved() const { return has_moved_; }
  /// A packet of its own that somebody else might send, blindly.
  Packet forged(uint8_t flags, uint32_t sequence) const;
  FlowKey key() const;
  unsigned resent() const { return resent_; }
  std::string name() const;

 private:
  Packet packet(uint8_t flags) const;
  void send(const Packet& packet);
  void ask();
  void ask_later();
  void await(unsigned attempt);
  void repeat(unsigned attempt);
  void take_answer(const std::vector<uint8_t>& payload);
  void finish();
  void receive_tcp(const Packet& packet);

  ClientWorld& world_;
  uint32_t number_;
  const ServicePlan& service_;
  unsigned service_number_;
  IpAddress client_;
  uint16_t port_;
  Chance chance_;
  State state_ = State::kNew;
  Nanoseconds began_ = 0;
  unsigned rounds_;
  uint16_t round_ = 0;
  uint32_t sequence_ = 0;  ///< of the next byte
  uint32_t expected_ = 0;
  Packet last_;
  uint64_t waits_ = 0;  ///< which wait counts
  bool is_waiting_ = false;
  unsigned resent_ = 0;
  std::optional<uint16_t> backend_;
  bool is_disturbed_ = false;
  bool may_lose_ = false;
  bool has_moved_ = false;
  bool has_paused_long_ = false;
};

}  // namespace sluice::sim

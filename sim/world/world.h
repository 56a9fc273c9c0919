// A simulated world: one gateway, its two wires, the hosts at their ends, strangers, and people who change
// things. One seed decides all of it. What must always hold is checked all the time; what does not is a
// Violation. One thread, one world to a process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/chance.h"
#include "sim/core/simulated_gateway.h"
#include "sim/replay/assumed_neighbors.h"
#include "sim/world/client.h"
#include "sim/world/events.h"
#include "sim/world/scenario.h"
#include "sim/world/server.h"
#include "sim/world/trace.h"

namespace sluice::sim {

/// A backend that is, or was, or will be one.
struct BackendHost {
  unsigned pool;
  unsigned place;  ///< among the pool's
  Server server;
  bool is_alive = true;
  Nanoseconds alive_since = 0;
  bool is_found_down = false;  ///< by the health checks
  ctrl::AdminState state = ctrl::AdminState::kActive;
};

/// How a world ended.
struct WorldSummary {
  Nanoseconds lasted = 0;  ///< of virtual time
  uint64_t frames = 0;
  unsigned done = 0, aborted = 0, reset = 0, gave_up = 0;
};

class World final : public ClientWorld {
 public:
  explicit World(const Scenario& scenario);
  ~World() override;

  /// All of its life. Throws a Violation.
  WorldSummary run();
  const Trace& trace() const { return trace_; }

 private:
  friend class Changes;
  friend class Strangers;

  // For its connections.
  Nanoseconds now() const override { return gateway_->now(); }
  void after(Nanoseconds delay, std::function<void()> what) override {
    events_.at(now() + delay, std::move(what));
  }
  void send_to_gateway(Packet packet) override;
  [[noreturn]] void violate(const std::string& what) override;

  // Time.
  void live_until(Nanoseconds then);
  void turn_workers();
  bool is_waiting_for_store() const { return depth_ > 1; }

  // Wires.
  void put_on_wire(unsigned port, Frame frame);
  void carry(unsigned port, const Frame& frame);
  void remember(const Frame& frame);
  void take_from_wire(unsigned port, Frame frame);
  Nanoseconds wire_delay();
  void answer_neighbor(unsigned port, const Frame& frame);
  void deliver_to_client(const Packet& packet);
  void deliver_to_backend(const ReadPacket& read);
  BackendHost* backend_at(const MacAddress& mac);
  bool has_host(unsigned port, const IpAddress& address) const;

  // Connections.
  void begin_connections();
  Connection& begin_connection(unsigned service, const IpAddress& client);
  const BackendPlan& plan_of(const BackendHost& host) const {
    return scenario_.pools[host.pool].backends[host.place];
  }
  bool takes_new(const BackendHost& host) const;
  bool is_pool_sound(unsigned pool) const;
  bool has_returning(unsigned pool) const;
  bool may_give_way(const ServicePlan& service) const;
  void disturb_backend(const BackendHost& host);
  void disturb_pool(unsigned pool, bool only_new);

  // What must hold.
  void check_accounts(bool is_final);
  void check_connections();
  void check_liveness();
  void check_emptiness();

  Scenario scenario_;
  Chance chance_;
  Chance wire_chance_;
  Chance turn_chance_;
  WireFaults faults_;
  Trace trace_;
  Events events_;
  AssumedNeighbors neighbors_;
  std::vector<std::unique_ptr<BackendHost>> backends_;
  std::map<MacAddress, BackendHost*> backends_by_mac_;
  std::map<IpAddress, uint16_t> next_ports_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::map<std::pair<IpAddress, uint16_t>, Connection*> connections_by_client_;
  std::vector<Nanoseconds> stalled_until_;  ///< by worker
  std::vector<Frame> remembered_;           ///< of what hosts sent, for forgers
  uint64_t arrived_ = 0, left_ = 0;
  unsigned depth_ = 0;
  std::optional<Nanoseconds> last_flood_;
  std::unique_ptr<SimulatedGateway> gateway_;
};

}  // namespace sluice::sim

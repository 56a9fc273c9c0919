// A simulated world: gateways, a router in front of them, wires, the hosts at their ends, strangers, and
// people who change things. One seed decides all of it. What must always hold is checked all the time; what
// does not is a Violation. One thread, one world to a process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/core/chance.h"
#include "sim/core/simulated_gateway.h"
#include "sim/replay/assumed_neighbors.h"
#include "sim/world/client.h"
#include "sim/world/events.h"
#include "sim/world/gateway_node.h"
#include "sim/world/ledgers.h"
#include "sim/world/scenario.h"
#include "sim/world/server.h"
#include "sim/world/submitters.h"
#include "sim/world/trace.h"

namespace sluice::sim {

/// A backend that is, or was, or will be one.
struct BackendHost {
  unsigned pool;
  unsigned place;  ///< among the pool's
  Server server;
  bool is_alive = true;
  Nanoseconds alive_since = 0;
  Nanoseconds dead_since = 0;
  Nanoseconds listed_since = 0;
  bool is_found_down = false;  ///< by the health checks
  bool is_said_down = false;   ///< by their last result, though it may have been listed anew since then
  ctrl::AdminState state = ctrl::AdminState::kActive;
};

/// How a world ended.
struct WorldSummary {
  Nanoseconds lasted = 0;  ///< of virtual time
  uint64_t frames = 0;
  unsigned done = 0, aborted = 0, reset = 0, gave_up = 0;
};

/// A change of a pool's backends.
struct PoolChange {
  Nanoseconds over = 0;          ///< when all gateways have the same again; UINT64_MAX while it lasts
  bool is_from_unsound = false;  ///< while it lasts: no new flow could rely on the backends before it
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
  friend class Health;
  friend class Ledgers;
  friend class Outages;
  friend class Strangers;
  friend class Submitters;

  // For its connections.
  Nanoseconds now() const override { return now_; }
  void after(Nanoseconds delay, std::function<void()> what) override {
    events_.at(now() + delay, std::move(what));
  }
  void send_to_gateway(Packet packet) override;
  void note_backend(const Connection& connection, uint16_t backend) override;
  [[noreturn]] void violate(const std::string& what) override;

  // Time.
  void live_until(Nanoseconds then);
  void set_time(Nanoseconds then);
  void turn_workers(bool is_millisecond);
  void turn_stalling(GatewayNode& node);
  void look_around();
  /// Whether a change waits for workers just now: what else would change something has to come later.
  bool is_waiting_for_store() const { return depth_ > 1; }
  void when_idle(std::function<void()> what);

  // Gateways.
  void start_gateway(GatewayNode& node);
  void stop_gateway(GatewayNode& node, bool is_orderly);
  /// The registry tells a gateway who the backends of a pool are, or something that changes nothing.
  enum class Word : uint8_t { kMembers, kConfirmed, kLost };
  void tell_members(ctrl::Gateway& gateway, unsigned pool, Word word = Word::kMembers);
  void for_each_gateway(const std::function<void(GatewayNode&, ctrl::Gateway&)>& what);
  /// Which one the router in front gives a flow's packets; null: none is there.
  GatewayNode* route(const FlowKey& key);
  void set_routed(GatewayNode& node, bool is_routed);

  // Wires.
  void put_on_wire(GatewayNode& node, unsigned port, Frame frame);
  void carry(GatewayNode& node, unsigned port, const Frame& frame);
  void remember(const GatewayNode& node, unsigned port, const Frame& frame);
  void take_from_wire(GatewayNode& node, unsigned port, Frame frame);
  bool loses(const GatewayNode& node, unsigned port, size_t bytes);
  Nanoseconds wire_delay();
  void answer_neighbor(GatewayNode& node, unsigned port, const Frame& frame);
  void deliver_to_client(const Packet& packet);
  void deliver_to_backend(GatewayNode& node, const ReadPacket& read);
  void check_mode(const GatewayNode& node, const BackendHost& host, const ReadPacket& read);
  BackendHost* backend_at(const MacAddress& mac);
  bool has_host(unsigned port, const IpAddress& address) const;

  // Connections.
  void begin_connections();
  Connection& begin_connection(unsigned service, const IpAddress& client);
  const BackendPlan& plan_of(const BackendHost& host) const {
    return scenario_.pools[host.pool].backends[host.place];
  }
  ctrl::BackendKey key_of(const BackendHost& host) const;
  bool takes_new(const BackendHost& host) const;
  bool is_pool_sound(unsigned pool) const;
  bool has_returning(unsigned pool) const;
  bool may_give_way(const ServicePlan& service) const;
  void disturb_backend(const BackendHost& host);
  void disturb_pool(unsigned pool, bool only_new);
  /// Its packets may be lost, and come to another gateway.
  void disturb_route(Connection& connection);
  /// The tables of a pool change, by which flows that came to another gateway may only be known there.
  void disturb_moved(unsigned pool);
  /// The same for all that a gateway has; those that only lose packets stay with it.
  void disturb_routes(const GatewayNode& node, bool moves);

  // What must hold.
  void check_accounts(const GatewayNode& node, bool is_final);
  void check_bounds(const GatewayNode& node);
  void check_spread(const GatewayNode& node);
  void check_connections();
  void check_liveness();
  void check_addresses();
  void check_tables();
  void check_emptiness();

  Scenario scenario_;
  Chance chance_;
  Chance wire_chance_;
  Chance turn_chance_;
  WireFaults faults_;
  Trace trace_;
  Events events_;
  Nanoseconds now_;
  unsigned starts_ = 0;  ///< of gateways
  std::vector<std::unique_ptr<BackendHost>> backends_;
  std::map<MacAddress, BackendHost*> backends_by_mac_;
  std::map<IpAddress, uint16_t> next_ports_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::map<std::pair<IpAddress, uint16_t>, Connection*> connections_by_client_;
  /// Of what hosts sent, for forgers.
  struct Remembered {
    unsigned gateway, port;
    Frame frame;
  };
  std::vector<Remembered> remembered_;
  std::vector<PoolChange> pool_changes_;  ///< of each pool the last
  unsigned depth_ = 0;
  std::optional<Nanoseconds> last_flood_;
  std::set<std::pair<unsigned, IpAddress>> told_;  ///< addresses that gateways say are theirs
  std::unique_ptr<Ledgers> ledgers_;               ///< null: gateways have none
  std::unique_ptr<Submitters> submitters_;
  std::vector<std::unique_ptr<GatewayNode>> nodes_;
};

}  // namespace sluice::sim

// A balancer with everything it reads and writes, small and easily changed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lb/balancer.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {

struct World {
  static constexpr ServiceId kService = 1;
  static constexpr ServiceId kOtherService = 2;  ///< the same pool and mode at another address
  static constexpr ServiceId kUdpService = 3;    ///< the same at the first address, UDP port 53

  struct Size {
    unsigned backends;
    size_t entries;
  };
  explicit World(const Size& size)
      : entries(size.entries),
        addresses6(size.entries),
        buckets(FlowTable::buckets_for(size.entries)),
        backend_counters(size.backends) {
    for (unsigned i = 0; i < size.backends; ++i) {
      all_backends.push_back({.address = address("10.20.0." + std::to_string(11 + i)),
                              .port = port(8080),
                              .state = BackendState::kActive,
                              .keeps_flows = true,
                              .weight = 1 + i % 3});
    }
    set_table("203.0.113.10", "203.0.113.11");
    set_backends({.except = kNoBackend, .count = size.backends});
    set_service({});
    restart();
  }
  World(const World&) = delete;

  struct Eligible {
    BackendId except = kNoBackend;
    size_t count = 0;  ///< of all_backends; without `except`, none
  };
  /// Makes a pool of the backends wanted; the others are removed.
  void set_backends(const Eligible& wanted) {
    const size_t count = wanted.except != kNoBackend ? all_backends.size() : wanted.count;
    backends = all_backends;
    std::vector<WeightedEndpoint> eligible;
    for (BackendId id = 0; id < backends.size(); ++id) {
      if (id < count && id != wanted.except) {
        eligible.push_back(
            {{backends[id].address, backends[id].port, IpProtocol::kTcp}, backends[id].weight, id});
      } else {
        backends[id].state = BackendState::kRemoved;
        backends[id].keeps_flows = false;
      }
    }
    pool = PoolTable::build(3, eligible, 251, kKey, {.schedule = true});
    for (Service& service : services) {
      if (service.pool != nullptr) service.pool = pool.get();
    }
  }

  struct Wanted {
    std::optional<const PoolTable*> pool = std::nullopt;  ///< unless this world's
    Policy policy = Policy::kMaglev;
    ForwardMode forward = ForwardMode::kDirect;
    uint32_t idle_timeout_ms = 300'000;
  };
  void set_service(const Wanted& wanted) {
    const Service service{wanted.pool.value_or(pool.get()), wanted.policy, wanted.forward, IpProtocol::kTcp,
                          wanted.idle_timeout_ms};
    services = {{}, service, service, service};
    services[kUdpService].protocol = IpProtocol::kUdp;
  }

  void use_ipv6() {
    for (BackendId id = 0; id < all_backends.size(); ++id) {
      all_backends[id].address = address("fd20::" + std::to_string(11 + id));
    }
    set_table("2001:db8:1::10", "2001:db8:1::11");
    set_backends({.except = kNoBackend, .count = all_backends.size()});
  }

  /// A balancer that remembers nothing.
  void restart() {
    balancer.emplace(Balancer::Memory{entries, addresses6, buckets, services_counters, backend_counters,
                                      cursors, answers, admission},
                     ports, seed);
  }

  View view() const { return {table.get(), services, backends, kKey, snat}; }

  Decision send(const FlowKey& key, uint8_t tcp_flags = 0, uint16_t frame_bytes = 64,
                bool has_payload = false) {
    return send_foreseen(key, {}, tcp_flags, frame_bytes, has_payload);
  }
  Decision send_foreseen(const FlowKey& key, const Foresight& foresight, uint8_t tcp_flags = 0,
                         uint16_t frame_bytes = 64, bool has_payload = false) {
    const uint64_t hash = balancer->flows().hash(key);
    return balancer->balance(view(), balancer->flows().find(key, hash), key, hash,
                             {.tcp_flags = tcp_flags,
                              .frame_bytes = frame_bytes,
                              .has_payload = has_payload,
                              .received_ns = now_ns},
                             now_ms, foresight);
  }
  Foresight foresee(const FlowKey& key) const {
    const FlowKey* const asked = &key;
    Foresight foresight;
    balancer->foresee(view(), {&asked, 1}, {&foresight, 1});
    return foresight;
  }
  /// The key of the replies to a NAT flow.
  FlowKey reply_of(const Decision& decision) {
    const FlowTable& flows = balancer->flows();
    return flows.key_of(flows.at(decision.flow->peer));
  }
  /// A NAT flow whose handshake, or whose first question and answer and the next question, is done.
  Decision establish(const FlowKey& key) {
    const bool tcp = key.protocol == IpProtocol::kTcp;
    const Decision begun = send(key, tcp ? TcpHeader::kSyn : uint8_t{0});
    if (begun.flow == nullptr) return begun;
    send(reply_of(begun), tcp ? uint8_t{TcpHeader::kSyn | TcpHeader::kAck} : uint8_t{0});
    return send(key, tcp ? TcpHeader::kAck : uint8_t{0});
  }
  void expire_all() { balancer->expire(view(), now_ms, static_cast<unsigned>(entries.size())); }
  void forget_all() {
    const auto kept = services;
    services = {{}, {}, {}, {}};
    expire_all();
    services = kept;
  }

  /// Flows counted by the backends' gauges.
  uint64_t active_total() const {
    uint64_t total = 0;
    for (const auto& counters : backend_counters) total += counters.active_flows.read();
    return total;
  }
  /// Everything that a packet may leave a trace in.
  std::vector<uint64_t> snapshot() const {
    std::vector<uint64_t> result(cursors.begin(), cursors.end());
    for (const auto* const counters : {&services_counters, &backend_counters}) {
      for (const auto& each : *counters) {
        for (const uint64_t value :
             {each.packets.read(), each.bytes.read(), each.flows.read(), each.active_flows.read()}) {
          result.push_back(value);
        }
      }
    }
    for (const FlowEntry& entry : entries) {
      result.push_back(uint64_t{entry.last_seen_ms} << 32 | static_cast<unsigned>(entry.state));
    }
    return result;
  }

  std::vector<Backend> all_backends;  ///< as they are when they are wanted
  std::vector<Backend> backends;
  std::vector<Service> services;
  std::vector<IpAddress> snat = {address("10.20.0.1"), address("fd20::1")};
  std::shared_ptr<const PoolTable> pool;
  std::unique_ptr<const ServiceTable> table;
  PortSlice ports;
  uint64_t seed = 1;
  uint32_t now_ms = UINT32_MAX - 1000;  // soon to wrap
  uint64_t now_ns = 1'000'000'000;      // of limits alone
  FlowAdmission* admission = nullptr;   // counts from the next restart() on

  std::vector<FlowEntry> entries;
  std::vector<Addresses6> addresses6;
  std::vector<FlowTable::Bucket> buckets;
  std::vector<TargetCounters> services_counters{4};
  std::vector<TargetCounters> backend_counters;
  std::vector<AnswerCounters> answers{4};
  std::vector<uint32_t> cursors = std::vector<uint32_t>(8);
  std::optional<Balancer> balancer;

 private:
  void set_table(std::string_view one, std::string_view other) {
    const std::vector<ServiceMatch> matches = {
        {{address(one), Prefix::parse(one)->length}, 80, 80, IpProtocol::kTcp, kService},
        {{address(other), Prefix::parse(other)->length}, 80, 80, IpProtocol::kTcp, kOtherService},
        {{address(one), Prefix::parse(one)->length}, 53, 53, IpProtocol::kUdp, kUdpService}};
    table = ServiceTable::build(matches);
  }
};

}  // namespace sluice::lb

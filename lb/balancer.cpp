#include "lb/balancer.h"

#include <algorithm>

#include "lb/pick.h"
#include "lb/rebind.h"

namespace sluice::lb {
namespace {

constexpr uint32_t kEmbryonicLifeMs = 30'000;
constexpr uint32_t kClosingLifeMs = 10'000;

constexpr uint8_t kFinFromClient = 1;
constexpr uint8_t kFinFromBackend = 2;
constexpr uint8_t kFinFromBoth = kFinFromClient | kFinFromBackend;

inline uint32_t life_ms(const Service& service, FlowState state) {
  switch (state) {
    case FlowState::kEmbryonic:
      return std::min(kEmbryonicLifeMs, service.idle_timeout_ms);
    case FlowState::kClosing:
      return std::min(kClosingLifeMs, service.idle_timeout_ms);
    case FlowState::kFree:
    case FlowState::kEstablished:
      return service.idle_timeout_ms;
  }
  __builtin_unreachable();
}

/// Whether a bound flow has been idle beyond its life. Looks at the peer's line only if it has to.
inline bool is_over(const View& view, const FlowTable& flows, const FlowEntry& flow, uint32_t now_ms) {
  const uint32_t life = life_ms(view.services[flow.service], flow.state);
  return now_ms - flow.last_seen_ms > life && flows.idle_ms(flow, now_ms) > life;
}

/// The binding of a flow that goes on in `view`.
std::optional<Binding> bound_in(const View& view, const FlowTable& flows, const FlowEntry& flow,
                                uint32_t now_ms) {
  const auto binding = binding_of(view, flows, flow);
  if (!binding) return std::nullopt;
  FlowEntry bound = flow;
  bound.service = binding->service;
  bound.backend = binding->backend;
  return is_over(view, flows, bound, now_ms) ? std::nullopt : binding;
}

bool is_opening(IpProtocol protocol, const PacketFacts& packet) {
  return protocol == IpProtocol::kTcp &&
         (packet.tcp_flags & (TcpHeader::kSyn | TcpHeader::kAck)) == TcpHeader::kSyn;
}

/// Whether a SYN on a known flow begins another one: it is a retransmission where only SYNs were seen.
bool begins_anew(const View& view, const FlowEntry& flow, const PacketFacts& packet) {
  return is_opening(flow.key.protocol, packet) && !flow.is_reply &&
         !(flow.state == FlowState::kEmbryonic && view.backends[flow.backend].state == BackendState::kActive);
}

/// Whether a packet may move the state of a TCP flow on: few do.
bool is_telling(const FlowEntry& flow, const PacketFacts& packet) {
  return flow.state == FlowState::kEmbryonic || (packet.tcp_flags & (TcpHeader::kFin | TcpHeader::kRst)) != 0;
}

Decision cached(FlowEntry& flow) {
  return {.outcome = Outcome::kCached,
          .is_reply = flow.is_reply,
          .service = flow.service,
          .backend = flow.backend,
          .flow = &flow};
}

}  // namespace

Balancer::Balancer(const Memory& memory, PortSlice ports, uint64_t seed)
    : flows_(memory.entries, memory.buckets, seed),
      services_(memory.services),
      backends_(memory.backends),
      cursors_(memory.cursors),
      ports_(ports),
      random_(~seed),
      // Not at the slice's first port: after a restart backends still have those of the last run in
      // TIME-WAIT.
      next_port_(static_cast<uint32_t>((seed >> 32) % (uint32_t{ports.last} - ports.first + 1))) {}

Decision Balancer::balance(const View& view, const FlowKey& key, uint64_t hash, const PacketFacts& packet,
                           uint32_t now_ms) {
  FlowEntry* const flow = flows_.find(key, hash);
  if (flow != nullptr) {
    if (keep(view, *flow) && !begins_anew(view, *flow, packet) && !is_over(view, flows_, *flow, now_ms)) {
      flow->last_seen_ms = now_ms;
      if (key.protocol == IpProtocol::kTcp && is_telling(*flow, packet)) follow(*flow, packet);
      if (!flow->is_reply) {
        services_[flow->service].count_packet(packet.frame_bytes);
        backends_[flow->backend].count_packet(packet.frame_bytes);
      }
      return cached(*flow);
    }
    forget(*flow);
  }
  return start(view, key, hash, packet, now_ms);
}

/// Whether a flow goes on as far as the configuration goes. It is given the numbers that it has now.
bool Balancer::keep(const View& view, FlowEntry& flow) {
  if (is_bound(view, flow)) [[likely]]
    return true;
  const auto binding = binding_of(view, flows_, flow);
  if (binding) rebind(flows_, flow, *binding, services_, backends_);
  return binding.has_value();
}

/// Moves the state of a TCP flow on.
void Balancer::follow(FlowEntry& flow, const PacketFacts& packet) {
  const uint8_t flags = packet.tcp_flags;
  if (flow.state == FlowState::kEmbryonic && !flow.is_reply && (flags & TcpHeader::kSyn) == 0) {
    set_state(flow, FlowState::kEstablished, flow.fin_seen);
  }
  if ((flags & (TcpHeader::kFin | TcpHeader::kRst)) == 0) return;
  uint8_t fin_seen = flow.fin_seen;
  if ((flags & TcpHeader::kFin) != 0) {
    fin_seen |= flow.is_reply ? kFinFromBackend : kFinFromClient;
    // Without NAT the backend answers past the gateway, so its FIN is never seen.
    if (flow.peer == kNoFlow) fin_seen |= kFinFromBackend;
  }
  const bool is_closing = (flags & TcpHeader::kRst) != 0 || fin_seen == kFinFromBoth;
  set_state(flow, is_closing ? FlowState::kClosing : flow.state, fin_seen);
}

void Balancer::set_state(FlowEntry& flow, FlowState state, uint8_t fin_seen) {
  flows_.set_state(flow, state);
  flow.fin_seen = fin_seen;
  if (flow.peer == kNoFlow) return;
  FlowEntry& peer = flows_.at(flow.peer);
  flows_.set_state(peer, state);
  peer.fin_seen = fin_seen;
}

Balancer::Plan Balancer::plan(const View& view, const FlowKey& key, uint32_t now_ms, ServiceId id,
                              const Steps& steps) {
  const Service& service = view.services[id];
  const Pick picked = pick(*service.pool, service.policy, key, view.hash_key,
                           {view.backends, backends_, steps.cursor, steps.random});
  Plan plan{{.outcome = Outcome::kNoBackend, .service = id, .backend = picked.backend, .slot = picked.slot},
            {}};
  if (picked.backend == kNoBackend) return plan;
  plan.decision.outcome = Outcome::kPicked;
  if (!service.is_nat()) return plan;
  const Backend& backend = view.backends[picked.backend];
  const auto translation = service.forward == ForwardMode::kDnat
                               ? translate_destination(flows_, key, backend)
                               : translate_both(flows_, key, backend, view.snat, ports_, steps.port, now_ms);
  if (!translation) {
    plan.decision.outcome = Outcome::kPortExhausted;
  } else {
    plan.translation = *translation;
  }
  return plan;
}

Decision Balancer::start(const View& view, const FlowKey& key, uint64_t hash, const PacketFacts& packet,
                         uint32_t now_ms) {
  const ServiceId id = find_service(view, key);
  if (id == kNoService) return {};
  const Service& service = view.services[id];
  Plan plan = this->plan(view, key, now_ms, id, {cursors_[service.pool->index()], random_, next_port_});
  Decision& decision = plan.decision;
  if (decision.outcome != Outcome::kPicked) return decision;

  const FlowState state = is_opening(key.protocol, packet) ? FlowState::kEmbryonic : FlowState::kEstablished;
  decision.flow = service.is_nat() ? remember_both(plan, key, hash, now_ms, state)
                                   : remember(plan, key, hash, now_ms, state);
  if (decision.flow == nullptr) {
    table_full_.add();
    if (service.is_nat()) {
      decision.outcome = Outcome::kPortExhausted;
      return decision;
    }
  } else if (key.protocol == IpProtocol::kTcp) {
    follow(*decision.flow, packet);
  }
  services_[decision.service].count_packet(packet.frame_bytes);
  backends_[decision.backend].count_packet(packet.frame_bytes);
  return decision;
}

FlowEntry* Balancer::insert(const Plan& plan, const FlowKey& key, uint64_t hash, uint32_t now_ms,
                            FlowState state, FlowTable::Eviction eviction, FlowIndex keep) {
  FlowEntry* const entry = flows_.insert(
      key, hash, state, now_ms, eviction, [this](const FlowEntry& evicted) { count_gone(evicted); }, keep);
  if (entry == nullptr) return nullptr;
  entry->service = plan.decision.service;
  entry->backend = plan.decision.backend;
  return entry;
}

FlowEntry* Balancer::remember(const Plan& plan, const FlowKey& key, uint64_t hash, uint32_t now_ms,
                              FlowState state) {
  FlowEntry* const flow = insert(plan, key, hash, now_ms, state, FlowTable::Eviction::kShortLived, kNoFlow);
  if (flow != nullptr) count_begun(*flow);
  return flow;
}

FlowEntry* Balancer::remember_both(const Plan& plan, const FlowKey& key, uint64_t hash, uint32_t now_ms,
                                   FlowState state) {
  const Translation& translation = plan.translation;
  if (translation.displaced != kNoFlow) forget(flows_.at(translation.displaced));
  constexpr auto kOldest = FlowTable::Eviction::kOldest;
  FlowEntry* const flow = insert(plan, key, hash, now_ms, state, kOldest, kNoFlow);
  if (flow == nullptr) return nullptr;
  FlowEntry* const reply = insert(plan, translation.reply, flows_.hash(translation.reply), now_ms, state,
                                  kOldest, flows_.index_of(*flow));
  if (reply == nullptr) {
    flows_.erase(*flow);
    return nullptr;
  }
  flow->peer = flows_.index_of(*reply);
  reply->peer = flows_.index_of(*flow);
  reply->is_reply = true;
  flow->translated_port = reply->translated_port = translation.source_port;
  flow->snat = reply->snat = translation.snat;
  count_begun(*flow);
  return flow;
}

void Balancer::count_begun(const FlowEntry& flow) {
  for (TargetCounters* const target : {&services_[flow.service], &backends_[flow.backend]}) {
    target->flows.add();
    target->active_flows.add(1);
  }
}

void Balancer::count_gone(const FlowEntry& flow) {
  services_[flow.service].active_flows.add(-1);
  backends_[flow.backend].active_flows.add(-1);
}

void Balancer::forget(FlowEntry& flow) {
  count_gone(flow);
  flows_.erase(flow);
}

Decision Balancer::explain(const View& view, const FlowKey& key, uint32_t now_ms) {
  if (FlowEntry* const flow = flows_.find(key, flows_.hash(key)); flow != nullptr) {
    const auto bound = bound_in(view, flows_, *flow, now_ms);
    if (bound) return {Outcome::kCached, flow->is_reply, bound->service, bound->backend, UINT32_MAX, flow};
  }
  const ServiceId id = find_service(view, key);
  if (id == kNoService) return {};
  uint32_t cursor = cursors_[view.services[id].pool->index()];
  uint64_t random = random_;
  uint32_t port = next_port_;
  return plan(view, key, now_ms, id, {cursor, random, port}).decision;
}

Decision Balancer::find_quoted(const View& view, const FlowKey& quoted) {
  // Either entry of a flow has the key of the packets that come in; the quoted packet went out.
  const FlowKey key = quoted.reversed();
  FlowEntry* const flow = flows_.find(key, flows_.hash(key));
  if (flow != nullptr && keep(view, *flow)) return cached(*flow);
  const ServiceId id = find_service(view, key);
  if (id == kNoService) return {};
  const Service& service = view.services[id];
  const bool hashes = service.policy == Policy::kMaglev || service.policy == Policy::kSourceHash;
  if (service.is_nat() || !hashes) return {};
  if (service.pool->empty()) return {.outcome = Outcome::kNoBackend, .service = id};
  const Pick picked = pick_by_hash(*service.pool, service.policy, key, view.hash_key);
  return {.outcome = Outcome::kPicked, .service = id, .backend = picked.backend, .slot = picked.slot};
}

ServiceId Balancer::losing_service(const View& now, const View& then, const FlowEntry& flow,
                                   uint32_t now_ms) const {
  if (flow.state == FlowState::kFree || flow.state == FlowState::kClosing || flow.is_reply) return kNoService;
  const auto present = bound_in(now, flows_, flow, now_ms);
  return present && !bound_in(then, flows_, flow, now_ms) ? present->service : kNoService;
}

void Balancer::expire(const View& view, uint32_t now_ms, unsigned entries) {
  for (; entries > 0; --entries) {
    FlowEntry& flow = flows_.at(expiry_cursor_);
    expiry_cursor_ = expiry_cursor_ + 1 == flows_.capacity() ? 0 : expiry_cursor_ + 1;
    if (flow.state == FlowState::kFree || flow.is_reply) continue;
    if (!keep(view, flow) || is_over(view, flows_, flow, now_ms)) forget(flow);
  }
}

}  // namespace sluice::lb

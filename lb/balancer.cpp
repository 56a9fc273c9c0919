#include "lb/balancer.h"

#include "lb/flow_admission.h"
#include "lb/handshake_watch.h"
#include "lb/pool_steering.h"
#include "lb/rebind.h"
#include "lb/service_rules.h"

namespace sluice::lb {
namespace {

/// A table with fewer than this part of its entries free is all but full.
constexpr size_t kAllButFull = 16;

/// Whether a bound flow has been idle beyond its life. Looks at the peer's line only if it has to.
inline bool is_over(const View& view, const FlowTable& flows, const FlowEntry& flow, uint32_t now_ms) {
  const uint32_t life = life_ms(flow, view.services[flow.service].idle_timeout_ms);
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

/// Where a new flow of a service goes.
const PoolTable& pool_for(const View& view, const Service& service, const FlowKey& key) {
  if (service.steering == nullptr) [[likely]]
    return *service.pool;
  return *(*view.pools)[service.steering->choose(key, service.policy, view.hash_key).pool];
}

bool takes_new_flows(const Backend& backend) {
  const bool fails_open = backend.state == BackendState::kDown && backend.keeps_flows;
  return (backend.state == BackendState::kActive || fails_open) && backend.weight != 0;
}

/// Whether a SYN on a known flow begins another one. On a live flow it does not: anybody could have sent it,
/// and whoever holds the connection's other end decides (RFC 5961, section 4). Nor where the client alone has
/// reset one that was not answered: its SYN comes again to the port that its RST has freed.
bool begins_anew(const View& view, const FlowEntry& flow, const PacketFacts& packet) {
  const bool is_ended = flow.is_closed() && !is_refused(flow);
  return is_opening(packet.tcp_flags) && !flow.is_reply &&
         (is_ended || flow.watch == FlowWatch::kBlocked || !takes_new_flows(view.backends[flow.backend]));
}

/// Why a flow does not go on that keep() refuses.
FlowEnd end_of_refused(const View& view, const FlowEntry& flow) {
  if (flow.service >= view.services.size() || view.services[flow.service].pool == nullptr ||
      flow.backend >= view.backends.size()) {
    return FlowEnd::kRemoved;
  }
  const Backend& backend = view.backends[flow.backend];
  if (backend.state != BackendState::kRemoved) return FlowEnd::kMoved;
  return backend.address == IpAddress{} ? FlowEnd::kFlushed : FlowEnd::kRemoved;
}

/// Why one does not go on that it keeps: it is over, or a SYN begins another.
FlowEnd end_of_bound(const View& view, const FlowTable& flows, const FlowEntry& flow, uint32_t now_ms) {
  if (is_over(view, flows, flow, now_ms)) return FlowEnd::kIdle;
  return flow.watch == FlowWatch::kBlocked ? FlowEnd::kRemoved : FlowEnd::kMoved;
}

/// Whether a packet may move the state of its flow on: few do.
bool is_telling(const FlowEntry& flow, const PacketFacts& packet) {
  return !flow.is_settled || (packet.tcp_flags & TcpHeader::kTurning) != 0;
}

/// NAT cannot forward a new flow without an entry. One that goes on from somewhere else may be old, or
/// anybody's invention: nobody answered has to go for it.
FlowTable::Eviction eviction_for(const Service& service, IpProtocol protocol, FlowState state) {
  const bool may_be_new = state == FlowState::kEmbryonic || protocol == IpProtocol::kUdp;
  return service.is_nat() && may_be_new ? FlowTable::Eviction::kAnyone : FlowTable::Eviction::kUnanswered;
}

/// Whether a service lets a client send.
bool admits(const View& view, ServiceId service, const FlowKey& key) {
  const ServiceRules* const rules = view.services[service].rules;
  return rules == nullptr || rules->access == nullptr || rules->access->admits(key.source);
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
    : flows_(memory.entries, memory.addresses6, memory.buckets, seed),
      services_(memory.services),
      backends_(memory.backends),
      cursors_(memory.cursors),
      answers_(memory.answers),
      admission_(memory.admission),
      ports_(ports, memory.entries.size() / 2, static_cast<uint32_t>(seed >> 32)),
      random_(~seed) {}

Decision Balancer::balance(const View& view, FlowEntry* flow, const FlowKey& key, uint64_t hash,
                           const PacketFacts& packet, uint32_t now_ms, const Foresight& foresight) {
  if (flow != nullptr) {
    const bool is_kept = keep(view, *flow);
    if (is_kept && !begins_anew(view, *flow, packet) && !is_over(view, flows_, *flow, now_ms)) {
      flow->last_seen_ms = now_ms;
      if (is_telling(*flow, packet)) follow(view, *flow, packet);
      if (!flow->is_reply) {
        services_[flow->service].count_packet(packet.frame_bytes);
        backends_[flow->backend].count_packet(packet.frame_bytes);
      } else {
        answers_[flow->service].count(packet.frame_bytes);
      }
      if (accounts_ != nullptr) account(*flow, packet.frame_bytes);
      return cached(*flow);
    }
    const FlowEnd end = is_kept ? end_of_bound(view, flows_, *flow, now_ms) : end_of_refused(view, *flow);
    forget(*flow, end);
  }
  return start(view, key, hash, packet, now_ms, foresight);
}

/// Whether a flow goes on as far as the configuration goes. It is given the numbers that it has now.
bool Balancer::keep(const View& view, FlowEntry& flow) {
  if (is_bound(view, flow)) [[likely]]
    return true;
  const auto binding = binding_of(view, flows_, flow);
  if (!binding) return false;
  if (admission_ != nullptr) {
    FlowEntry& request = flow.is_reply ? flows_.at(flow.peer) : flow;
    request.source_mark = admission_->moved(flow.service, flow.backend, binding->service, binding->backend,
                                            flows_.key_of(request), request.source_mark);
  }
  const bool is_open = handshakes_ != nullptr && flow.peer != kNoFlow && !flow.is_closed();
  if (is_open) handshakes_->count_open(flow.backend, false);
  rebind(flows_, flow, *binding, services_, backends_);
  if (is_open) handshakes_->count_open(flow.backend, true);
  return true;
}

void Balancer::follow(const View& view, FlowEntry& flow, const PacketFacts& packet) {
  const Progress next = progress(flow, packet);
  if (handshakes_ != nullptr && flow.peer != kNoFlow) {
    follow_handshake(view, flow, packet);
    if (flow.is_timed) [[unlikely]]
      follow_first_answer(flow, packet);
  }
  const bool was_closed = flow.is_closed();
  if (next.state != flow.state || next.ended != flow.ended) flows_.set_state(flow, next.state, next.ended);
  const bool is_last = (packet.tcp_flags & TcpHeader::kFin) != 0 && !flow.is_reply;
  if (is_last && flow.peer != kNoFlow) note_end(flow, packet.next_sequence);
  const bool counts = handshakes_ != nullptr && flow.peer != kNoFlow && flow.is_closed() != was_closed;
  if (counts) handshakes_->count_open(flow.backend, was_closed);
}

/// What goes on without a flow while the table is all but full may belong to one that could not be
/// remembered, which went by the hash.
[[gnu::always_inline]] inline Pick Balancer::pick_for(const View& view, const FlowKey& key,
                                                      const Service& service, FlowState state,
                                                      const Steps& steps) const {
  const bool is_all_but_full = (flows_.capacity() - flows_.size()) * kAllButFull < flows_.capacity();
  const bool goes_on = state == FlowState::kStray && key.protocol == IpProtocol::kTcp;
  const bool by_hash = is_all_but_full && goes_on && !service.is_nat() && !hashes(service.policy);
  Draw draw{view.backends, backends_, steps.cursor, steps.random};
  if (admission_ != nullptr) draw.flows = admission_->backend_flows();
  if (handshakes_ != nullptr) {
    draw.answer_times = handshakes_->answer_times().data();
    draw.now_ns = handshakes_->now_ns();
  }
  const Policy policy = by_hash ? Policy::kMaglev : service.policy;
  return pick(steps.pool, policy, key, view.hash_key, draw, steps.foresight.pick);
}

/// pick_for(), and a place for the flow at that backend, where its flows are counted. Another worker may take
/// the last place of a backend while this one picks it: then it is full, and passed over the next time.
[[gnu::always_inline]] inline Pick Balancer::place_for(const View& view, const FlowKey& key,
                                                       const Service& service, FlowState state,
                                                       const Steps& steps) {
  if (steps.foresight.pick.backend != kNoBackend && admission_ == nullptr) return steps.foresight.pick;
  constexpr unsigned kTries = 16;
  for (unsigned tries = 0; tries < kTries; ++tries) {
    const Pick picked = pick_for(view, key, service, state, steps);
    if (picked.backend == kNoBackend || steps.is_rehearsal || admission_ == nullptr ||
        admission_->take_backend(picked.backend, view.backends[picked.backend].most_flows)) {
      return picked;
    }
  }
  return {.all_full = true};
}

/// By the mode of a NAT service. Nothing: the decision is that no port is left.
[[gnu::always_inline]] inline std::optional<Translation> Balancer::translate(
    const View& view, const FlowKey& key, const Newcomer& newcomer, const Steps& steps, Decision& decision) {
  const Backend& backend = view.backends[decision.backend];
  const bool is_dnat = view.services[decision.service].forward == ForwardMode::kDnat;
  const bool is_foreseen =
      steps.foresight.reply_hash != 0 && decision.backend == steps.foresight.pick.backend;
  const auto reply_hash = [&] {
    return is_foreseen ? steps.foresight.reply_hash : flows_.hash(reply_key(key, backend));
  };
  const auto translate_with_port = [&] {
    uint32_t turn = ports_.turn_of(backend);
    std::optional<Translation> found =
        translate_both(flows_, key, backend, view.snat, ports_, turn, newcomer);
    if (!steps.is_rehearsal) ports_.turn_of(backend) = turn;
    return found;
  };
  std::optional<Translation> translation =
      is_dnat ? translate_destination(flows_, key, backend, reply_hash(), newcomer.state)
              : translate_with_port();
  if (translation) {
    decision.former_sequence = translation->former_sequence;
  } else {
    decision.outcome = Outcome::kPortExhausted;
  }
  return translation;
}

/// What starting a flow would do, before it is done. For NAT, where it can be, the translation too.
[[gnu::always_inline]] inline std::optional<Translation> Balancer::plan(const View& view, const FlowKey& key,
                                                                        ServiceId id,
                                                                        const Newcomer& newcomer,
                                                                        const Steps& steps,
                                                                        Decision& decision) {
  const Service& service = view.services[id];
  const Pick picked = place_for(view, key, service, newcomer.state, steps);
  decision.outcome = Outcome::kNoBackend;
  decision.service = id;
  decision.backend = picked.backend;
  decision.slot = picked.slot;
  if (picked.all_full) {
    decision.outcome = Outcome::kRateLimited;
    decision.limit = Limit::kBackendFlows;
  }
  if (picked.backend == kNoBackend) return std::nullopt;
  decision.outcome = Outcome::kPicked;
  if (!service.is_nat()) return std::nullopt;
  return translate(view, key, newcomer, steps, decision);
}

[[gnu::always_inline]] inline Decision Balancer::start(const View& view, const FlowKey& key, uint64_t hash,
                                                       const PacketFacts& packet, uint32_t now_ms,
                                                       const Foresight& foresight) {
  Decision decision;
  const ServiceId id = foresight.service != kNoService ? foresight.service : find_service(view, key);
  if (id == kNoService) return decision;
  const Service& service = view.services[id];
  const bool is_remembered = !begins_nothing(packet.tcp_flags);
  if (!is_remembered && service.is_nat()) return decision;
  const Newcomer newcomer{is_opening(packet.tcp_flags) ? FlowState::kEmbryonic : FlowState::kStray, now_ms};
  const PoolTable& pool = pool_for(view, service, key);
  FlowAdmission::Verdict admitted;
  if (admission_ != nullptr && admission_->is_known_full(pool.index(), packet.received_ns)) {
    admitted.limit = Limit::kBackendFlows;
  } else if (admission_ != nullptr && is_remembered) {
    admitted = admission_->admit(id, key, packet.received_ns);
  }
  if (admitted.limit != Limit::kNone) {
    decision = {.outcome = Outcome::kRateLimited, .service = id, .limit = admitted.limit};
    return decision;
  }
  const Steps steps{pool, cursors_[pool.index()], random_, foresight};
  const std::optional<Translation> translation = plan(view, key, id, newcomer, steps, decision);
  if (decision.outcome == Outcome::kPicked && is_remembered) {
    decision.flow = remember(view, decision, translation, key, hash, newcomer);
  }
  if (decision.flow != nullptr) {
    decision.flow->source_mark = admitted.source_mark;
  } else if (admission_ != nullptr) {
    if (decision.limit == Limit::kBackendFlows) admission_->note_full(pool.index(), packet.received_ns);
    if (is_remembered) admission_->withdraw(id, key, admitted.source_mark);
    if (decision.backend != kNoBackend) admission_->give_back_backend(decision.backend);
  }
  if (decision.outcome != Outcome::kPicked) return decision;

  if (decision.flow != nullptr) {
    if ((packet.tcp_flags & TcpHeader::kFin) != 0) follow(view, *decision.flow, packet);
  } else if (service.is_nat()) {
    decision.outcome = Outcome::kPortExhausted;
    return decision;
  } else if (is_remembered && !hashes(service.policy)) {
    // Its next packet must go to the same backend.
    const Pick picked = pick_by_hash(pool, Policy::kMaglev, key, view.hash_key);
    decision.backend = picked.backend;
    decision.slot = picked.slot;
  }
  services_[decision.service].count_packet(packet.frame_bytes);
  backends_[decision.backend].count_packet(packet.frame_bytes);
  if (accounts_ != nullptr && decision.flow != nullptr) account(*decision.flow, packet.frame_bytes);
  return decision;
}

[[gnu::always_inline]] inline FlowEntry* Balancer::remember(const View& view, const Decision& decision,
                                                            const std::optional<Translation>& translation,
                                                            const FlowKey& key, uint64_t hash,
                                                            const Newcomer& newcomer) {
  const Service& service = view.services[decision.service];
  const FlowTable::Eviction eviction = eviction_for(service, key.protocol, newcomer.state);
  if (translation && translation->displaced != kNoFlow) {
    count_evicted(flows_.at(translation->displaced));
    flows_.erase(flows_.at(translation->displaced));
  }
  const bool has_room = flows_.capacity() - flows_.size() >= (service.is_nat() ? 2u : 1u);
  FlowEntry* flow = flows_.insert(key, hash, newcomer.state, newcomer.now_ms, eviction,
                                  [this](const FlowEntry& evicted) { count_evicted(evicted); });
  if (flow != nullptr) {
    flow->service = decision.service;
    flow->backend = decision.backend;
    if (translation && !join_reply(*flow, *translation, newcomer.now_ms, eviction)) {
      flows_.erase(*flow);
      flow = nullptr;
    }
  }
  if (!has_room || flow == nullptr) table_full_.add();
  if (flow == nullptr) return nullptr;
  count_begun(*flow);
  if (accounts_ != nullptr) {
    accounts_->begin(flows_.index_of(*flow));
    if (flow->peer != kNoFlow) accounts_->begin(flow->peer);
  }
  if (handshakes_ != nullptr && flow->peer != kNoFlow && flow->state == FlowState::kEmbryonic) {
    handshakes_->begin(flows_.index_of(*flow), flow->backend, service.watches_failures);
    handshakes_->prefetch_after(flows_.next_to_yield());
  }
  if (service.policy == Policy::kLeastResponseTime) time_first_answer(*flow);
  return flow;
}

[[gnu::always_inline]] inline bool Balancer::join_reply(FlowEntry& flow, const Translation& translation,
                                                        uint32_t now_ms, FlowTable::Eviction eviction) {
  FlowEntry* const reply = flows_.insert_reply(flow, translation.reply, translation.hash, now_ms, eviction,
                                               [this](const FlowEntry& evicted) { count_evicted(evicted); });
  if (reply == nullptr) return false;
  flow.translated_port = reply->translated_port = translation.source_port;
  flow.snat = reply->snat = translation.snat;
  if (translation.is_reused) ports_.reuse(translation.hash);
  return true;
}

Decision Balancer::explain(const View& view, const FlowKey& key, uint32_t now_ms, uint64_t now_ns) {
  if (FlowEntry* const flow = flows_.find(key, flows_.hash(key)); flow != nullptr) {
    const auto bound = bound_in(view, flows_, *flow, now_ms);
    if (bound) return {Outcome::kCached, flow->is_reply, bound->service, bound->backend, UINT32_MAX, flow};
  }
  const ServiceId id = find_service(view, key);
  if (id == kNoService) return {};
  const Limit limit = admission_ != nullptr ? admission_->refusal(id, key, now_ns) : Limit::kNone;
  if (limit != Limit::kNone) return {.outcome = Outcome::kRateLimited, .service = id, .limit = limit};
  const PoolTable& pool = pool_for(view, view.services[id], key);
  uint32_t cursor = cursors_[pool.index()];
  uint64_t random = random_;
  Decision decision;
  plan(view, key, id, {FlowState::kEmbryonic, now_ms}, {pool, cursor, random, {}, true}, decision);
  return decision;
}

Decision Balancer::find_quoted(const View& view, const FlowKey& quoted) {
  // Either entry of a flow has the key of the packets that come in; the quoted packet went out.
  const FlowKey key = quoted.reversed();
  FlowEntry* const flow = flows_.find(key, flows_.hash(key));
  if (flow != nullptr && keep(view, *flow)) return cached(*flow);
  const ServiceId id = find_service(view, key);
  if (id == kNoService) return {};
  const Service& service = view.services[id];
  if (service.is_nat() || !hashes(service.policy)) return {};
  const PoolTable& pool = pool_for(view, service, key);
  if (pool.empty()) return {.outcome = Outcome::kNoBackend, .service = id};
  const Pick picked = pick_by_hash(pool, service.policy, key, view.hash_key);
  return {.outcome = Outcome::kPicked, .service = id, .backend = picked.backend, .slot = picked.slot};
}

ServiceId Balancer::losing_service(const View& now, const View& then, const FlowEntry& flow,
                                   uint32_t now_ms) const {
  if (flow.state == FlowState::kFree || flow.is_closed() || flow.is_reply) return kNoService;
  const auto present = bound_in(now, flows_, flow, now_ms);
  if (!present) return kNoService;
  const auto next = bound_in(then, flows_, flow, now_ms);
  return next && admits(then, next->service, flows_.key_of(flow)) ? kNoService : present->service;
}

void Balancer::expire(const View& view, uint32_t now_ms, unsigned entries) {
  for (; entries > 0; --entries) {
    FlowEntry& flow = flows_.at(expiry_cursor_);
    expiry_cursor_ = expiry_cursor_ + 1 == flows_.capacity() ? 0 : expiry_cursor_ + 1;
    if (flow.state == FlowState::kFree || flow.is_reply) continue;
    if (!keep(view, flow)) {
      forget(flow, end_of_refused(view, flow));
    } else if (is_over(view, flows_, flow, now_ms)) {
      forget(flow, FlowEnd::kIdle);
    } else {
      if (FlowTable::has_lasted(flow)) flows_.confirm(flow);
      if (accounts_ != nullptr) accounts_->tell_if_due(flows_, flow);
    }
  }
}

}  // namespace sluice::lb

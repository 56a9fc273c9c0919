// What the balancer counts where a flow begins and ends, and whom it tells.
#include "lb/balancer.h"
#include "lb/flow_admission.h"
#include "lb/flow_attachments.h"
#include "lb/handshake_watch.h"

namespace sluice::lb {

/// Whether a flow has a port of full-nat: dnat leaves the client's address and port.
inline bool Balancer::has_port(const FlowEntry& flow) const {
  if (flow.peer == kNoFlow) return false;
  const FlowEntry &reply = flow.is_reply ? flow : flows_.at(flow.peer), &request = flows_.at(reply.peer);
  if (reply.key.is_v4()) return reply.key.destination != request.key.source;
  return flows_.addresses6(reply).destination != flows_.addresses6(request).source;
}

void Balancer::count_begun(const FlowEntry& flow) {
  for (TargetCounters* const target : {&services_[flow.service], &backends_[flow.backend]}) {
    target->flows.add();
    target->active_flows.add(1);
  }
  if (has_port(flow)) ports_.count_taken();
  if (handshakes_ != nullptr && flow.peer != kNoFlow) handshakes_->count_open(flow.backend, true);
}

void Balancer::count_gone(const FlowEntry& flow, FlowEnd end) {
  // Before it ceases to count as active: then whoever sees none knows that all records are on their way.
  if (accounts_ != nullptr) accounts_->end(flows_, flow, end);
  if (attachments_ != nullptr) attachments_->end(flow.is_reply ? flow.peer : flows_.index_of(flow));
  services_[flow.service].active_flows.add(-1);
  backends_[flow.backend].active_flows.add(-1);
  if (admission_ != nullptr) {
    const FlowEntry& request = flow.is_reply ? flows_.at(flow.peer) : flow;
    const FlowKey key = request.source_mark != 0 ? flows_.key_of(request) : FlowKey{};
    admission_->gone(flow.service, flow.backend, key, request.source_mark);
  }
  if (has_port(flow)) ports_.count_given_up();
  if (handshakes_ != nullptr && flow.peer != kNoFlow) {
    if (!flow.is_closed()) handshakes_->count_open(flow.backend, false);
    if (flow.state == FlowState::kEmbryonic) {
      handshakes_->forget(flow.is_reply ? flow.peer : flows_.index_of(flow));
    }
  }
  if (flow.peer != kNoFlow && flow.key.protocol() == IpProtocol::kTcp) note_end(flow);
}

/// Remembers when a connection's translation by full-nat was last in use. A backend keeps nothing for long of
/// one that has not been answered.
void Balancer::note_end(const FlowEntry& flow, uint32_t next_sequence) {
  if (is_unanswered(flow.state) || !has_port(flow)) return;
  const FlowEntry &reply = flow.is_reply ? flow : flows_.at(flow.peer), &request = flows_.at(reply.peer);
  const bool reply_was_last = request.last_seen_ms - reply.last_seen_ms > INT32_MAX;  // time wraps
  const uint32_t ended_ms = reply_was_last ? reply.last_seen_ms : request.last_seen_ms;
  ports_.note_end(flows_.hash_of(reply), ended_ms, next_sequence);
}

void Balancer::count_evicted(const FlowEntry& flow) {
  count_gone(flow, FlowEnd::kEvicted);
  evicted_.of(flow.state).add();
}

void Balancer::forget(FlowEntry& flow, FlowEnd end) {
  count_gone(flow, end);
  flows_.erase(flow);
}

}  // namespace sluice::lb

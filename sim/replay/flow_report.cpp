#include "sim/replay/flow_report.h"

#include <algorithm>

#include "ctrl/resolve/effective.h"

namespace sluice::sim {
namespace {

bool is_service_address(const ctrl::Model& model, const IpAddress& address) {
  return std::ranges::any_of(model.services,
                             [&](const auto& named) { return named.second->address.contains(address); });
}

}  // namespace

FlowReport::FlowReport(SimulatedGateway& gateway) : gateway_(gateway) {
  dataplane::CaptureWish wish;
  wish.at = dataplane::CapturePoint::kDropped;
  drops_ = std::make_shared<const dataplane::Capture>(std::move(wish), gateway.workers());
  auto captures = std::make_shared<dataplane::Captures>();
  captures->running.push_back(drops_);
  gateway.gateway().capture(std::move(captures));
}

FlowReport::Key FlowReport::key_of(const FlowKey& key) {
  Key bytes;
  std::memcpy(bytes.data(), &key, bytes.size());
  return bytes;
}

void FlowReport::note_arrival(unsigned port, uint64_t since_1970_ns, FrameBytes frame) {
  const auto view = view_frame(frame);
  const bool is_flow = view && view->transport != 0 &&
                       (view->key.protocol == IpProtocol::kTcp || view->key.protocol == IpProtocol::kUdp);
  if (!is_flow) return;
  const auto [place, is_new] = places_.try_emplace(key_of(view->key), flows_.size());
  if (is_new) flows_.push_back({.key = view->key, .port = port, .since_1970_ns = since_1970_ns});
  ReplayedFlow& flow = flows_[place->second];
  ++flow.packets;
  flow.bytes += frame.size();
}

void FlowReport::count_drops() {
  drops_->drain([&](const dataplane::CaptureNote& note, uint64_t, FrameBytes frame) {
    const auto view = view_frame(frame);
    const auto found = view ? places_.find(key_of(view->key)) : places_.end();
    if (found != places_.end()) ++flows_[found->second].dropped[note.reason];
    return true;
  });
}

void FlowReport::explain_new() {
  count_drops();
  for (; explained_ < flows_.size(); ++explained_) explain(flows_[explained_]);
}

void FlowReport::explain(ReplayedFlow& flow) {
  flow.decision = gateway_.explain(flow.key);
  const auto names = gateway_.gateway().names_at_once(flow.decision.service, flow.decision.backend);
  if (names) {
    flow.service = names->service;
    flow.backend = names->backend;
  }
  const bool is_known = flow.decision.verdict == dataplane::Explanation::Verdict::kCached;
  flow.is_answer = is_known && !is_service_address(*gateway_.gateway().model(), flow.key.destination);
}

}  // namespace sluice::sim

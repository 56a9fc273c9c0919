// What the gateway tells of its own doings: states of backends and sources, configurations, links, the log.
#include <nlohmann/json.hpp>

#include "ctrl/intent/config_values.h"
#include "ctrl/store/gateway_parts.h"

namespace sluice::ctrl {

using nlohmann::json;

EventHub& Gateway::events() {
  return parts_->events;
}

const EventHub& Gateway::events() const {
  return parts_->events;
}

void Gateway::Parts::tell(const StatusChanges& changes) {
  if (!events.is_heard()) return;
  for (const BackendTransition& change : changes.backends) {
    if (change.from == change.to) continue;
    events.tell(EventKind::kBackendState, {{"pool", change.key.pool},
                                           {"address", change.key.address.to_string()},
                                           {"port", change.key.port},
                                           {"state", word_for(change.to)},
                                           {"reason", change.reason}});
  }
}

void Gateway::Parts::tell_sources() {
  for (const SourceTransition& change : members.take_transitions()) {
    events.tell(EventKind::kSourceState,
                {{"source", change.source},
                 {"pool", change.pool.empty() ? nlohmann::json() : nlohmann::json(change.pool)},
                 {"state", word_for(change.state)},
                 {"reason", change.reason}});
  }
}

void Gateway::Parts::tell_links() {
  links.resize(ports.size(), true);
  for (unsigned port = 0; port < ports.size(); ++port) {
    const bool is_up = data_plane->link_up(port);
    if (links[port] != is_up) {
      events.tell(EventKind::kPortLink, {{"port", ports[port].name}, {"up", is_up}});
    }
    links[port] = is_up;
  }
  const auto* const ledger = data_plane->ledger();
  const uint64_t size = ledger ? ledger->reach().checkpoint_size : 0;
  if (size > checkpoint_size) events.tell(EventKind::kLedgerCheckpoint, {{"size", size}});
  checkpoint_size = size;
}

void Gateway::Parts::note_refused(const std::string& message, const std::vector<Fault>& faults) {
  last_apply_succeeded = false;
  json list = json::array();
  for (const Fault& fault : faults) list.push_back({{"pointer", fault.pointer}, {"message", fault.message}});
  events.tell(EventKind::kConfigRefused, {{"message", message}, {"faults", std::move(list)}});
}

void Gateway::note_unreadable(const std::vector<std::string>& lines) {
  std::vector<Fault> faults;
  for (const std::string& line : lines) faults.push_back({"", line});
  parts_->note_refused("the configuration file is not valid", faults);
}

}  // namespace sluice::ctrl

#include "ctrl/intent/model_changes.h"

namespace sluice::ctrl {
namespace {

template <typename Map>
void share(const Map& previous, Map& next) {
  Map shared = previous;  // whose blocks stay where nothing in them differs
  for_each_difference(previous, next, [&](const std::string& name, const auto* before, const auto* now) {
    if (!now) {
      shared.erase(name);
    } else if (!before || *before != *now) {
      shared.set(name, next.at(name));
    }
  });
  next = std::move(shared);
}

template <typename Map>
void compare(const char* kind, const Map& before, const Map& after, std::vector<std::string>& changed) {
  for_each_difference(before, after,
                      [&](const std::string& name, auto, auto) { changed.push_back(kind + name); });
}

}  // namespace

void share_unchanged(const Model& previous, Model& next) {
  share(previous.pools, next.pools);
  share(previous.services, next.services);
}

std::vector<std::string> changed_parts(const Model& before, const Model& after) {
  std::vector<std::string> changed;
  const auto note = [&](bool same, const char* part) {
    if (!same) changed.emplace_back(part);
  };
  note(before.audit == after.audit, "audit");
  note(before.encapsulation == after.encapsulation, "encap");
  note(before.events == after.events, "events");
  note(before.flow_log == after.flow_log, "flow_log");
  note(before.log == after.log, "log");
  note(before.neighbors == after.neighbors, "neighbors");
  note(before.remote == after.remote, "remote");
  note(before.routes == after.routes, "routes");
  note(before.snat == after.snat, "snat");
  note(before.services_from == after.services_from, "services_from");
  note(before.sources == after.sources, "sources");
  note(before.tracing == after.tracing, "tracing");
  note(before.tunnels == after.tunnels && before.tunnel_state == after.tunnel_state, "tunnels");
  for_each_difference(before.inspections, after.inspections,
                      [&](const std::string& name, const InspectionModel* old, const InspectionModel* now) {
                        if (!old || !now || *old != *now) changed.push_back("inspection/" + name);
                      });
  compare("pool/", before.pools, after.pools, changed);
  compare("service/", before.services, after.services, changed);
  for_each_difference(before.sets, after.sets,
                      [&](const std::string& name, const SetModel* old, const SetModel* now) {
                        if (!old || !now || *old != *now) changed.push_back("set/" + name);
                      });
  return changed;
}

std::vector<std::string> all_parts(const Model& model) {
  std::vector<std::string> parts{"audit",     "encap",   "events", "flow_log",      "log",
                                 "neighbors", "remote",  "routes", "services_from", "snat",
                                 "sources",   "tracing", "tunnels"};
  compare("inspection/", decltype(model.inspections){}, model.inspections, parts);
  compare("pool/", decltype(model.pools){}, model.pools, parts);
  compare("service/", decltype(model.services){}, model.services, parts);
  compare("set/", decltype(model.sets){}, model.sets, parts);
  return parts;
}

}  // namespace sluice::ctrl

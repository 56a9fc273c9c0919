#include "ctrl/observed/inspection_contents.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json inspection_object(const InspectionRow& row) {
  json rules = json::array();
  for (const InspectionRow::Rule& rule : row.rules) {
    rules.push_back({{"id", rule.id},
                     {"action", dataplane::kRuleActionNames[static_cast<size_t>(rule.action)]},
                     {"matches", rule.matches}});
  }
  json object{{"name", row.name},
              {"mode", dataplane::kInspectionModeNames[static_cast<size_t>(row.mode)]},
              {"state", row.is_ready ? "ready" : "compiling"},
              {"error", row.error},
              {"since", unix_seconds(row.since)},
              {"services", row.services},
              {"database_bytes", row.database_bytes},
              {"scanned_bytes", row.scanned_bytes},
              {"held_dropped", row.held_dropped},
              {"ambiguous", row.ambiguous},
              {"streams_exceeded", row.streams_exceeded},
              {"rules", std::move(rules)}};
  if (row.mode == dataplane::InspectionMode::kStream) {
    object["bytes"] = row.bytes;
    object["streams"] = row.streams;
    object["stream_bytes"] = row.stream_bytes;
    object["open_streams"] = row.open_streams;
  }
  return object;
}

void list_inspections(MethodContext& context, const Call&, Reply reply) {
  json rows = json::array();
  for (const InspectionRow& row : context.gateway.inspections()) rows.push_back(inspection_object(row));
  reply(std::move(rows));
}

}  // namespace

std::vector<Method> inspection_methods() {
  return {
      {"inspection.list",
       Role::kView,
       "Every inspection, whether its rules count, and what they have found.",
       "a list of `{name, mode, state, error, since, services, database_bytes, scanned_bytes, held_dropped, "
       "ambiguous, streams_exceeded, rules: [{id, action, matches}]}`, and with mode `stream` `bytes`, "
       "`streams`, `stream_bytes` and `open_streams`; `state` is `ready`, or `compiling` before its first "
       "rules "
       "count; `error` says why its newest rules are not the ones that do",
       {},
       list_inspections},
  };
}

}  // namespace sluice::ctrl

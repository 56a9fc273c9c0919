#include "ctrl/daemon/last_words.h"

#include <string>

#include "ctrl/ledger/ledger_room.h"
#include "ctrl/log/log.h"
#include "ctrl/log/log_line.h"
#include "ctrl/store/gateway.h"
#include "ctrl/store/ledger_answers.h"
#include "ctrl/store/traffic_totals.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/roles/ledger_plane.h"
#include "dataplane/tables/flow_lanes.h"

namespace sluice::ctrl {

void log_totals(const Gateway& gateway) {
  const auto totals = traffic_totals(gateway.data_plane());
  std::string reasons;
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    if (totals.dropped[i] == 0) continue;
    reasons += " " + std::string(dataplane::kDropReasonNames[i]) + "=" + std::to_string(totals.dropped[i]);
  }
  log_info(
      {"stopped: ", totals.to_string(), reasons.empty() ? std::string() : " (" + reasons.substr(1) + ")"});
  if (const auto lanes = gateway.flow_lanes()) {
    log_info({"flow_log: ", lanes->told(lb::FlowReader::kLog), " flows told of, ",
              lanes->lost(lb::FlowReader::kLog), " lost"});
  }
  if (const auto* ledger = gateway.ledger()) {
    log_with_field("the ledger stopped", "ledger_totals", totals_object(*ledger));
  }
}

bool is_ledger_settled(const Gateway& gateway) {
  const auto* ledger = gateway.ledger();
  if (!ledger) return true;
  const auto failure = ledger->failure();
  if (failure) log_error({"the ledger has failed: ", failure->message});
  if (ledger->is_stuck()) {
    log_error({"the ledger's disk does not answer: leaving without it; what has a receipt is safe"});
  }
  if (failure || ledger->is_stuck()) return false;
  if (is_all_released(ledger->reach())) return true;
  log_error({kNotReleased});
  return false;
}

}  // namespace sluice::ctrl

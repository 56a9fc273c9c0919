#include "ctrl/rpc/methods/backend_row.h"

#include <nlohmann/json.hpp>

#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {

nlohmann::json backend_row_object(const BackendRow& row) {
  nlohmann::json object = backend_object(row.key);
  object.update({{"state", word_for(row.state)},
                 {"reason", row.reason},
                 {"since", time_text(row.since)},
                 {"weight", row.weight},
                 {"origin", row.origin},
                 {"share", row.share},
                 {"active_flows", row.totals.active_flows}});
  return object;
}

}  // namespace sluice::ctrl

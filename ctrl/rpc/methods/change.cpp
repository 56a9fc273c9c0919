#include <algorithm>
#include <optional>

#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"
#include "ctrl/store/change_log.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

void list_changes(MethodContext& context, const Call& call, Reply reply) {
  std::optional<ChangeCause> cause;
  if (call.params.contains("cause")) {
    const auto& word = call.params["cause"].get_ref<const std::string&>();
    cause = static_cast<ChangeCause>(std::ranges::find(kChangeCauses, word) - kChangeCauses.begin());
  }
  json changes = json::array();
  for (const Change& change : context.gateway.changes(call.params.value("limit", ChangeLog::kKept), cause)) {
    changes.push_back({{"id", change.id},
                       {"cause", kChangeCauses[static_cast<size_t>(change.cause)]},
                       {"object", change.object},
                       {"seen", unix_seconds(change.seen)},
                       {"compiled", unix_seconds(change.compiled)},
                       {"published", unix_seconds(change.published)},
                       {"everywhere", unix_seconds(change.everywhere)},
                       {"first_flow", unix_seconds(change.first_flow)}});
  }
  reply(std::move(changes));
}

}  // namespace

std::vector<Method> change_methods() {
  return {
      {"change.list",
       Role::kView,
       "The last 1,000 changes, newest first, and how far each has come.",
       "a list of `{id, cause, object, seen, compiled, published, everywhere, first_flow}`: when it was "
       "seen, "
       "compiled and published, when every worker had it, and when the first flow to a backend that it added "
       "began; Unix seconds, null where it has not come to that",
       {{"limit", ParamType::kInteger, false, "at most this many", 1, static_cast<int64_t>(ChangeLog::kKept)},
        {"cause",
         ParamType::kString,
         false,
         "of this cause only",
         0,
         0,
         {kChangeCauses.begin(), kChangeCauses.end()}}},
       list_changes},
  };
}

}  // namespace sluice::ctrl

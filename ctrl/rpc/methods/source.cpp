#include <optional>

#include "ctrl/observed/members.h"
#include "ctrl/rpc/methods/methods.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json source_object(const SourceRow& row) {
  json pools = json::array();
  for (const SourceRow::Pool& pool : row.pools) {
    pools.push_back({{"pool", pool.pool}, {"instances", pool.instances}, {"held", pool.is_held}});
  }
  json object{{"name", row.name},
              {"type", row.type},
              {"state", word_for(row.state)},
              {"reason", row.reason},
              {"since", unix_seconds(row.since)},
              {"last_success", unix_seconds(row.last_success)},
              {"updates", row.counts.updates},
              {"errors", row.counts.errors},
              {"last_error", row.counts.last_error},
              {"pools", std::move(pools)}};
  if (row.services) object["services"] = *row.services;
  return object;
}

void list_sources(MethodContext& context, const Call&, Reply reply) {
  json rows = json::array();
  for (const SourceRow& row : context.gateway.sources()) rows.push_back(source_object(row));
  reply(std::move(rows));
}

void release(MethodContext& context, const Call& call, Reply reply) {
  std::optional<std::string> pool;
  if (call.params.contains("pool")) pool = call.params["pool"].get<std::string>();
  auto released = context.gateway.release_source(call.params["source"].get<std::string>(), pool);
  if (!released) return reply(tl::unexpected(std::move(released.error())));
  reply(json{{"released", std::move(*released)}});
}

Subject subject_source(const MethodContext& context, const json& params) {
  const auto& name = params["source"].get_ref<const std::string&>();
  for (const SourceRow& row : context.gateway.sources()) {
    if (row.name == name) return {"source " + name, std::string(word_for(row.state))};
  }
  return {"source " + name, ""};
}

}  // namespace

std::vector<Method> source_methods() {
  return {
      {"source.list",
       Role::kView,
       "Every source of backends: how it fares, and how many instances each pool has of it.",
       "a list of `{name, type, state, reason, since, last_success, updates, errors, last_error, pools: "
       "[{pool, "
       "instances, held}], services}`; `services`, how many it brings, is there for `services_from` alone; "
       "`state` is that of its worst pool: `connecting`, `synced`, `held`, `stale` or "
       "`failed`; times in Unix seconds, null where it has never answered",
       {},
       list_sources},
      {"source.release",
       Role::kOperate,
       "Lets an update through that a guard, or `on_empty: hold`, holds back.",
       "`{released: [pool, ...]}`",
       {{"source", ParamType::kString, true, "its name"},
        {"pool", ParamType::kString, false, "this pool's only"}},
       release,
       Where::kChanges,
       subject_source},
  };
}

}  // namespace sluice::ctrl

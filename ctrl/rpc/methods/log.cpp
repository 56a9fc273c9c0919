#include <optional>

#include "ctrl/log/log_component.h"
#include "ctrl/log/log_levels.h"
#include "ctrl/rpc/methods/methods.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

void list_log(MethodContext&, const Call&, Reply reply) {
  json components = json::array();
  for (size_t i = 0; i < kLogComponents.size(); ++i) {
    components.push_back(
        {{"component", kLogComponents[i]}, {"level", log_level_of(static_cast<LogComponent>(i))}});
  }
  reply(std::move(components));
}

LogComponent component_of(const json& params) {
  return *log_component_named(params["component"].get_ref<const std::string&>());
}

void set_log_level(MethodContext&, const Call& call, Reply reply) {
  const LogComponent component = component_of(call.params);
  set_log_level(component, call.params["level"].get_ref<const std::string&>());
  reply(json{{"component", call.params["component"]}, {"level", log_level_of(component)}});
}

Subject subject_component(const MethodContext&, const json& params) {
  return {params["component"].get<std::string>(), std::string(log_level_of(component_of(params)))};
}

}  // namespace

std::vector<Method> log_methods() {
  return {
      {"log.list",
       Role::kView,
       "What each component of the daemon logs.",
       "a list of `{component, level}`: the least severe level that is logged",
       {},
       list_log},
      {"log.set",
       Role::kOperate,
       "Sets the level of a component, until `log` of the configuration changes or the daemon ends.",
       "`{component, level}`",
       {{"component",
         ParamType::kString,
         true,
         "whose lines",
         0,
         0,
         {kLogComponents.begin(), kLogComponents.end()}},
        {"level",
         ParamType::kString,
         true,
         "the least severe level that is logged",
         0,
         0,
         {kLogLevelNames.begin(), kLogLevelNames.end()}}},
       set_log_level,
       Where::kAnswers,
       subject_component},
  };
}

}  // namespace sluice::ctrl

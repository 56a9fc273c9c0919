#include "ctrl/rpc/methods/explanation.h"

#include "ctrl/intent/config_values.h"
#include "ctrl/rpc/methods/police_rules.h"
#include "ctrl/rpc/methods/steering_rules.h"
#include "ctrl/rpc/methods/words.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using Verdict = dataplane::Explanation::Verdict;

const char* word_for_verdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::kCached:
      return "cached";
    case Verdict::kPicked:
      return "picked";
    case Verdict::kDropped:
      return "dropped";
    case Verdict::kToKernel:
      return "to_kernel";
  }
  return "";
}

json rules_of(const dataplane::Explanation& explanation, const ExplanationNames& names) {
  json rules = json::array();
  const lb::DecidedRule* before = nullptr;
  for (const lb::DecidedRule& rule : explanation.rules.all()) {
    auto object = names.configured ? police_rule(rule, *names.configured) : std::nullopt;
    if (!object && names.configured) object = steering_rule(rule, before, *names.configured);
    if (object) rules.push_back(std::move(*object));
    before = &rule;
  }
  return rules;
}

/// What access lists, limits and inspections decided, and what sent a new flow to its pool.
std::string rules_text(const json& rules) {
  std::string text;
  for (const json& rule : rules) {
    const auto& kind = rule["kind"].get_ref<const std::string&>();
    const std::string detail = rule["detail"].get<std::string>();
    if (kind == "access" || kind == "limit" || kind == "inspection") text += "; " + detail;
    if (kind == "route" || kind == "split") {
      text += "; " + kind + ": " + rule["name"].get<std::string>() + " (" + detail + ")";
    }
  }
  return text;
}

std::string sentence(const dataplane::Explanation& explanation, const ExplanationNames& names) {
  const std::string service = names.service ? "service " + *names.service : "no service";
  const std::string backend = names.backend ? endpoint_text(names.backend->address, names.backend->port) +
                                                  " of pool " + names.backend->pool
                                            : "a backend that is gone";
  const bool by_slot = explanation.slot != UINT32_MAX;
  switch (explanation.verdict) {
    case Verdict::kCached:
      return service + ": a known flow, which stays with " + backend;
    case Verdict::kPicked:
      return service + ": a new flow, for which " +
             (by_slot ? "slot " + std::to_string(explanation.slot) : std::string("the policy")) + " picks " +
             backend;
    case Verdict::kDropped:
      return service + ": dropped, " + std::string(dataplane::name_of(explanation.drop));
    case Verdict::kToKernel:
      return "for one of the gateway's own addresses: handed to the kernel";
  }
  return "";
}

}  // namespace

json explanation_object(const dataplane::Explanation& explanation, const ExplanationNames& names) {
  json backend = nullptr;
  if (names.backend) {
    backend = backend_object(*names.backend);
    backend["state"] = names.backend_state;
  }
  const bool dropped = explanation.verdict == Verdict::kDropped;
  const json rules = rules_of(explanation, names);
  const std::string text = sentence(explanation, names) + rules_text(rules);
  return {{"service", names.service ? json(*names.service) : json(nullptr)},
          {"decision", word_for_verdict(explanation.verdict)},
          {"slot", explanation.slot == UINT32_MAX ? json(nullptr) : json(explanation.slot)},
          {"backend", std::move(backend)},
          {"drop_reason", dropped ? json(dataplane::name_of(explanation.drop)) : json(nullptr)},
          {"rules", rules},
          {"text", text}};
}

}  // namespace sluice::ctrl

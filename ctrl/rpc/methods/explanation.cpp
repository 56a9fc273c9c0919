#include "ctrl/rpc/methods/explanation.h"

#include "ctrl/intent/config_values.h"
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
  return {{"service", names.service ? json(*names.service) : json(nullptr)},
          {"decision", word_for_verdict(explanation.verdict)},
          {"slot", explanation.slot == UINT32_MAX ? json(nullptr) : json(explanation.slot)},
          {"backend", std::move(backend)},
          {"drop_reason", dropped ? json(dataplane::name_of(explanation.drop)) : json(nullptr)},
          {"text", sentence(explanation, names)}};
}

}  // namespace sluice::ctrl

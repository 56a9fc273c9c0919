// The answer of trace.explain. Pure.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "ctrl/store/gateway.h"
#include "dataplane/worker/worker_request.h"

namespace sluice::ctrl {

/// The names behind an explanation's numbers.
struct ExplanationNames {
  std::optional<std::string> service;
  std::optional<BackendKey> backend;
  std::string backend_state = {};
  std::shared_ptr<const ServiceModel> configured = {};  ///< the service; null: it is gone
};

/// `{service, decision, slot, backend, drop_reason, rules, text}`; null where there is none.
nlohmann::json explanation_object(const dataplane::Explanation& explanation, const ExplanationNames& names);

}  // namespace sluice::ctrl

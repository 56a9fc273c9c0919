// The answer of trace.explain. Pure.
#pragma once

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
  std::string backend_state;
};

/// `{service, decision, slot, backend, drop_reason, text}`; null where there is none.
nlohmann::json explanation_object(const dataplane::Explanation& explanation, const ExplanationNames& names);

}  // namespace sluice::ctrl

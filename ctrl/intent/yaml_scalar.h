// What a plain YAML scalar means. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sluice::ctrl {

/// Null, boolean, number or text by the core schema of YAML 1.2 (section 10.3.2), but with no number where
/// a leading zero makes its base ambiguous, nor where it does not fit.
nlohmann::json resolve_plain_scalar(const std::string& text);

}  // namespace sluice::ctrl

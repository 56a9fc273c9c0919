// JSON values as YAML, for people: what the configuration's file is written as. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sluice::ctrl {

/// In block style, strings quoted, so that none is taken for anything else; keys that are plain words are
/// not.
std::string yaml_text(const nlohmann::json& value);

}  // namespace sluice::ctrl

// From a JSON object to a Model: schema (docs/reference/config.schema.json, embedded at build time) first,
// then what no schema can say. Pure but for reading the files of sets; a thread that may wait.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"

namespace sluice::ctrl {

/// The JSON Schema (draft-07) of the configuration, as text.
std::string_view config_schema();

/// What is done with the files that sets and inspections name.
enum class NamedFiles : uint8_t {
  kRead,
  kLeave,  ///< they are not even looked for, and count as empty: who asks may not be allowed to know of them
};

/// Checks all of it and builds the Model; or every fault found, none twice: schema violations, duplicate
/// names, dangling references, overlapping services, weights, table sizes that are no prime or too small,
/// NAT across families, encapsulation without a source, more than the data plane's limits.
Outcome<Model> parse_config(const nlohmann::json& config, NamedFiles files = NamedFiles::kRead);

/// The same object again, with every default filled in, for config.get and for diffs.
nlohmann::json to_json(const Model& model);
/// Its parts: one pool, one service, and all but pools and services.
nlohmann::json to_json(const PoolModel& pool);
nlohmann::json to_json(const ServiceModel& service);
nlohmann::json settings_to_json(const Model& model);

}  // namespace sluice::ctrl

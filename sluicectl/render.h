// Results as people and programs want to read them. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

enum class Format : uint8_t { kTable, kJson, kYaml };

/// A list of objects becomes rows under a header, with these columns (all, where none are named); an object
/// becomes a line for each member. Numbers are set to the right.
std::string render_table(const nlohmann::json& result, const std::vector<std::string_view>& columns);
std::string render_json(const nlohmann::json& result);
/// Strings are always quoted, so that none is taken for anything else.
std::string render_yaml(const nlohmann::json& result);

std::string render(const nlohmann::json& result, Format format, const std::vector<std::string_view>& columns);

}  // namespace sluice::sluicectl

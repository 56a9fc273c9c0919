#include "ctrl/intent/config_diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "ctrl/intent/json_schema.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// Sections that are read once, at the start.
bool is_boot_section(std::string_view name) {
  return name == "gateway" || name == "ports" || name == "control" || name == "http" || name == "ledger" ||
         name == "registry";
}

/// What calls an entry of a list apart from its place; nothing where only the place does.
std::optional<std::string> key_of(std::string_view list, const json& entry) {
  if (list == "pools" || list == "services" || list == "sources" || list == "sets" || list == "inspections")
    return entry.at("name").get<std::string>();
  if (list != "backends") return std::nullopt;
  const auto address = entry.at("address").get<std::string>();
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(entry.at("port").get<int>());
}

class Diff {
 public:
  std::vector<DiffEntry> entries;

  void compare(const std::string& pointer, std::string_view name, const json& before, const json& after) {
    if (before == after) return;
    if (before.is_object() && after.is_object()) {
      members(pointer, children(before), children(after));
    } else if (before.is_array() && after.is_array()) {
      members(pointer, elements(name, before), elements(name, after));
    } else {
      add(pointer, before, after);
    }
  }

 private:
  struct Child {
    std::string name;  ///< of a member; empty for an element
    const json* value;
  };
  using Children = std::map<std::string, Child>;

  static Children children(const json& object) {
    Children result;
    for (const auto& [key, value] : object.items()) result.emplace(key, Child{key, &value});
    return result;
  }

  static Children elements(std::string_view list, const json& array) {
    Children result;
    for (size_t i = 0; i < array.size(); ++i) {
      result.emplace(key_of(list, array[i]).value_or(std::to_string(i)), Child{"", &array[i]});
    }
    return result;
  }

  void members(const std::string& pointer, const Children& before, const Children& after) {
    const auto below = [&](const std::string& key) { return pointer + "/" + escape_pointer_token(key); };
    for (const auto& [key, child] : before) {
      const auto other = after.find(key);
      if (other == after.end()) {
        add(below(key), *child.value, nullptr);
      } else {
        compare(below(key), child.name, *child.value, *other->second.value);
      }
    }
    for (const auto& [key, child] : after) {
      if (!before.contains(key)) add(below(key), nullptr, *child.value);
    }
  }

  void add(const std::string& pointer, const json& before, const json& after) {
    const size_t end = pointer.find('/', 1);
    const bool needs_restart = !pointer.empty() && is_boot_section(std::string_view(pointer).substr(
                                                       1, end == std::string::npos ? end : end - 1));
    entries.push_back({pointer, before, after, needs_restart});
  }
};

}  // namespace

std::vector<DiffEntry> diff_configurations(const json& before, const json& after) {
  Diff diff;
  diff.compare("", "", before, after);
  std::sort(diff.entries.begin(), diff.entries.end(),
            [](const DiffEntry& a, const DiffEntry& b) { return a.pointer < b.pointer; });
  return std::move(diff.entries);
}

}  // namespace sluice::ctrl

#include "ctrl/intent/config_inspections.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>
#include <utility>

#include "ctrl/intent/config_values.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/intent/rules_file.h"
#include "dataplane/inspect/inspection.h"

namespace sluice::ctrl {
namespace {

using dataplane::InspectionMode;
using dataplane::InspectionRule;
using dataplane::RuleAction;
using nlohmann::json;

/// The place of a word that the schema has checked.
template <typename Enum, typename Names>
void read_listed_word(const Cursor& parent, const char* key, const Names& names, Enum& target) {
  const Cursor word = parent.member(key);
  if (!word) return;
  const auto found = std::ranges::find(names, word.value().get_ref<const std::string&>());
  target = static_cast<Enum>(found - names.begin());
}

InspectionRule decode_rule(const Cursor& from) {
  InspectionRule rule;
  from.read("id", rule.id);
  from.read("pattern", rule.pattern);
  from.read("literal", rule.is_literal);
  read_listed_word(from, "action", dataplane::kRuleActionNames, rule.action);
  const Cursor flags = from.member("flags");
  if (flags && !read_rule_flags(flags.value().get_ref<const std::string&>(), rule)) {
    flags.fault("has a letter twice");
  }
  if (rule.is_literal && (rule.is_multiline || rule.dot_matches_all)) {
    flags.fault("a literal pattern knows no flag but i");
  }
  return rule;
}

void check_rule_list(const Cursor& list, const InspectionModel& inspection) {
  std::unordered_set<uint32_t> ids;
  list.each([&](const Cursor& entry, size_t) {
    const Cursor id = entry.member("id"), pattern = entry.member("pattern");
    if (!id || !pattern) return;
    const auto number = id.value().get<uint32_t>();
    const auto rule = std::ranges::find(inspection.rules, number, &InspectionRule::id);
    if (!ids.insert(number).second) {
      return id.fault("there is a rule with the id " + std::to_string(number) + " already");
    }
    if (rule == inspection.rules.end()) return;
    if (auto words = dataplane::check_rule(*rule)) pattern.fault(std::move(*words));
  });
}

/// What counts for streams alone.
void check_stream_keys(const Cursor& from, const InspectionModel& inspection) {
  if (inspection.mode == InspectionMode::kStream) return;
  for (const char* const key : {"bytes", "streams"}) {
    if (const Cursor member = from.member(key)) member.fault("counts only where the mode is stream");
  }
}

void check_inspected_services(const Cursor& root, const Draft& draft) {
  root.member("services").each([&](const Cursor& from, size_t index) {
    const Cursor reference = from.member("inspect");
    if (!reference) return;
    const std::string& name = reference.value().get_ref<const std::string&>();
    const auto named = [&](const auto& entry) { return entry.value.name == name; };
    const auto inspection = std::ranges::find_if(draft.inspections, named);
    if (inspection == draft.inspections.end()) {
      return reference.fault("there is no inspection named \"" + name + "\"");
    }
    const auto service = std::ranges::find(draft.services, index, &Listed<ServiceDraft>::index);
    if (service == draft.services.end()) return;
    static const InspectionRules kNone;
    const auto& from_file = inspection->value.from_file;
    auto misfit = misfit_of(service->value.service, inspection->value, from_file ? *from_file : kNone);
    if (misfit) reference.fault(std::move(*misfit));
  });
}

}  // namespace

void decode_inspections(const Cursor& inspections, Draft& draft) {
  inspections.each([&](const Cursor& from, size_t index) {
    InspectionModel inspection;
    from.parse("name", parse_name, inspection.name);
    read_listed_word(from, "mode", dataplane::kInspectionModeNames, inspection.mode);
    from.read("bytes", inspection.bytes);
    from.read("streams", inspection.streams);
    from.member("rules").each(
        [&](const Cursor& rule, size_t) { inspection.rules.push_back(decode_rule(rule)); });
    from.parse("rules_file", parse_public_file, inspection.rules_file);
    draft.inspections.push_back({std::move(inspection), index});
  });
}

void check_inspections(const Cursor& root, Draft& draft, Cursor::Faults& faults) {
  std::set<std::string_view> names;
  root.member("inspections").each([&](const Cursor& from, size_t index) {
    const auto entry = std::ranges::find(draft.inspections, index, &Listed<InspectionModel>::index);
    if (entry == draft.inspections.end()) return;
    InspectionModel& inspection = entry->value;
    if (!inspection.name.empty() && !names.insert(inspection.name).second) {
      from.member("name").fault("there is an inspection named \"" + inspection.name + "\" already");
    }
    check_stream_keys(from, inspection);
    check_rule_list(from.member("rules"), inspection);
    if (faults.within(from.pointer() + "/")) return;
    auto rules = draft.reads_files ? read_rules(inspection) : std::make_shared<const InspectionRules>();
    if (!rules) return from.member("rules_file").fault(rules.error().message);
    inspection.from_file = std::move(*rules);
    if (inspection.rules.empty() && inspection.from_file->empty() && inspection.rules_file.empty()) {
      from.fault("has neither rules nor a rules_file");
    }
  });
  check_inspected_services(root, draft);
}

std::optional<std::string> misfit_of(const ServiceModel& service, const InspectionModel& inspection,
                                     const InspectionRules& from_file) {
  const bool is_udp = service.protocol == IpProtocol::kUdp;
  if (is_udp && inspection.mode == InspectionMode::kStream) {
    return "\"" + inspection.name +
           "\" has the mode stream, and UDP has no streams: it needs the mode packet";
  }
  if (!is_udp && lb::is_nat(service.forward)) return std::nullopt;
  const auto resets = [](const InspectionRule& rule) { return rule.action == RuleAction::kReset; };
  for (const InspectionRules* const rules : {&inspection.rules, &from_file}) {
    const auto found = std::ranges::find_if(*rules, resets);
    if (found == rules->end()) continue;
    return "rule " + std::to_string(found->id) + " of \"" + inspection.name + "\" resets, " +
           (is_udp ? "and UDP has nothing to reset"
                   : "which needs the answers to come by: forward must be full-nat or dnat");
  }
  return std::nullopt;
}

InspectionRules all_rules(const InspectionModel& inspection, const InspectionRules& from_file) {
  InspectionRules rules = inspection.rules;
  rules.insert(rules.end(), from_file.begin(), from_file.end());
  return rules;
}

json encode_inspection(const InspectionModel& inspection) {
  json rules = json::array();
  for (const InspectionRule& rule : inspection.rules) {
    rules.push_back({{"id", rule.id},
                     {"pattern", rule.pattern},
                     {"literal", rule.is_literal},
                     {"flags", rule_flags_text(rule)},
                     {"action", dataplane::kRuleActionNames[static_cast<size_t>(rule.action)]}});
  }
  json object{{"name", inspection.name},
              {"mode", dataplane::kInspectionModeNames[static_cast<size_t>(inspection.mode)]},
              {"rules", std::move(rules)}};
  if (inspection.mode == InspectionMode::kStream) {
    object["bytes"] = inspection.bytes;
    object["streams"] = inspection.streams;
  }
  if (!inspection.rules_file.empty()) object["rules_file"] = "file:" + inspection.rules_file;
  return object;
}

}  // namespace sluice::ctrl

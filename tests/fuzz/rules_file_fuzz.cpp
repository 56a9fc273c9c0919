// Files of rules: whatever is in them, every line is a rule that is written again as it was read, or a fault
// that has its place and shows nothing of the line.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "ctrl/intent/rules_file.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const std::string& text) {
  const auto lines = static_cast<size_t>(std::ranges::count(text, '\n')) + 1;
  const auto rules = parse_rules_file(text);
  if (!rules) {
    for (const RuleLineFault& fault : rules.error()) {
      require(fault.line >= 1 && fault.line <= lines && fault.column >= 1 && fault.column <= text.size() + 1);
      require(fault.message.size() < 100);
    }
    return require(!rules.error().empty());
  }
  require(rules->size() <= lines);
  std::set<uint32_t> ids;
  std::string again;
  for (const dataplane::InspectionRule& rule : *rules) {
    require(ids.insert(rule.id).second && !rule.pattern.empty());
    again += std::to_string(rule.id) + ":/" + rule.pattern + "/" + rule_flags_text(rule) + " " +
             std::string(dataplane::kRuleActionNames[static_cast<size_t>(rule.action)]) + "\n";
  }
  const auto same = parse_rules_file(again);
  require(same && *same == *rules);
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::ctrl::check(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

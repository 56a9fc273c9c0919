// The file of an inspection's rules: `ID:/pattern/flags action`, one a line. Parsing is pure; reading may
// wait for a disk.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "common/result.h"
#include "ctrl/intent/inspection_model.h"

namespace sluice::ctrl {

/// Rules of one inspection, those of its file among them.
inline constexpr size_t kMostRules = 32'768;

/// What is wrong in a file of rules, and where; both from 1 on.
struct RuleLineFault {
  size_t line;
  size_t column;
  std::string message;
};

/// The rules of a text, or every fault, the first few hundred. A line that begins with `#` is a comment. It
/// does not show what a line says: whoever may name a file need not be allowed to read it.
tl::expected<InspectionRules, std::vector<RuleLineFault>> parse_rules_file(std::string_view text);

/// The letters of a rule's flags: `i` ignores case, `m` has ^ and $ match at line ends, `s` has a dot match
/// them. False: another letter, or one twice.
bool read_rule_flags(std::string_view letters, dataplane::InspectionRule& rule);
std::string rule_flags_text(const dataplane::InspectionRule& rule);

/// The rules that the file of an inspection has now; none, where it has no file. The Error names
/// `file:line:column` of what is wrong, of the first lines at least: an id that is taken, or a pattern that
/// Hyperscan refuses, with its words.
Result<std::shared_ptr<const InspectionRules>> read_rules(const InspectionModel& inspection);

}  // namespace sluice::ctrl

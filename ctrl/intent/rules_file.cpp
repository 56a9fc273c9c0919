#include "ctrl/intent/rules_file.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_set>
#include <utility>

#include "ctrl/intent/whole_file.h"
#include "dataplane/inspect/inspection.h"

namespace sluice::ctrl {
namespace {

using dataplane::InspectionRule;

constexpr size_t kLargestRulesFile = size_t{64} << 20;
constexpr size_t kMostLineFaults = 256;
constexpr size_t kMostLinesTold = 8;
constexpr std::string_view kBlanks = " \t\r\v\f";

std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::optional<dataplane::RuleAction> rule_action_of(std::string_view word) {
  const auto& names = dataplane::kRuleActionNames;
  const auto found = std::ranges::find(names, word);
  if (found == names.end()) return std::nullopt;
  return static_cast<dataplane::RuleAction>(found - names.begin());
}

/// Reads one line; the columns of what is wrong count from the line's first byte.
class RuleLineReader {
 public:
  RuleLineReader(std::string_view line, size_t number) : line_(line), number_(number) {}

  tl::expected<InspectionRule, RuleLineFault> read() {
    InspectionRule rule;
    const size_t begin = line_.find_first_not_of(kBlanks);
    const char* const start = line_.data() + begin;
    const auto [end, code] = std::from_chars(start, line_.data() + line_.size(), rule.id);
    if (code != std::errc{} || rule.id == UINT32_MAX)
      return wrong(begin, "a rule begins with its id, a number");
    const size_t colon = static_cast<size_t>(end - line_.data());
    if (!line_.substr(colon).starts_with(":/"))
      return wrong(colon, "behind the id comes `:/`, and the pattern");
    const size_t pattern = colon + 2;
    const size_t last = line_.rfind('/');
    if (last < pattern) return wrong(line_.size(), "no `/` ends the pattern");
    if (last == pattern) return wrong(pattern, "the pattern is empty");
    rule.pattern = line_.substr(pattern, last - pattern);
    const std::string_view rest = line_.substr(last + 1);
    const size_t blank = rest.find_first_of(kBlanks);
    if (blank == std::string_view::npos)
      return wrong(line_.size(), "behind the flags comes a blank, and an action");
    if (!read_rule_flags(rest.substr(0, blank), rule))
      return wrong(last + 1, "flags are of i, m and s, each once");
    const size_t word = last + 1 + std::min(rest.find_first_not_of(kBlanks, blank), rest.size());
    const auto action = rule_action_of(without_blanks(line_.substr(word)));
    if (!action) return wrong(word, "an action is drop, reset or count");
    rule.action = *action;
    return rule;
  }

 private:
  tl::unexpected<RuleLineFault> wrong(size_t place, std::string message) const {
    return tl::unexpected(RuleLineFault{number_, place + 1, std::move(message)});
  }

  std::string_view line_;
  size_t number_;
};

/// Calls visit(line, number) for each line that is neither blank nor a comment.
template <typename Visit>
void for_each_rule_line(std::string_view text, Visit visit) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = without_blanks(line);
    if (!content.empty() && !content.starts_with('#')) visit(line, number);
  }
}

/// `taken`: ids that other rules have. `judge` says what is wrong with a rule's pattern, if anything is.
template <typename Judge>
tl::expected<InspectionRules, std::vector<RuleLineFault>> read_rule_lines(std::string_view text,
                                                                          std::unordered_set<uint32_t> taken,
                                                                          Judge judge) {
  InspectionRules rules;
  std::vector<RuleLineFault> faults;
  const size_t most = kMostRules - std::min(kMostRules, taken.size());
  for_each_rule_line(text, [&](std::string_view line, size_t number) {
    if (faults.size() == kMostLineFaults) return;
    auto rule = RuleLineReader(line, number).read();
    if (!rule) {
      faults.push_back(std::move(rule.error()));
    } else if (!taken.insert(rule->id).second) {
      faults.push_back({number, line.find_first_not_of(kBlanks) + 1,
                        "there is a rule with the id " + std::to_string(rule->id) + " already"});
    } else if (std::optional<std::string> words = judge(*rule)) {
      faults.push_back({number, line.find(":/") + 3, std::move(*words)});
    } else if (rules.size() == most) {
      faults.push_back({number, 1, "an inspection has at most " + std::to_string(kMostRules) + " rules"});
    } else {
      rules.push_back(std::move(*rule));
    }
  });
  if (!faults.empty()) return tl::unexpected(std::move(faults));
  return rules;
}

std::string lines_text(const std::string& file, const std::vector<RuleLineFault>& faults) {
  std::string text;
  for (size_t i = 0; i < std::min(faults.size(), kMostLinesTold); ++i) {
    const RuleLineFault& fault = faults[i];
    text += (i > 0 ? "; " : "") + file + ":" + std::to_string(fault.line) + ":" +
            std::to_string(fault.column) + ": " + fault.message;
  }
  if (faults.size() > kMostLinesTold) {
    text += "; and " + std::to_string(faults.size() - kMostLinesTold) +
            (faults.size() >= kMostLineFaults ? " more lines at least" : " more lines");
  }
  return text;
}

}  // namespace

bool read_rule_flags(std::string_view letters, InspectionRule& rule) {
  for (const char letter : letters) {
    bool* const flag = letter == 'i'   ? &rule.ignores_case
                       : letter == 'm' ? &rule.is_multiline
                       : letter == 's' ? &rule.dot_matches_all
                                       : nullptr;
    if (flag == nullptr || std::exchange(*flag, true)) return false;
  }
  return true;
}

std::string rule_flags_text(const InspectionRule& rule) {
  std::string letters;
  if (rule.ignores_case) letters += 'i';
  if (rule.is_multiline) letters += 'm';
  if (rule.dot_matches_all) letters += 's';
  return letters;
}

tl::expected<InspectionRules, std::vector<RuleLineFault>> parse_rules_file(std::string_view text) {
  return read_rule_lines(text, {},
                         [](const InspectionRule&) -> std::optional<std::string> { return std::nullopt; });
}

Result<std::shared_ptr<const InspectionRules>> read_rules(const InspectionModel& inspection) {
  if (inspection.rules_file.empty()) return std::make_shared<const InspectionRules>();
  const auto text = read_whole_file(inspection.rules_file, kLargestRulesFile);
  if (!text) return tl::unexpected(text.error());
  std::unordered_set<uint32_t> taken;
  for (const InspectionRule& rule : inspection.rules) taken.insert(rule.id);
  auto rules = read_rule_lines(*text, std::move(taken), dataplane::check_rule);
  if (!rules) return fail(lines_text(inspection.rules_file, rules.error()));
  return std::make_shared<const InspectionRules>(std::move(*rules));
}

}  // namespace sluice::ctrl

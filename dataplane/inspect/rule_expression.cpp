#include "dataplane/inspect/rule_expression.h"

#include <hs_compile.h>

namespace sluice::dataplane {

std::string expression_of(const InspectionRule& rule) {
  if (!rule.is_literal) return rule.pattern;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string escaped;
  escaped.reserve(4 * rule.pattern.size());
  for (const char byte : rule.pattern) {
    const auto value = static_cast<unsigned char>(byte);
    escaped += "\\x";
    escaped += kDigits[value >> 4];
    escaped += kDigits[value & 15];
  }
  return escaped;
}

unsigned expression_flags_of(const InspectionRule& rule) {
  return HS_FLAG_SINGLEMATCH | (rule.ignores_case ? HS_FLAG_CASELESS : 0u) |
         (rule.is_multiline ? HS_FLAG_MULTILINE : 0u) | (rule.dot_matches_all ? HS_FLAG_DOTALL : 0u);
}

}  // namespace sluice::dataplane

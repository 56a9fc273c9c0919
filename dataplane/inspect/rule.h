// A rule of an inspection, and how inspections look at packets. Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::dataplane {

enum class InspectionMode : uint8_t {
  kStream,  ///< each TCP flow's first bytes from the client, in order
  kPacket,  ///< each payload alone
};
inline constexpr std::array<std::string_view, 2> kInspectionModeNames = {"stream", "packet"};

enum class RuleAction : uint8_t {
  kDrop,   ///< the packet and the rest of its flow
  kReset,  ///< that, and both ends get a RST
  kCount,
};
inline constexpr std::array<std::string_view, 3> kRuleActionNames = {"drop", "reset", "count"};

struct InspectionRule {
  uint32_t id = 0;
  std::string pattern;
  bool is_literal = false;  ///< the pattern is what is looked for, byte for byte
  bool ignores_case = false;
  bool is_multiline = false;     ///< ^ and $ at each line's ends too
  bool dot_matches_all = false;  ///< line ends too
  RuleAction action = RuleAction::kDrop;
  bool operator==(const InspectionRule&) const = default;
};

}  // namespace sluice::dataplane

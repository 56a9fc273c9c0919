// The file of a set: one prefix a line. Parsing is pure; reading may wait for a disk.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "common/address.h"
#include "common/result.h"
#include "ctrl/intent/rules_model.h"
#include "lb/prefix_set.h"

namespace sluice::ctrl {

/// More do not fit into one set.
inline constexpr size_t kMostInSet = 4'000'000;
/// Nor into all sets of a configuration.
inline constexpr size_t kMostInSets = 16'000'000;

/// Prefixes without host bits, or addresses alone, of either family, one a line; what follows a `#` is a
/// comment. The Error says which line is wrong, and how many more are, but never what they say: whoever may
/// name a file need not be allowed to read it.
Result<std::vector<Prefix>> parse_set(std::string_view text);

/// All prefixes of a set, those of its file as it is now too. The Error names the file and the line.
Result<std::shared_ptr<const lb::PrefixSet>> read_set(const SetModel& set);

}  // namespace sluice::ctrl

// Which keys of `sources` and `discover` a type of source has: a row for each type.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace sluice::ctrl {

/// Besides the keys that every type has.
struct SourceKeys {
  std::string_view type;
  std::vector<std::string_view> source;    ///< in `sources`; one that must be there begins with `*`
  std::vector<std::string_view> discover;  ///< the same in `discover`

  /// Whether a key is among them.
  static bool has(std::span<const std::string_view> keys, std::string_view key);
};

/// In order of type.
std::span<const SourceKeys> source_keys();
/// Null where there is no such type.
const SourceKeys* keys_of(std::string_view type);

}  // namespace sluice::ctrl

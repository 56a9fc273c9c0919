// What somebody who speaks with the gateway may do. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::ctrl {

/// Each role may do what the ones before it may.
enum class Role : uint8_t {
  kView,     ///< look at everything but secrets
  kOperate,  ///< change the state of backends, flush flows
  kAdmin,    ///< change the configuration
};

std::string_view name_of(Role role);
/// Nothing: there is no role of that name.
std::optional<Role> role_named(std::string_view name);

}  // namespace sluice::ctrl

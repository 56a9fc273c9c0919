#include "ctrl/intent/role.h"

namespace sluice::ctrl {

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kView:
      return "view";
    case Role::kOperate:
      return "operate";
    case Role::kAdmin:
      return "admin";
  }
  return "";
}

std::optional<Role> role_named(std::string_view name) {
  for (const Role role : {Role::kView, Role::kOperate, Role::kAdmin}) {
    if (name == name_of(role)) return role;
  }
  return std::nullopt;
}

}  // namespace sluice::ctrl

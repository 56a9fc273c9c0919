// What the configuration says of the log. Plain values.
#pragma once

#include <map>
#include <string>

namespace sluice::ctrl {

struct LogModel {
  std::string level = "info";
  std::string format = "text";
  std::map<std::string, std::string> levels = {};  ///< of components that have one of their own, by name
  bool operator==(const LogModel&) const = default;
};

}  // namespace sluice::ctrl

// What sluicectl's exit status says (interface.md, section 1).
#pragma once

namespace sluice::sluicectl {

enum class ExitCode : int {
  kOk = 0,
  kRefused = 1,
  kUsage = 2,
  kConfigInvalid = 3,
  kCannotConnect = 4,
  kNotPermitted = 5,
  kConflict = 6,
  kTimeout = 7,
  kDifferent = 8,
};

}  // namespace sluice::sluicectl

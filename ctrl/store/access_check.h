// Whether what a changed configuration says of `remote` and `audit` can be opened: asked before it is taken,
// so that a change that would lock its own author out is refused. For threads that may wait for a disk.
#pragma once

#include "ctrl/intent/fault.h"

namespace sluice::ctrl {

struct Model;

/// Looks at files and addresses that `next` names and `now` does not; nothing stays open, and no file is
/// made.
Outcome<void> check_access(const Model& now, const Model& next);

}  // namespace sluice::ctrl

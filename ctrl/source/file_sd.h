// Prometheus' file_sd: a list of groups, each with `targets` and `labels`, as JSON or YAML. Pure.
#pragma once

#include <string>

#include "common/result.h"
#include "ctrl/observed/snapshot.h"

namespace sluice::ctrl {

/// A target is `HOST:PORT`, its weight the label `weight`, 1 where there is none. Targets that cannot be read
/// are left out and named. An Error, in one line, where the text is no such list, or has groups and
/// no targets in any; a text of blanks is none too, since whoever writes a file empties it first.
Result<Snapshot> parse_file_sd(const std::string& text);

}  // namespace sluice::ctrl

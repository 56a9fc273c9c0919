// Files that are replaced whole or not at all, and are durable before the call returns. For threads that may
// wait.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::ctrl {

/// Writes `text` beside `file`, syncs it and puts it in its place. A file that is there keeps its mode, and
/// its owner as far as that may be given; a new one has `mode`. What a symbolic link points at is replaced,
/// not the link.
Result<void> replace_file(const std::string& file, std::string_view text, mode_t mode);

/// All of a regular file of at most `most` bytes.
Result<std::string> read_whole_file(const std::string& file, size_t most);

}  // namespace sluice::ctrl

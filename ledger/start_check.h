// Whether a directory may hold this log, as far as the names and sizes of its files tell: looked at before
// the first byte is written. Journal thread's start.
#pragma once

#include <string>

#include "common/result.h"
#include "ledger/file_system.h"

namespace sluice::ledger {

/// Whether the verifier key is beside the log. Fails where the directory is another key's (`verifier_line` is
/// this one's), and where a log was begun and what cannot be rebuilt of it is gone: a second one under the
/// same key would contradict what the first promised. Changes nothing.
Result<bool> check_directory(FileSystem& files, const std::string& directory,
                             const std::string& verifier_line);

/// Whether `directory` has an entry of that name.
Result<bool> has_entry(FileSystem& files, const std::string& directory, const std::string& name);

}  // namespace sluice::ledger

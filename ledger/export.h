// `sluicectl ledger export`: a log as the static tree of files that C2SP tlog-tiles describes.
#pragma once

#include <string>

#include "common/result.h"
#include "ledger/log_reader.h"

namespace sluice::ledger {

/// Writes `checkpoint`, `tile/...` and `tile/entries/...` below `target`, which is made where it is missing
/// and must be empty; the partial tiles are those of the checkpoint's size. Returns how many files.
Result<uint64_t> export_log(FileSystem& files, LogReader& log, const std::string& target);

}  // namespace sluice::ledger

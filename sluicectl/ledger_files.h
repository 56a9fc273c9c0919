// What sluicectl does to a ledger's files without a gateway: keys, verification, export.
#pragma once

#include <string>

#include "common/result.h"
#include "ledger/verify.h"

namespace sluice::sluicectl {

/// Makes a key of that name and writes it to `path`, which must not exist, readable by its owner alone.
/// Returns the verifier key.
Result<std::string> make_key(const std::string& name, const std::string& path);

/// verify_log() with the named engine, or `auto`. An Error says why nothing could be verified.
Result<tl::expected<ledger::VerifyReport, ledger::VerifyFault>> verify_directory(
    const std::string& directory, const std::string& verifier_key, const std::string& engine);

/// export_log() of the log in `directory`.
Result<uint64_t> export_directory(const std::string& directory, const std::string& target);

}  // namespace sluice::sluicectl

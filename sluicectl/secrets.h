// What must not leave a machine in a file that people send to others. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sluice::sluicectl {

/// The same value without secrets: keys of hashes, passwords, tokens, credentials and headers have a word in
/// their place, wherever they stand. What refers to a file stays: its content is not there.
nlohmann::json without_secrets(nlohmann::json value);

}  // namespace sluice::sluicectl

// Tells of secrets that are used though others than their owner may read their file: once for each file, and
// again where it was put right meanwhile. Any thread.
#pragma once

#include <functional>
#include <string>

namespace sluice::ctrl {

/// Whom it is told, on the thread that has read the file; nobody until then. Once, before other threads
/// begin.
void tell_of_open_secrets(std::function<void(const std::string& warning)> tell);

/// The file of `reference` was read for its secret.
void note_secret(const std::string& reference, bool is_open_to_others);

}  // namespace sluice::ctrl

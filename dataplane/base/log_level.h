// How much a message matters. Plain values.
#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// Severity of a message about start-up or devices, as syslog has it.
enum class LogLevel : uint8_t { kError, kWarning, kInfo, kDebug };

}  // namespace sluice::dataplane

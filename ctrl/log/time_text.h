// Times as logs and answers write them. Pure.
#pragma once

#include <chrono>
#include <string>

namespace sluice::ctrl {

/// In UTC, with milliseconds (RFC 3339): `2026-11-28T18:00:00.123Z`.
std::string time_text(std::chrono::system_clock::time_point time);

}  // namespace sluice::ctrl

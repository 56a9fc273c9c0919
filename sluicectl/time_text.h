// Times as tables and lines show them. Pure.
#pragma once

#include <string>

namespace sluice::sluicectl {

/// `2026-01-31T12:00:00.000Z`.
std::string time_text(double unix_seconds);

}  // namespace sluice::sluicectl

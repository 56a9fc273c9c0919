// Durations of a configuration that have a least value. Control thread.
#pragma once

#include <chrono>

#include "ctrl/intent/config_cursor.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {

/// Reads the member `key` of `parent` into `target` where there is one; one below `shortest` is a fault.
inline void read_duration(const Cursor& parent, const char* key, std::chrono::milliseconds shortest,
                          std::chrono::milliseconds& target) {
  const Cursor text = parent.member(key);
  std::chrono::milliseconds duration{};
  if (!text.parse(parse_duration, duration)) return;
  if (duration < shortest) return text.fault("must be at least " + format_duration(shortest));
  target = duration;
}

}  // namespace sluice::ctrl

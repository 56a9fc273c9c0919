#include "ctrl/log/log_levels.h"

#include <algorithm>
#include <atomic>

namespace sluice::ctrl {
namespace {

constexpr uint8_t kInfo = 2;

/// Of each component, the index in kLogLevelNames of the least level that is written.
std::array<std::atomic<uint8_t>, kLogComponents.size()>& least_levels() {
  static std::array<std::atomic<uint8_t>, kLogComponents.size()> levels;
  static const bool is_set = [] {
    for (auto& level : levels) level = kInfo;
    return true;
  }();
  (void)is_set;
  return levels;
}

uint8_t index_of(std::string_view level) {
  const auto* found = std::ranges::find(kLogLevelNames, level);
  return found == kLogLevelNames.end() ? kInfo : static_cast<uint8_t>(found - kLogLevelNames.begin());
}

uint8_t index_of(dataplane::LogLevel level) {
  constexpr std::array<uint8_t, 4> kIndices = {4, 3, kInfo, 1};  // error, warning, info, debug
  return kIndices[static_cast<size_t>(level)];
}

}  // namespace

void set_log_levels(const LogModel& log) {
  for (size_t i = 0; i < kLogComponents.size(); ++i) {
    const auto own = log.levels.find(std::string(kLogComponents[i]));
    least_levels()[i] = index_of(own == log.levels.end() ? log.level : own->second);
  }
}

void set_log_level(LogComponent component, std::string_view level) {
  least_levels()[static_cast<size_t>(component)] = index_of(level);
}

std::string_view log_level_of(LogComponent component) {
  return kLogLevelNames[least_levels()[static_cast<size_t>(component)]];
}

bool log_takes(LogComponent component, dataplane::LogLevel level) {
  return index_of(level) >= least_levels()[static_cast<size_t>(component)];
}

}  // namespace sluice::ctrl

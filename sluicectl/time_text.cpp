#include "sluicectl/time_text.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <ctime>

namespace sluice::sluicectl {

std::string time_text(double unix_seconds) {
  const auto milliseconds = static_cast<int64_t>(std::floor(unix_seconds * 1000));
  const std::time_t seconds = milliseconds / 1000;
  std::tm calendar{};
  ::gmtime_r(&seconds, &calendar);
  std::array<char, 32> date{};
  const size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &calendar);
  return std::string(date.data(), length) + "." + std::to_string(1000 + milliseconds % 1000).substr(1) + "Z";
}

}  // namespace sluice::sluicectl

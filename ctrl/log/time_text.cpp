#include "ctrl/log/time_text.h"

#include <array>
#include <ctime>

namespace sluice::ctrl {

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm calendar;
  ::gmtime_r(&seconds, &calendar);
  std::array<char, 32> date;
  const size_t length = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &calendar);
  const std::string fraction = std::to_string(1000 + milliseconds % 1000).substr(1);
  return std::string(date.data(), length) + "." + fraction + "Z";
}

}  // namespace sluice::ctrl

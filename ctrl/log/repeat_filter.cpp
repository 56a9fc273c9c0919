#include "ctrl/log/repeat_filter.h"

#include <algorithm>
#include <utility>

namespace sluice::ctrl {

bool RepeatFilter::take(std::string_view text, int tag, Time now) {
  if (text.size() > kLongest) return true;
  while (!lines_.empty() && now - lines_.front().first >= kInterval) forget_oldest();
  const auto known =
      std::ranges::find_if(lines_, [&](const Line& line) { return line.tag == tag && line.text == text; });
  if (known != lines_.end()) {
    if (++known->times <= kBurst) return true;
    ++left_out_;
    return false;
  }
  if (lines_.size() == kMostLines) forget_oldest();
  lines_.push_back({std::string(text), tag, now, 1});
  return true;
}

void RepeatFilter::forget_oldest() {
  Line& line = lines_.front();
  if (line.times > kBurst) over_.push_back({std::move(line.text), line.tag, line.times - kBurst});
  lines_.pop_front();
}

std::vector<RepeatFilter::Repeated> RepeatFilter::settle(Time now, bool all) {
  while (!lines_.empty() && (all || now - lines_.front().first >= kInterval)) forget_oldest();
  return std::exchange(over_, {});
}

}  // namespace sluice::ctrl

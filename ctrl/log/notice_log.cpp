#include "ctrl/log/notice_log.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

using dataplane::Notice;
using dataplane::NoticeKind;

bool is_same(const Notice& a, const Notice& b) {
  return a.kind == b.kind && a.port == b.port && a.address == b.address && a.now == b.now;
}

std::string text_of(const Notice& notice, std::string_view port) {
  const std::string begin = "port \"" + std::string(port) + "\": ";
  switch (notice.kind) {
    case NoticeKind::kNeighborChanged:
      return begin + "neighbor " + notice.address.to_string() + " moved from " + notice.before.to_string() +
             " to " + notice.now.to_string();
    case NoticeKind::kNeighborContested:
      return begin + "somebody claimed that neighbor " + notice.address.to_string() +
             " had moved; it answers from " + notice.now.to_string() + " still";
    case NoticeKind::kAddressConflict:
      return begin + notice.now.to_string() + " claims our address " + notice.address.to_string();
  }
  return begin;
}

}  // namespace

void NoticeLog::add(const Notice& notice, std::string_view port, Time now) {
  tick(now);
  const auto is_known = [&](const Line& line) { return is_same(line.notice, notice); };
  if (std::any_of(lines_.begin(), lines_.end(), is_known)) return;
  if (lines_.size() == kMostLines) {
    ++left_out_;
    return;
  }
  lines_.push_back({notice, now});
  write_(text_of(notice, port));
}

void NoticeLog::tick(Time now) {
  while (!lines_.empty() && now - lines_.front().written >= kInterval) lines_.pop_front();
  if (left_out_ == 0 || lines_.size() == kMostLines) return;
  write_(std::to_string(left_out_) + " more notices of neighbors and addresses were left out");
  left_out_ = 0;
}

}  // namespace sluice::ctrl

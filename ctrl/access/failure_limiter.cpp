#include "ctrl/access/failure_limiter.h"

#include <algorithm>

#include "common/address.h"

namespace sluice::ctrl {

bool FailureLimiter::is_paused(std::string_view source, Time now) const {
  const auto found = sources_.find(std::string(source));
  return found != sources_.end() && now < found->second.paused_until;
}

void FailureLimiter::note_failure(std::string_view source, Time now) {
  auto found = sources_.find(std::string(source));
  if (found == sources_.end()) {
    if (sources_.size() >= kMostSources && !make_room(now)) return;
    found = sources_.try_emplace(std::string(source)).first;
  }
  Source& noted = found->second;
  while (!noted.failures.empty() && now - noted.failures.front() >= kWithin) noted.failures.pop_front();
  noted.failures.push_back(now);
  if (noted.failures.size() < kMostFailures) return;
  noted.paused_until = now + kPause;
  noted.failures.clear();
}

/// False: all of them are paused.
bool FailureLimiter::make_room(Time now) {
  const auto last_of = [](const auto& entry) {
    return entry.second.failures.empty() ? entry.second.paused_until : entry.second.failures.back();
  };
  std::erase_if(sources_, [&](const auto& entry) {
    return now >= entry.second.paused_until && now - last_of(entry) >= kWithin;
  });
  if (sources_.size() < kMostSources) return true;
  auto oldest = sources_.end();
  for (auto at = sources_.begin(); at != sources_.end(); ++at) {
    if (now < at->second.paused_until) continue;
    if (oldest == sources_.end() || last_of(*at) < last_of(*oldest)) oldest = at;
  }
  if (oldest == sources_.end()) return false;
  sources_.erase(oldest);
  return true;
}

std::string source_of(std::string_view address_and_port) {
  std::string_view host = address_and_port.substr(0, address_and_port.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host.substr(0, host.find('%')));
  if (!address) return std::string(host);
  if (address->is_v4()) return address->to_string();
  return mask(*address, 64).to_string() + "/64";
}

}  // namespace sluice::ctrl

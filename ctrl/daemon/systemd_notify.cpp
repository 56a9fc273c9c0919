#include "ctrl/daemon/systemd_notify.h"

#include <systemd/sd-daemon.h>

#include <cstdint>
#include <ctime>

namespace sluice::ctrl {

void notify_ready(const std::string& status) {
  ::sd_notifyf(0, "READY=1\nSTATUS=%s", status.c_str());
}

void notify_reloading() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto microseconds = static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds)).c_str());
}

void notify_stopping(std::chrono::milliseconds patience) {
  ::sd_notify(0, "STOPPING=1");
  constexpr std::chrono::seconds kStop{15};
  const std::chrono::microseconds all = patience + kStop;
  if (patience.count() > 0) ::sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", static_cast<long long>(all.count()));
}

void notify_alive() {
  ::sd_notify(0, "WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  uint64_t microseconds = 0;
  if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
  return std::chrono::microseconds(microseconds);
}

}  // namespace sluice::ctrl

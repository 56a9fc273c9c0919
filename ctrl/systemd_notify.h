// What the service manager is told (sd_notify(3)); nothing where there is none. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace sluice::ctrl {

void notify_ready(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_alive();
/// How long systemd waits for notify_alive() before it acts; nothing: it does not wait.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace sluice::ctrl

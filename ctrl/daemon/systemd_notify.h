// What the service manager is told (sd_notify(3)); nothing where there is none. Control thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace sluice::ctrl {

void notify_ready(const std::string& status);
void notify_reloading();
/// It will take `patience` longer than a stop does otherwise.
void notify_stopping(std::chrono::milliseconds patience);
void notify_alive();
/// How long systemd waits for notify_alive() before it acts; nothing: it does not wait.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace sluice::ctrl

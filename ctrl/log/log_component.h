// The parts of the daemon whose log lines may have a level of their own, and which one a line is of. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::ctrl {

enum class LogComponent : uint8_t {
  kBackend,
  kControl,
  kDaemon,
  kDataplane,
  kGateway,
  kHealth,
  kHttp,
  kLedger,
  kRegistry,
  kSource,
  kTunnel,
};

/// As the configuration and lines have them, in the order of the enumeration.
inline constexpr std::array<std::string_view, 11> kLogComponents = {
    "backend", "control", "daemon",   "dataplane", "gateway", "health",
    "http",    "ledger",  "registry", "source",    "tunnel"};

/// Which one a source file logs for, by the folder that it lies in; kDaemon for folders without one.
LogComponent log_component_of(std::string_view source_file);
/// What log_component_of() takes for a file of that component.
const char* log_source_for(LogComponent component);
/// Nothing: there is none of that name.
std::optional<LogComponent> log_component_named(std::string_view name);

}  // namespace sluice::ctrl

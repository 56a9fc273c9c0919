// What of a host a gateway needs or is faster with: looked at in /proc and /sys, without a gateway and
// without privilege. Reads only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

enum class CheckState : uint8_t {
  kOk,
  kWarning,  ///< it works, slower or not everywhere
  kFailed,   ///< no gateway can run like that
};
std::string_view word_for(CheckState state);

struct Check {
  std::string check;
  CheckState state = CheckState::kOk;
  std::string detail;  ///< what there is
  std::string fix;     ///< the command that mends it, or what else to do; empty where nothing is wrong
};

/// A host, by the root of its file system: "/", or a copy for tests.
struct Host {
  std::filesystem::path root = "/";
  std::optional<unsigned> usable_cpus = {};  ///< nothing: those that this process may run on
};

/// What the gateway that runs says of itself, where one does.
struct GatewayNeeds {
  bool uses_huge_pages = true;
  std::vector<unsigned> cpus = {};          ///< of its workers
  std::vector<std::string> pci_ports = {};  ///< addresses
};

/// All checks, always in the same order. `needs`: nothing where no gateway says them.
std::vector<Check> examine(const Host& host, const std::optional<GatewayNeeds>& needs);

}  // namespace sluice::sluicectl

// What the data plane needs before the first packet, and cannot change without a restart: the `gateway`
// and `ports` sections. Made by ctrl from the configuration; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/address.h"
#include "dataplane/base/log_level.h"
#include "dataplane/base/worker_limits.h"
#include "dataplane/tables/ledger_config.h"
#include "dataplane/tables/port_view.h"

namespace sluice::dataplane {

class Surroundings;

enum class IdleMode : uint8_t {
  kPoll,      ///< spin
  kAdaptive,  ///< back off: pause, then short sleeps
};

struct PortConfig {
  std::string name;
  std::string device;  ///< PCI address, or a virtual device with its arguments
  std::optional<MacAddress> mac;
  uint16_t mtu = 1500;
  std::array<uint16_t, kMaxVlanTags> vlan_ids{};
  uint8_t vlan_tags = 0;
  bool kernel = false;
  std::vector<Prefix> addresses;
};

struct BootConfig {
  std::vector<std::string> eal;        ///< extra EAL arguments
  std::vector<unsigned> workers;       ///< CPU ids, one worker each; a CPU may be listed more than once
  std::vector<unsigned> lb_workers;    ///< the same for balancing workers; empty: workers balance
  std::vector<unsigned> hash_workers;  ///< the same for hashing transactions; empty: workers hash
  IdleMode idle = IdleMode::kAdaptive;
  uint32_t flow_table_entries = 1u << 20;  ///< per balancing worker
  WorkerLimits limits;
  std::vector<PortConfig> ports;
  std::optional<LedgerConfig> ledger;  ///< nothing: no ledger ingress
  /// Where messages of EAL, drivers and this folder go, one line each, from any thread that is not a
  /// worker; null: warnings and errors to stderr.
  void (*log)(LogLevel level, std::string_view line) = nullptr;
  Surroundings* surroundings = nullptr;  ///< outlives the data plane; null: the machine
};

}  // namespace sluice::dataplane

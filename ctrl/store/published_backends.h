// What backend.list says of backends, as of the last publication of Tables, so that asking waits for no
// compilation. Immutable; any thread reads. What workers count of backends is read separately.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/model.h"
#include "ctrl/observed/backend_statuses.h"
#include "lb/backend.h"
#include "lb/pool_table.h"

namespace sluice::ctrl {

struct PublishedBackend {
  HostPort at;
  lb::BackendId id;
  lb::BackendState state;
  std::string reason;
  std::chrono::system_clock::time_point since;
  uint32_t weight;
  double share;  ///< of the pool's slots, 0 to 1; of the TCP table where services use both
  bool is_from_file;
};

struct PublishedPool {
  std::string source;  ///< that names backends of it; empty: only the configuration does
  std::vector<PublishedBackend> backends;
  PoolAvailability availability = {};
  std::shared_ptr<const lb::PoolTable> tcp_table = {}, udp_table = {};  ///< null: no service wants it

  const std::shared_ptr<const lb::PoolTable>& table(IpProtocol protocol) const {
    return protocol == IpProtocol::kUdp ? udp_table : tcp_table;
  }
};

}  // namespace sluice::ctrl

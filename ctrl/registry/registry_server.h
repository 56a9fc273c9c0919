// Where services register themselves: listens, and runs all of it on a thread of its own, so that nobody who
// registers holds the control loop, a source, or a packet. Made and ended by the control thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "ctrl/intent/registry_model.h"
#include "ctrl/observed/lease_table.h"

namespace sluice::ctrl {

class RegistryServer {
 public:
  /// At most so many connections to each of the two addresses; one more ends the oldest.
  static constexpr size_t kMostConnections = 512;

  /// Takes up the leases that `model.state` holds into `table`, listens, and begins. `table` outlives the
  /// server. An Error names what of the configuration it is about.
  static Result<std::unique_ptr<RegistryServer>> start(const RegistryModel& model, LeaseTable& table);
  /// Ends all connections, and has written all leases.
  ~RegistryServer();

  struct Counts {
    size_t instances, watchers;
    uint64_t ended;  ///< leases that nobody renewed
  };
  /// Any thread.
  Counts counts() const;

 private:
  RegistryServer();
  struct Running;
  std::unique_ptr<Running> running_;
};

}  // namespace sluice::ctrl

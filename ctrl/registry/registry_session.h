// What the conversations of the registry share: the registry, its table, who may speak, and how many wait.
// The registry's thread alone.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "ctrl/net/stop_signal.h"
#include "ctrl/observed/lease_table.h"
#include "ctrl/registry/registry.h"
#include "ctrl/registry/registry_access.h"

namespace sluice::ctrl {

struct RegistryParts {
  static constexpr size_t kMostWatchers = 1000;

  boost::asio::io_context& io;
  LeaseTable& table;
  std::unique_ptr<Registry> registry;
  std::atomic<size_t> watchers = 0;  ///< streams of Watch, and lists that wait for a change
};

/// One who waits for changes, counted as long as it lives. Check room first.
class RegistryWatcher {
 public:
  static bool has_room(const RegistryParts& parts) { return parts.watchers < RegistryParts::kMostWatchers; }

  /// `changed` is called on the registry's thread, not during a change.
  RegistryWatcher(RegistryParts& parts, const std::string& service, std::function<void()> changed);
  ~RegistryWatcher();
  RegistryWatcher(const RegistryWatcher&) = delete;
  RegistryWatcher& operator=(const RegistryWatcher&) = delete;

 private:
  struct State;
  RegistryParts& parts_;
  std::shared_ptr<State> state_;
  uint64_t listener_;
};

/// One connection from its acceptance to its end, over HTTP/1.1 or as gRPC. `stop` ends it.
boost::asio::awaitable<void> converse_in_http(std::shared_ptr<RegistryParts> parts,
                                              std::shared_ptr<RegistryAccess> access,
                                              boost::asio::ip::tcp::socket socket,
                                              std::shared_ptr<StopSignal> stop);
boost::asio::awaitable<void> converse_in_grpc(std::shared_ptr<RegistryParts> parts,
                                              std::shared_ptr<RegistryAccess> access,
                                              boost::asio::ip::tcp::socket socket,
                                              std::shared_ptr<StopSignal> stop);

}  // namespace sluice::ctrl

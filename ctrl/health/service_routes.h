// The ways of checks through services, from the configuration that is applied. Control loop.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "ctrl/health/check_packets.h"
#include "ctrl/health/service_connection.h"
#include "ctrl/intent/model.h"
#include "ctrl/intent/service_paths.h"
#include "ctrl/store/gateway.h"
#include "dataplane/tables/route_table.h"

namespace sluice::ctrl {

class ServiceRoutes {
 public:
  /// Both outlive this, or stop() comes before they end.
  ServiceRoutes(boost::asio::io_context& io, Gateway& gateway);

  /// How a check gets to a backend by each service that it is to go through, in their order. Of a service
  /// that translates, the mode alone is filled in: the check goes to the backend's own address. Empty: no
  /// service uses the pool. Throws CheckImpossible.
  std::vector<ServiceRoute> to(const BackendKey& backend);
  const std::shared_ptr<CheckPackets>& packets() const { return packets_; }
  void stop() { packets_->stop(); }

 private:
  void follow(const std::shared_ptr<const Model>& model);
  ServiceRoute route_of(const ServicePath& path, const BackendKey& backend) const;

  Gateway& gateway_;
  std::shared_ptr<CheckPackets> packets_;
  std::shared_ptr<const Model> model_;  ///< that the others are of
  ServicePaths paths_;
  std::shared_ptr<const dataplane::RouteTable> routes_;
};

}  // namespace sluice::ctrl

// Has remote control and the audit log be what the configuration asks for. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include "common/result.h"
#include "ctrl/daemon/monitoring_pages.h"
#include "ctrl/intent/remote_model.h"

namespace sluice::ctrl {

class JsonRpc;
class RemoteServer;
class SpanQueue;
struct Model;

class RemoteRunner {
 public:
  /// Borrows all of it; `monitored` is told what there is to be seen. Outlives `io`, which may hold what is
  /// to be answered.
  RemoteRunner(boost::asio::io_context& io, JsonRpc& rpc, Audit& audit, SpanQueue& spans,
               Monitored& monitored);
  ~RemoteRunner();

  /// Opens what a configuration asks for the first time. An Error names what of it cannot be had.
  Result<void> start(const Model& model);
  /// Goes on with another one. What cannot be opened, though it could when the configuration was taken, is as
  /// it was before; the log says so.
  void follow(const Model& model);
  /// Ends all connections.
  void stop();

 private:
  Result<void> open(const Model& model);
  void show();

  boost::asio::io_context& io_;
  JsonRpc& rpc_;
  Audit& audit_;
  SpanQueue& spans_;
  Monitored& monitored_;
  // What was asked for last.
  AuditModel audited_;
  std::optional<RemoteModel> asked_;
  std::unique_ptr<RemoteServer> server_;  ///< since there was the first
};

}  // namespace sluice::ctrl

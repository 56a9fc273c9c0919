// Control from afar: HTTPS with the methods of the control socket (`POST /rpc`) and the pages of http.listen,
// for whoever has a role. TLS and its handshakes have a thread of their own, so that no stranger holds the
// control loop; methods and pages run where they always do. Made and ended by the control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "common/result.h"
#include "ctrl/access/audit.h"
#include "ctrl/http/http_server.h"
#include "ctrl/intent/remote_model.h"
#include "ctrl/remote/remote_gate.h"
#include "ctrl/rpc/json_rpc.h"

namespace sluice::ctrl {

class RemoteServer {
 public:
  /// What lies behind it, on the control thread. All of it outlives the server's stop(); and the server
  /// outlives `control`, which may still hold what is to be answered.
  struct Behind {
    boost::asio::io_context& control;
    JsonRpc& rpc;
    Audit& audit;
    SpanQueue* spans;  ///< of requests; null: none is told of
    HttpServer::Site site;
  };
  /// An Error names what of the configuration it is about.
  static Result<std::unique_ptr<RemoteServer>> start(const RemoteModel& model, Behind behind);
  ~RemoteServer();

  /// Goes on by another configuration, or without an address (null): new connections go by it at once, idle
  /// ones and streams end, and so do the others with their next answer. An Error where it cannot be opened:
  /// then the one before is opened again, if that can be. Waits for its thread.
  Result<void> follow(const RemoteModel* model);
  /// Null: it has no address. Made from what it was asked for last that could be opened.
  const RemoteModel* model() const;
  /// Ends all connections, and its thread.
  void stop();
  /// Any thread.
  const RemoteCounts& counts() const;
  uint16_t port() const;  ///< of its address, where it has one

 private:
  RemoteServer();
  struct Running;
  std::unique_ptr<Running> running_;
};

}  // namespace sluice::ctrl

// The control socket's connections: reads requests, hands them to JsonRpc one after another, writes the
// answers. What a peer does wrong costs its own connection. Control thread; nothing blocks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <memory>

#include "ctrl/rpc/control_socket.h"
#include "ctrl/rpc/json_rpc.h"

namespace sluice::ctrl {

struct ControlLimits {
  size_t connections = 512;
  size_t reserved_for_admin = 32;           ///< of those, when the rest is taken
  size_t input_bytes = size_t{256} << 20;   ///< unfinished requests of all connections
  size_t output_bytes = size_t{256} << 20;  ///< answers under way on all connections
  size_t unasked_bytes = size_t{8} << 20;   ///< of notifications that a connection has not taken yet
  size_t skipped_bytes =
      size_t{64} << 20;  ///< after a refusal, before the next line: then the peer is dropped
  std::chrono::milliseconds request{30'000};  ///< from a request's first byte to its last
  std::chrono::milliseconds line_end{1'000};  ///< how long a request broken off at a line end is waited for
  std::chrono::milliseconds write_stall{
      8'000};  ///< a peer that takes nothing of an answer or event for this long is dropped
  std::chrono::milliseconds unasked_stall{60'000};  ///< the same, of a capture's pieces
  std::chrono::milliseconds idle{600'000};          ///< without a request, where nobody may notify it
};

class ControlServer {
 public:
  /// Accepts as soon as `io` runs. `rpc` outlives this, this outlives the run of `io`.
  ControlServer(boost::asio::io_context& io, ControlSocket socket, JsonRpc& rpc, ControlLimits limits = {});
  ~ControlServer();

  /// Stops accepting and ends every connection.
  void stop();
  size_t connections() const;

 private:
  class Connection;
  struct Shared;
  using Protocol = boost::asio::local::stream_protocol;

  boost::asio::awaitable<void> accept();
  void admit(Protocol::socket socket);

  ControlSocket socket_;
  std::shared_ptr<Shared> shared_;
  Protocol::acceptor acceptor_;
};

}  // namespace sluice::ctrl

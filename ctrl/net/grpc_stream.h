// One call of gRPC in which both sides send messages, as a client, on a connection of its own. One thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ctrl/net/http2.h"
#include "ctrl/wire/grpc_message.h"

namespace sluice::ctrl {

class GrpcStream : public Http2Events, public std::enable_shared_from_this<GrpcStream> {
 public:
  struct Target {
    std::string path;       ///< "/package.Service/Method"
    std::string authority;  ///< "10.0.0.1:15010"
    bool is_tls = false;
    size_t most_bytes = size_t{32} << 20;  ///< of a message
  };

  /// Begins the call; link->stop ends it.
  static std::shared_ptr<GrpcStream> begin(boost::asio::io_context& io, std::shared_ptr<Http2Link> link,
                                           Target target);

  void send(std::string_view message);
  /// The next message of the peer. Throws PeerFault where the call has ended, or nothing has come within
  /// `patience`.
  boost::asio::awaitable<std::string> next(std::optional<std::chrono::milliseconds> patience);
  void stop() { link_->stop.stop(); }
  uint64_t received_bytes() const { return received_bytes_; }

  void fields(int32_t stream, HttpFields fields) override;
  void data(int32_t stream, std::string_view bytes) override;
  void ended(int32_t stream) override;
  void closed(int32_t stream, uint32_t error) override;
  void drained(int32_t) override {}

 private:
  GrpcStream(boost::asio::io_context& io, std::shared_ptr<Http2Link> link, Target target);
  void end(const std::string& reason);

  boost::asio::io_context& io_;
  std::shared_ptr<Http2Link> link_;
  const Target target_;
  Http2Connection connection_;
  int32_t stream_ = -1;
  GrpcMessages messages_;
  uint64_t received_bytes_ = 0;
  boost::asio::steady_timer news_;  ///< cancelled when a message has come, or the end
  std::optional<std::string> end_;  ///< why there will be no more
};

}  // namespace sluice::ctrl

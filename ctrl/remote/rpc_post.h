// `POST /rpc`: one JSON-RPC request or batch, within the bounds of the control socket. Its body is read on
// the thread of remote control, its methods are called on the control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ctrl/http/http_server.h"
#include "ctrl/rpc/json_framer.h"
#include "ctrl/rpc/json_rpc.h"

namespace sluice::ctrl {

/// What all of them share.
struct RpcPosts {
  static constexpr size_t kMostBytes = size_t{256} << 20;  ///< of bodies at a time
  boost::asio::io_context& control;
  JsonRpc& rpc;
  size_t bytes = 0;        ///< the thread of remote control alone
  bool tell_more = false;  ///< answers go on with what methods tell later (rpc_stream.h)
};

class RpcPost : public HttpPost {
 public:
  RpcPost(std::shared_ptr<RpcPosts> shared, Peer peer, std::string_view traceparent)
      : shared_(std::move(shared)), peer_(std::move(peer)), traceparent_(traceparent) {}
  ~RpcPost() override;

  bool take(std::string_view piece) override;
  void answer(std::function<void(HttpAnswer)> reply) override;

 private:
  bool look();

  std::shared_ptr<RpcPosts> shared_;
  Peer peer_;
  std::string traceparent_;
  JsonFramer framer_;
  std::string request_;    ///< once it is whole
  std::string refusal_;    ///< the answer, where it is none
  unsigned status_ = 200;  ///< of the refusal
  size_t accounted_ = 0;
};

}  // namespace sluice::ctrl

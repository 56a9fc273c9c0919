// Requests to etcd's JSON gateway, with its tokens: one is asked for by name and password, kept for all
// subscriptions of the source, and asked for anew when it is no longer taken. Used by the thread of the
// source.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "crypto/secret.h"
#include "ctrl/net/faults.h"
#include "ctrl/source/http_servers.h"
#include "ctrl/source/turns.h"
#include "ctrl/wire/etcd_message.h"

namespace sluice::ctrl {

/// etcd has understood, and refused.
class EtcdRefusal : public PeerFault {
 public:
  EtcdRefusal(const std::string& text, int64_t code) : PeerFault(text), code_(code) {}
  int64_t code() const { return code_; }  ///< of gRPC; -1: the answer was none of etcd's

 private:
  int64_t code_;
};

class EtcdClient {
 public:
  EtcdClient(boost::asio::io_context& io, const SourceModel& model);

  /// The answer to a POST, its status 200. Throws EtcdRefusal and PeerFault.
  boost::asio::awaitable<std::unique_ptr<HttpExchange>> post(std::string path, std::string body,
                                                             StopSignal& stop);
  boost::asio::awaitable<EtcdPage> range(std::string request, StopSignal& stop);
  /// The endpoint did not do what it should: the next request goes to another one.
  void turn_away() { servers_.turn_away(); }

 private:
  boost::asio::awaitable<std::unique_ptr<HttpExchange>> ask(HttpRequest request, StopSignal& stop);
  boost::asio::awaitable<void> authenticate(uint64_t refused, StopSignal& stop);

  std::string username_, password_file_;
  HttpServers servers_;
  Turns authentication_;  ///< one at a time: it is dear for the server
  std::optional<crypto::SecretText> token_;
  uint64_t token_number_ = 0;  ///< counts tokens, so that one that was refused is told from its successor
  bool needs_no_token_ = false;
};

}  // namespace sluice::ctrl

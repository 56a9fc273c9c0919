// The servers of one source: which of its endpoints is spoken to, where its name leads, and TLS. Used by the
// thread of the source.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "ctrl/intent/source_model.h"
#include "ctrl/net/client_stream.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/source/dns_client.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {

class Servers {
 public:
  /// `protocol` is offered in the handshake of TLS; empty: none.
  Servers(boost::asio::io_context& io, const SourceModel& model, UrlDefaults defaults, std::string protocol);

  struct Connected {
    std::unique_ptr<ClientStream> stream;
    ServerUrl url;
  };
  /// To the endpoint that was spoken to last, else to the next one that can be reached. Throws PeerFault,
  /// which names each endpoint and what is wrong with it.
  boost::asio::awaitable<Connected> connect(StopSignal& stop);
  size_t size() const { return urls_.size(); }
  /// The endpoint did not do what it should: next time it is the turn of another one.
  void turn_away() { ++current_; }

 private:
  boost::asio::awaitable<std::unique_ptr<ClientStream>> connect_to(const ServerUrl& url, StopSignal& stop);

  boost::asio::io_context& io_;
  const SourceTlsModel tls_;
  const std::string protocol_;
  std::vector<ServerUrl> urls_;
  std::string fault_;  ///< of an endpoint that cannot be read
  DnsClient names_;
  TlsContexts contexts_;
  size_t current_ = 0;
};

}  // namespace sluice::ctrl

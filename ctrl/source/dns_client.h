// Looks up names by asking DNS servers (RFC 1035): over UDP with EDNS, over TCP what was too long for it, or
// all over TLS (RFC 7858); one server after the other. Used by the thread of one source.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/address.h"
#include "ctrl/intent/source_model.h"
#include "ctrl/net/stop_signal.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/source/turns.h"
#include "ctrl/wire/dns_answer.h"

namespace sluice::ctrl {

struct DnsServer {
  IpAddress address;
  uint16_t port = 53;
};

/// The addresses of one name. Each family is held while it cannot be asked for.
struct NamedAddresses {
  std::vector<IpAddress> v4, v6;
  bool is_known = false;  ///< the name was answered for, or one family of it with an address
  std::string error;      ///< why a family could not be asked for the last time; empty: both could
  std::chrono::seconds ttl{0};
  std::vector<IpAddress> all() const;
};

class DnsClient {
 public:
  /// Without `servers` the system's are asked, /etc/hosts before them; both are read for every lookup.
  /// `tls`: whether, and with what, servers are spoken to over TLS.
  DnsClient(boost::asio::io_context& io, std::vector<DnsServer> servers, SourceTlsModel tls = {});

  /// Follows aliases. No records: there are none, authoritatively. Throws PeerFault where nobody could say.
  boost::asio::awaitable<DnsFound> lookup(std::string name, DnsType type, StopSignal& stop);
  /// A and AAAA of a full name into `addresses`; what failed is in its `error`.
  boost::asio::awaitable<void> refresh(NamedAddresses& addresses, std::string name, StopSignal& stop);
  /// As a program of this host finds `name`: an address itself, /etc/hosts and the search domains where the
  /// system's servers are asked.
  boost::asio::awaitable<NamedAddresses> addresses_of(std::string name, StopSignal& stop);

 private:
  boost::asio::awaitable<DnsAnswer> ask_all(const std::string& name, DnsType type, StopSignal& stop);
  boost::asio::awaitable<DnsAnswer> ask(DnsServer server, const std::string& name, DnsType type,
                                        std::chrono::milliseconds patience, StopSignal& stop);
  boost::asio::awaitable<DnsAnswer> ask_by_datagram(DnsServer server, std::vector<uint8_t> query,
                                                    std::chrono::milliseconds patience, StopSignal& stop);
  boost::asio::awaitable<DnsAnswer> ask_by_tls(DnsServer server, std::vector<uint8_t> query,
                                               StopSignal& stop);
  std::vector<DnsServer> servers_now() const;

  boost::asio::io_context& io_;
  const SourceTlsModel tls_;
  TlsContexts contexts_;
  const std::vector<DnsServer> servers_;
  size_t preferred_ = 0;  ///< the server that answered last
  Turns turns_;
};

}  // namespace sluice::ctrl

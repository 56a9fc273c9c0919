#include "ctrl/source/servers.h"

#include <algorithm>
#include <span>

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kConnectTime = 3s;     // for each address, with the handshake of TLS
constexpr size_t kMostAddresses = 4;  // of one endpoint are tried

}  // namespace

Servers::Servers(asio::io_context& io, const SourceModel& model, UrlDefaults defaults, std::string protocol)
    : io_(io), tls_(model.tls), protocol_(std::move(protocol)), names_(io, {}) {
  defaults.is_tls = tls_.enabled;
  for (const std::string& text : model.endpoints) {
    auto url = parse_server_url(text, defaults);
    if (url) {
      urls_.push_back(std::move(*url));
    } else {
      fault_ = "an endpoint cannot be read: " + url.error().message;
    }
  }
  if (urls_.empty() && fault_.empty()) fault_ = "it has no endpoints";
}

awaitable<std::unique_ptr<ClientStream>> Servers::connect_to(const ServerUrl& url, StopSignal& stop) {
  std::shared_ptr<SSL_CTX> context;
  if (url.is_tls) context = contexts_.with({tls_.ca, tls_.certificate, tls_.key});
  const NamedAddresses found = co_await names_.addresses_of(url.host, stop);
  const auto addresses = found.all();
  if (addresses.empty()) throw PeerFault(found.error.empty() ? "its name has no address" : found.error);
  std::string reason;
  for (const IpAddress& address : std::span(addresses).first(std::min(addresses.size(), kMostAddresses))) {
    try {
      auto stream = std::make_unique<ClientStream>(io_, stop);
      stream->expires_after(kConnectTime);
      const TlsPeer peer{tls_.server_name.empty() ? url.host : tls_.server_name, address, false};
      co_await stream->connect(address, url.port);
      if (context != nullptr) co_await stream->secure(*context, peer, protocol_);
      co_return stream;
    } catch (const std::runtime_error& error) {
      reason = error.what();
    }
  }
  throw PeerFault(reason);
}

awaitable<Servers::Connected> Servers::connect(StopSignal& stop) {
  if (urls_.empty()) throw PeerFault(fault_);
  std::string reasons;
  for (size_t tried = 0; tried < urls_.size() && !stop.is_stopped(); ++tried) {
    const ServerUrl& url = urls_[current_ % urls_.size()];
    try {
      auto stream = co_await connect_to(url, stop);
      Connected connected{std::move(stream), url};
      co_return connected;
    } catch (const std::runtime_error& error) {
      if (!reasons.empty()) reasons += "; ";
      reasons += url.authority() + ": " + error.what();
    }
    turn_away();
  }
  throw PeerFault(reasons.empty() ? "stopped" : reasons);
}

}  // namespace sluice::ctrl

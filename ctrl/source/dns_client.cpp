#include "ctrl/source/dns_client.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <random>

#include "ctrl/intent/config_values.h"
#include "ctrl/net/client_stream.h"
#include "ctrl/wire/system_names.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr size_t kMostUnderWay = 64;  // each has a socket
constexpr int kMostQueriesOfAChain = 8;
constexpr uint16_t kDatagramBytes = 1232;  // goes through any path (DNS flag day 2020)
constexpr auto kTcpPatience = 3s;
constexpr auto kMostTime = 9s;  // of one lookup
constexpr std::array kFamilies = {DnsType::kA, DnsType::kAaaa};
constexpr std::array kAttemptTimes = {1000ms, 2000ms};
constexpr std::chrono::seconds kHostsTtl = 30s;
constexpr unsigned kFormatError = 1, kNotImplemented = 4;

std::string text_of_file(const char* path) {
  constexpr size_t kMostBytes = size_t{1} << 20;
  std::ifstream file(path);
  std::string text(kMostBytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

ResolverSettings system_settings() {
  return read_resolver_settings(text_of_file("/etc/resolv.conf"));
}

DnsAnswer checked(Result<DnsAnswer> answer) {
  if (!answer) throw PeerFault("its answer cannot be read: " + answer.error().message);
  return std::move(*answer);
}

awaitable<DnsAnswer> ask_by_udp(asio::io_context& io, StopSignal& stop, DnsServer server,
                                const std::vector<uint8_t>& query, std::chrono::milliseconds patience) {
  UdpConnection connection(io, stop);
  connection.expires_after(patience);
  connection.connect(server.address, server.port);
  co_await connection.send(query);
  std::array<uint8_t, 4096> datagram;
  for (;;) {  // what answers another query is passed over
    const size_t size = co_await connection.receive(datagram);
    auto answer = read_dns_answer(std::span(datagram).first(size), query);
    if (answer) co_return checked(std::move(*answer));
  }
}

/// As TCP carries messages (RFC 1035, 4.2.2).
std::vector<uint8_t> with_length(const std::vector<uint8_t>& query) {
  std::vector<uint8_t> bytes;
  bytes.reserve(query.size() + 2);
  bytes.push_back(static_cast<uint8_t>(query.size() >> 8));
  bytes.push_back(static_cast<uint8_t>(query.size()));
  bytes.insert(bytes.end(), query.begin(), query.end());
  return bytes;
}

/// Over a connection that is there.
awaitable<DnsAnswer> ask_by_stream(ClientStream& connection, const std::vector<uint8_t>& query) {
  std::vector<uint8_t> bytes = with_length(query);
  co_await connection.write(bytes);
  std::array<uint8_t, 2> size;
  co_await connection.read_all(size);
  bytes.resize(static_cast<size_t>(size[0] << 8 | size[1]));
  co_await connection.read_all(bytes);
  auto answer = read_dns_answer(bytes, query);
  if (!answer) throw PeerFault("its answer over TCP is to another query");
  DnsAnswer read = checked(std::move(*answer));
  if (read.truncated) throw PeerFault("its answer is truncated over TCP too");
  co_return read;
}

awaitable<DnsAnswer> ask_by_tcp(asio::io_context& io, StopSignal& stop, DnsServer server,
                                const std::vector<uint8_t>& query) {
  ClientStream connection(io, stop);
  connection.expires_after(kTcpPatience);
  co_await connection.connect(server.address, server.port);
  co_return co_await ask_by_stream(connection, query);
}

/// Why an answer says nothing of the name; empty: it does.
std::string fault_of(const DnsAnswer& answer) {
  if (answer.rcode == kDnsNoSuchName) return {};
  if (answer.rcode != 0) return name_of_rcode(answer.rcode);
  if (answer.records.empty() && answer.is_referral) return "it refers to other servers";
  return {};
}

}  // namespace

std::vector<IpAddress> NamedAddresses::all() const {
  std::vector<IpAddress> both = v4;
  both.insert(both.end(), v6.begin(), v6.end());
  return both;
}

DnsClient::DnsClient(asio::io_context& io, std::vector<DnsServer> servers, SourceTlsModel tls)
    : io_(io), tls_(std::move(tls)), servers_(std::move(servers)), turns_(io, kMostUnderWay) {}

std::vector<DnsServer> DnsClient::servers_now() const {
  if (!servers_.empty()) return servers_;
  std::vector<DnsServer> servers;
  for (const IpAddress& address : system_settings().servers) servers.push_back({address, 53});
  return servers;
}

awaitable<DnsAnswer> DnsClient::ask(DnsServer server, const std::string& name, DnsType type,
                                    std::chrono::milliseconds patience, StopSignal& stop) {
  const auto id = static_cast<uint16_t>(std::random_device{}());
  auto plain = dns_query(id, name, type);
  if (!plain) throw PeerFault(name + ": " + plain.error().message);
  DnsAnswer answer;
  if (tls_.enabled) {
    answer = co_await ask_by_tls(server, *plain, stop);
  } else {
    answer = co_await ask_by_datagram(server, *plain, patience, stop);
  }
  const std::string fault = fault_of(answer);
  if (!fault.empty()) throw PeerFault(fault);
  co_return answer;
}

awaitable<DnsAnswer> DnsClient::ask_by_datagram(DnsServer server, std::vector<uint8_t> query,
                                                std::chrono::milliseconds patience, StopSignal& stop) {
  const std::vector<uint8_t> plain = query;
  welcome_datagrams(query, kDatagramBytes);
  DnsAnswer answer = co_await ask_by_udp(io_, stop, server, query, patience);
  if (answer.rcode == kFormatError || answer.rcode == kNotImplemented) {  // it does not know EDNS
    query = plain;
    answer = co_await ask_by_udp(io_, stop, server, query, patience);
  }
  if (answer.truncated) answer = co_await ask_by_tcp(io_, stop, server, query);
  co_return answer;
}

/// A connection for each question: they are some in a minute.
awaitable<DnsAnswer> DnsClient::ask_by_tls(DnsServer server, std::vector<uint8_t> query, StopSignal& stop) {
  const std::string name = tls_.server_name.empty() ? server.address.to_string() : tls_.server_name;
  const TlsPeer peer{name, server.address, false};
  try {
    const auto context = contexts_.with({tls_.ca, tls_.certificate, tls_.key});
    ClientStream connection(io_, stop);
    connection.expires_after(kTcpPatience);
    co_await connection.connect(server.address, server.port);
    co_await connection.secure(*context, peer, "dot");
    co_return co_await ask_by_stream(connection, query);
  } catch (const HostFault& fault) {  // a file that cannot be read: nobody was asked
    throw PeerFault(fault.what());
  }
}

awaitable<DnsAnswer> DnsClient::ask_all(const std::string& name, DnsType type, StopSignal& stop) {
  const auto begun = Clock::now();
  const auto servers = servers_now();
  const size_t first = preferred_;
  std::string reasons;
  for (const auto patience : kAttemptTimes) {
    reasons.clear();
    for (size_t i = 0; i < servers.size(); ++i) {
      const size_t which = (first + i) % servers.size();
      try {
        DnsAnswer answer = co_await ask(servers[which], name, type, patience, stop);
        preferred_ = which;
        co_return answer;
      } catch (const PeerFault& fault) {
        if (!reasons.empty()) reasons += "; ";
        reasons += endpoint_text(servers[which].address, servers[which].port) + ": " + fault.what();
      }
      if (stop.is_stopped() || Clock::now() - begun > kMostTime) throw PeerFault(reasons);
    }
  }
  throw PeerFault(reasons);
}

awaitable<DnsFound> DnsClient::lookup(std::string name, DnsType type, StopSignal& stop) {
  const Turns::Turn turn = co_await turns_.take(stop);
  uint32_t ttl = UINT32_MAX;
  name = canonical_dns_name(name);
  for (int queries = 0; queries < kMostQueriesOfAChain; ++queries) {
    const DnsAnswer answer = co_await ask_all(name, type, stop);
    auto found = find_in(answer, name, type);
    if (!found) throw PeerFault(found.error().message);
    found->ttl = ttl = std::min(ttl, found->ttl);
    const bool is_last =
        found->last_alias.empty() || answer.rcode == kDnsNoSuchName || answer.negative_ttl.has_value();
    if (is_last) co_return std::move(*found);
    name = found->last_alias;
  }
  throw PeerFault("its aliases lead through more than " + std::to_string(kMostQueriesOfAChain) + " answers");
}

awaitable<void> DnsClient::refresh(NamedAddresses& addresses, std::string name, StopSignal& stop) {
  const NamedAddresses before = addresses;
  addresses.error.clear();
  uint32_t ttl = UINT32_MAX;
  bool has_failed = false;
  for (const DnsType type : kFamilies) {
    try {
      const DnsFound found = co_await lookup(name, type, stop);
      ttl = std::min(ttl, found.ttl);
      auto& family = type == DnsType::kA ? addresses.v4 : addresses.v6;
      family.clear();
      for (const DnsRecord& record : found.records) family.push_back(std::get<IpAddress>(record.data));
    } catch (const PeerFault& fault) {
      has_failed = true;
      addresses.error = fault.what();
    }
  }
  addresses.ttl = has_failed ? 0s : std::chrono::seconds(ttl);
  if (!has_failed || !addresses.v4.empty() || !addresses.v6.empty()) {
    addresses.is_known = true;
    co_return;
  }
  // One family alone that has nothing does not say that the name has nothing.
  addresses.v4 = before.v4;
  addresses.v6 = before.v6;
}

awaitable<NamedAddresses> DnsClient::addresses_of(std::string name, StopSignal& stop) {
  NamedAddresses found;
  found.is_known = true;
  found.ttl = kHostsTtl;
  if (const auto address = IpAddress::parse(name)) {
    (address->is_v4() ? found.v4 : found.v6).push_back(*address);
    co_return found;
  }
  ResolverSettings settings;
  if (servers_.empty()) {
    for (const IpAddress& address : addresses_in_hosts(text_of_file("/etc/hosts"), name)) {
      (address.is_v4() ? found.v4 : found.v6).push_back(address);
    }
    if (!found.v4.empty() || !found.v6.empty()) co_return found;
    settings = system_settings();
  }
  const auto names = full_names(name, settings);
  for (const std::string& full : names) {
    found = NamedAddresses();
    co_await refresh(found, full, stop);
    // A candidate that could not be asked for may be the one that is meant: a later one must not stand for
    // it.
    if (!found.is_known || !found.v4.empty() || !found.v6.empty()) co_return found;
  }
  co_return found;
}

}  // namespace sluice::ctrl

// Single values of the configuration, as text and as what they mean. Pure; control thread. Each parse_
// function answers an Error whose message says what would be right.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/address.h"
#include "common/result.h"
#include "common/siphash.h"
#include "ctrl/intent/model.h"
#include "lb/backend.h"

namespace sluice::ctrl {

/// Inclusive; 0..65535 is any.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 65535;
  bool is_any() const { return first == 0 && last == 65535; }
};

/// `80`, `8000-8099` or `any`; ports 1 to 65535.
Result<PortRange> parse_port_range(std::string_view text);
/// `500ms`, `2s`, `5m`, `1h`; at most 24h.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// In seconds where they are whole, else in milliseconds: `300s`, `1500ms`.
std::string format_duration(std::chrono::milliseconds duration);
/// `4096`, `64KiB`, `1MiB`, `1GiB`: bytes.
Result<uint64_t> parse_size(std::string_view text);
/// With the largest unit that divides it: `1MiB`, `1000B`.
std::string format_size(uint64_t bytes);
/// 32 hexadecimal digits; bytes 0..7 and 8..15 are little-endian words.
Result<SipKey> parse_hash_key(std::string_view text);
std::string format_hash_key(const SipKey& key);
/// Visible ASCII.
Result<std::string> parse_name(std::string_view text);
/// A MAC address that a station can have: neither multicast nor zero.
Result<MacAddress> parse_station_mac(std::string_view text);
/// An address that a host can have: neither multicast nor unspecified.
Result<IpAddress> parse_host_address(std::string_view text);
/// A host's address, link-local ones followed by `%` and the name of the port that they are on (RFC 4007,
/// 11): `fe80::1%edge0`.
struct ZonedAddress {
  IpAddress address;
  std::string port;  ///< empty: none was given
};
Result<ZonedAddress> parse_zoned_address(std::string_view text);
/// Whether an address is that of one host: neither multicast nor unspecified.
bool is_host_address(const IpAddress& address);
/// fe80::/10 (RFC 4291, 2.5.6): the same on every link.
bool is_link_local(const IpAddress& address);
/// An interface address: the host's bits are kept.
Result<Prefix> parse_interface_address(std::string_view text);
/// A network: host bits must be zero.
Result<Prefix> parse_network(std::string_view text);
/// Three octal digits, with or without a leading 0.
Result<unsigned> parse_file_mode(std::string_view text);
std::string format_file_mode(unsigned mode);
/// An absolute path of visible ASCII, as it may stand in a request line.
Result<std::string> parse_http_path(std::string_view text);
/// `ADDRESS:PORT`, an IPv6 address in brackets; or empty.
Result<std::string> parse_listen(std::string_view text);
/// An absolute file name.
Result<std::string> parse_absolute_path(std::string_view text);
/// A log's name: visible ASCII without `+`.
Result<std::string> parse_origin(std::string_view text);
/// `file:` and an absolute file name.
Result<std::string> parse_key_reference(std::string_view text);

/// The words of the configuration. The schema has refused any other, so these do not fail.
lb::Policy policy_of(std::string_view word);
const char* word_for(lb::Policy policy);
lb::ForwardMode forward_of(std::string_view word);
const char* word_for(lb::ForwardMode mode);
IpProtocol protocol_of(std::string_view word);
const char* word_for(IpProtocol protocol);
HealthType health_of(std::string_view word);
const char* word_for(HealthType type);
dataplane::IdleMode idle_of(std::string_view word);
const char* word_for(dataplane::IdleMode mode);
Framing framing_of(std::string_view word);
const char* word_for(Framing framing);
const char* word_for(AdminState state);
const char* word_for(lb::BackendState state);

/// `10.20.0.11:8080`, `[2001:db8::1]:0`: how people and JSON name a backend of a pool.
std::string endpoint_text(const IpAddress& address, uint16_t port);

}  // namespace sluice::ctrl

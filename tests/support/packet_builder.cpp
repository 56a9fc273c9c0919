#include "tests/support/packet_builder.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>

namespace sluice::test {

Bytes address_bytes(std::string_view text) {
  const std::string terminated(text);
  Bytes bytes(4);
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(16);
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return bytes;
  std::fprintf(stderr, "not an address: %s\n", terminated.c_str());
  std::abort();
}

Bytes mac_bytes(std::string_view text) {
  unsigned octets[6];
  const std::string terminated(text);
  if (std::sscanf(terminated.c_str(), "%x:%x:%x:%x:%x:%x", &octets[0], &octets[1], &octets[2], &octets[3],
                  &octets[4], &octets[5]) != 6) {
    std::fprintf(stderr, "not a MAC address: %s\n", terminated.c_str());
    std::abort();
  }
  return Bytes(octets, octets + 6);
}

uint16_t naive_checksum(const Bytes& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); i += 2) {
    const uint32_t low = i + 1 < data.size() ? data[i + 1] : 0;
    sum += uint32_t{data[i]} << 8 | low;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<uint16_t>(0xffff - sum);
}

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void append16(Bytes& to, uint16_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}

void append32(Bytes& to, uint32_t value) {
  append16(to, static_cast<uint16_t>(value >> 16));
  append16(to, static_cast<uint16_t>(value));
}

namespace {

void put16(Bytes& in, size_t offset, uint16_t value) {
  in[offset] = static_cast<uint8_t>(value >> 8);
  in[offset + 1] = static_cast<uint8_t>(value);
}

}  // namespace

PacketBuilder::PacketBuilder(std::string_view source, std::string_view destination)
    : source_(address_bytes(source)), destination_(address_bytes(destination)) {}

PacketBuilder& PacketBuilder::source(std::string_view address) {
  source_ = address_bytes(address);
  return *this;
}
PacketBuilder& PacketBuilder::destination(std::string_view address) {
  destination_ = address_bytes(address);
  return *this;
}
PacketBuilder& PacketBuilder::ttl(uint8_t ttl) {
  ttl_ = ttl;
  return *this;
}
PacketBuilder& PacketBuilder::traffic_class(uint8_t value) {
  traffic_class_ = value;
  return *this;
}
PacketBuilder& PacketBuilder::dont_fragment(bool set) {
  fragment_ = set ? 0x4000 : 0;
  return *this;
}
PacketBuilder& PacketBuilder::ip_id(uint16_t id) {
  id_ = id;
  return *this;
}
PacketBuilder& PacketBuilder::fragment_field(uint16_t value) {
  fragment_ = value;
  return *this;
}
PacketBuilder& PacketBuilder::options(Bytes raw) {
  options_ = std::move(raw);
  return *this;
}
PacketBuilder& PacketBuilder::extension(uint8_t protocol, Bytes raw) {
  extensions_.push_back({protocol, std::move(raw)});
  return *this;
}
PacketBuilder& PacketBuilder::flow_label(uint32_t label) {
  flow_label_ = label;
  return *this;
}
PacketBuilder& PacketBuilder::tcp(uint16_t source_port, uint16_t destination_port) {
  layer4_ = Layer4::kTcp;
  return ports(source_port, destination_port);
}
PacketBuilder& PacketBuilder::tcp_flags(uint8_t flags) {
  tcp_flags_ = flags;
  return *this;
}
PacketBuilder& PacketBuilder::sequence(uint32_t number) {
  sequence_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::acknowledgment(uint32_t number) {
  acknowledgment_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::urgent(uint16_t pointer) {
  urgent_ = pointer;
  tcp_flags_ |= 0x20;
  return *this;
}
PacketBuilder& PacketBuilder::data_offset(uint8_t words) {
  data_offset_ = words;
  return *this;
}
PacketBuilder& PacketBuilder::udp(uint16_t source_port, uint16_t destination_port) {
  layer4_ = Layer4::kUdp;
  return ports(source_port, destination_port);
}
PacketBuilder& PacketBuilder::udp_length(uint16_t length) {
  udp_length_ = length;
  return *this;
}
PacketBuilder& PacketBuilder::ports(uint16_t source_port, uint16_t destination_port) {
  source_port_ = source_port;
  destination_port_ = destination_port;
  return *this;
}
PacketBuilder& PacketBuilder::icmp(uint8_t type, uint8_t code, uint32_t rest) {
  layer4_ = Layer4::kIcmp;
  icmp_type_ = type;
  icmp_code_ = code;
  icmp_rest_ = rest;
  return *this;
}
PacketBuilder& PacketBuilder::protocol(uint8_t number) {
  layer4_ = Layer4::kNone;
  raw_protocol_ = number;
  return *this;
}
PacketBuilder& PacketBuilder::payload(std::string_view text) {
  payload_.assign(text.begin(), text.end());
  return *this;
}
PacketBuilder& PacketBuilder::payload(const Bytes& bytes) {
  payload_ = bytes;
  return *this;
}
PacketBuilder& PacketBuilder::payload_bytes(size_t size) {
  payload_.resize(size);
  for (size_t i = 0; i < size; ++i) payload_[i] = static_cast<uint8_t>(i * 7 + 3);
  return *this;
}
PacketBuilder& PacketBuilder::ip_checksum(uint16_t wrong) {
  ip_checksum_ = wrong;
  return *this;
}
PacketBuilder& PacketBuilder::l4_checksum(uint16_t value) {
  l4_checksum_ = value;
  return *this;
}
PacketBuilder& PacketBuilder::length_field(uint16_t wrong) {
  length_ = wrong;
  return *this;
}
PacketBuilder& PacketBuilder::version(uint8_t wrong) {
  version_ = wrong;
  return *this;
}
PacketBuilder& PacketBuilder::header_words(uint8_t wrong) {
  header_words_ = wrong;
  return *this;
}

uint8_t PacketBuilder::protocol_number() const {
  switch (layer4_) {
    case Layer4::kTcp:
      return kProtocolTcp;
    case Layer4::kUdp:
      return kProtocolUdp;
    case Layer4::kIcmp:
      return is_v4() ? kProtocolIcmp : kProtocolIcmpv6;
    case Layer4::kNone:
      break;
  }
  return raw_protocol_;
}

Bytes PacketBuilder::layer4() const {
  Bytes bytes;
  size_t checksum_at = 0;
  switch (layer4_) {
    case Layer4::kNone:
      return payload_;
    case Layer4::kTcp:
      append16(bytes, source_port_);
      append16(bytes, destination_port_);
      append32(bytes, sequence_);
      append32(bytes, acknowledgment_);
      bytes.push_back(static_cast<uint8_t>(data_offset_ << 4));
      bytes.push_back(tcp_flags_);
      append16(bytes, 0xfaf0);  // window
      checksum_at = 16;
      append16(bytes, 0);
      append16(bytes, urgent_);
      break;
    case Layer4::kUdp:
      append16(bytes, source_port_);
      append16(bytes, destination_port_);
      append16(bytes, udp_length_.value_or(static_cast<uint16_t>(8 + payload_.size())));
      checksum_at = 6;
      append16(bytes, 0);
      break;
    case Layer4::kIcmp:
      bytes = {icmp_type_, icmp_code_, 0, 0};
      append32(bytes, icmp_rest_);
      checksum_at = 2;
      break;
  }
  append(bytes, payload_);
  Bytes covered;
  if (layer4_ != Layer4::kIcmp || !is_v4()) {  // the pseudo-header
    append(covered, source_);
    append(covered, destination_);
    append32(covered, static_cast<uint32_t>(bytes.size()));
    append32(covered, protocol_number());
  }
  append(covered, bytes);
  uint16_t checksum = naive_checksum(covered);
  if (layer4_ == Layer4::kUdp && checksum == 0) checksum = 0xffff;
  put16(bytes, checksum_at, l4_checksum_.value_or(checksum));
  return bytes;
}

Bytes PacketBuilder::ipv4(const Bytes& payload) const {
  const size_t header_bytes = 20 + options_.size();
  const uint8_t words = header_words_.value_or(static_cast<uint8_t>(header_bytes / 4));
  Bytes bytes = {static_cast<uint8_t>(version_.value_or(4) << 4 | words), traffic_class_};
  append16(bytes, length_.value_or(static_cast<uint16_t>(header_bytes + payload.size())));
  append16(bytes, id_);
  append16(bytes, fragment_);
  bytes.push_back(ttl_);
  bytes.push_back(protocol_number());
  append16(bytes, 0);
  append(bytes, source_);
  append(bytes, destination_);
  append(bytes, options_);
  put16(bytes, 10, ip_checksum_.value_or(naive_checksum(bytes)));
  append(bytes, payload);
  return bytes;
}

Bytes PacketBuilder::ipv6(const Bytes& payload) const {
  Bytes chain;
  for (size_t i = 0; i < extensions_.size(); ++i) {
    Bytes raw = extensions_[i].raw;
    if (!raw.empty()) raw[0] = i + 1 < extensions_.size() ? extensions_[i + 1].protocol : protocol_number();
    append(chain, raw);
  }
  append(chain, payload);
  Bytes bytes;
  append32(bytes, uint32_t{version_.value_or(6)} << 28 | uint32_t{traffic_class_} << 20 | flow_label_);
  append16(bytes, length_.value_or(static_cast<uint16_t>(chain.size())));
  bytes.push_back(extensions_.empty() ? protocol_number() : extensions_.front().protocol);
  bytes.push_back(ttl_);
  append(bytes, source_);
  append(bytes, destination_);
  append(bytes, chain);
  return bytes;
}

Bytes PacketBuilder::bytes() const {
  return is_v4() ? ipv4(layer4()) : ipv6(layer4());
}

Bytes ethernet(const Link& link, const Bytes& payload, std::optional<uint16_t> type) {
  Bytes frame = mac_bytes(link.destination);
  append(frame, mac_bytes(link.source));
  for (size_t i = 0; i < link.vlans.size(); ++i) {
    append16(frame, link.vlans.size() == 2 && i == 0 ? 0x88a8 : 0x8100);
    append16(frame, link.vlans[i]);
  }
  const bool is_v4 = !payload.empty() && payload[0] >> 4 == 4;
  append16(frame, type.value_or(is_v4 ? 0x0800 : 0x86dd));
  append(frame, payload);
  return frame;
}

Bytes arp(uint16_t operation, std::string_view sender_mac, std::string_view sender,
          std::string_view target_mac, std::string_view target) {
  Bytes bytes;
  append16(bytes, 1);
  append16(bytes, 0x0800);
  bytes.push_back(6);
  bytes.push_back(4);
  append16(bytes, operation);
  append(bytes, mac_bytes(sender_mac));
  append(bytes, address_bytes(sender));
  append(bytes, mac_bytes(target_mac));
  append(bytes, address_bytes(target));
  return bytes;
}

}  // namespace sluice::test

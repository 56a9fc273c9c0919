// Packets for tests, written out byte by byte with the tests' own naive checksums, so that they are an
// oracle for the data plane, not its echo. Read as one would say it:
//
//   ip("198.51.100.7", "203.0.113.10").tcp(40000, 80).syn().payload("hello")
//
// Every field has its right value unless a test sets a wrong one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

/// The 4 or 16 bytes of a textual address.
Bytes address_bytes(std::string_view text);
/// The 6 bytes of a textual MAC address.
Bytes mac_bytes(std::string_view text);
/// RFC 1071, two bytes at a time, as one would do it by hand.
uint16_t naive_checksum(const Bytes& data);

void append(Bytes& to, const Bytes& more);
void append16(Bytes& to, uint16_t value);
void append32(Bytes& to, uint32_t value);

inline constexpr uint8_t kProtocolIcmp = 1, kProtocolIpip = 4, kProtocolTcp = 6, kProtocolUdp = 17,
                         kProtocolIpv6 = 41, kProtocolIcmpv6 = 58;

/// An IP packet of either family. Cheap to copy: vary one and keep the rest.
class PacketBuilder {
 public:
  PacketBuilder(std::string_view source, std::string_view destination);

  PacketBuilder& source(std::string_view address);
  PacketBuilder& destination(std::string_view address);
  PacketBuilder& ttl(uint8_t ttl);
  /// DSCP and ECN.
  PacketBuilder& traffic_class(uint8_t value);
  PacketBuilder& dont_fragment(bool set = true);
  PacketBuilder& ip_id(uint16_t id);
  /// IPv4: flags and offset as they lie in the header.
  PacketBuilder& fragment_field(uint16_t value);
  /// IPv4: raw options, a multiple of 4 bytes.
  PacketBuilder& options(Bytes raw);
  /// IPv6: one extension header before the rest; its next-header byte is filled in.
  PacketBuilder& extension(uint8_t protocol, Bytes raw);
  PacketBuilder& flow_label(uint32_t label);

  PacketBuilder& tcp(uint16_t source_port, uint16_t destination_port);
  PacketBuilder& tcp_flags(uint8_t flags);
  PacketBuilder& syn() { return tcp_flags(0x02); }
  PacketBuilder& ack() { return tcp_flags(0x10); }
  PacketBuilder& fin() { return tcp_flags(0x11); }
  PacketBuilder& rst() { return tcp_flags(0x04); }
  PacketBuilder& sequence(uint32_t number);
  PacketBuilder& acknowledgment(uint32_t number);
  PacketBuilder& urgent(uint16_t pointer);  ///< with the flag
  PacketBuilder& data_offset(uint8_t words);
  PacketBuilder& udp(uint16_t source_port, uint16_t destination_port);
  PacketBuilder& udp_length(uint16_t length);
  PacketBuilder& ports(uint16_t source_port, uint16_t destination_port);
  /// ICMP or ICMPv6, by the family. `rest`: the second four bytes of the header.
  PacketBuilder& icmp(uint8_t type, uint8_t code, uint32_t rest);
  /// Any protocol, without checksum: the payload is all there is.
  PacketBuilder& protocol(uint8_t number);

  PacketBuilder& payload(std::string_view text);
  PacketBuilder& payload(const Bytes& bytes);
  PacketBuilder& payload(const PacketBuilder& inner) { return payload(inner.bytes()); }
  /// A payload of that many bytes.
  PacketBuilder& payload_bytes(size_t size);

  PacketBuilder& ip_checksum(uint16_t wrong);
  PacketBuilder& l4_checksum(uint16_t value);
  /// IPv4 total length or IPv6 payload length, whatever is there in truth.
  PacketBuilder& length_field(uint16_t wrong);
  PacketBuilder& version(uint8_t wrong);
  PacketBuilder& header_words(uint8_t wrong);

  bool is_v4() const { return source_.size() == 4; }
  /// The IP packet.
  Bytes bytes() const;

 private:
  uint8_t protocol_number() const;
  Bytes layer4() const;
  Bytes ipv4(const Bytes& payload) const;
  Bytes ipv6(const Bytes& payload) const;

  enum class Layer4 : uint8_t { kNone, kTcp, kUdp, kIcmp };
  Bytes source_, destination_;
  uint8_t ttl_ = 64;
  uint8_t traffic_class_ = 0;
  uint16_t id_ = 0x1234;
  uint16_t fragment_ = 0x4000;
  uint32_t flow_label_ = 0;
  Bytes options_;
  struct Extension {
    uint8_t protocol;
    Bytes raw;
  };
  std::vector<Extension> extensions_;
  Layer4 layer4_ = Layer4::kNone;
  uint8_t raw_protocol_ = 253;
  uint16_t source_port_ = 0, destination_port_ = 0;
  uint8_t tcp_flags_ = 0x10, data_offset_ = 5;
  uint32_t sequence_ = 0x01020304, acknowledgment_ = 0x05060708;
  uint16_t urgent_ = 0;
  uint8_t icmp_type_ = 0, icmp_code_ = 0;
  uint32_t icmp_rest_ = 0;
  Bytes payload_;
  std::optional<uint16_t> ip_checksum_, l4_checksum_, length_, udp_length_;
  std::optional<uint8_t> version_, header_words_;
};

inline PacketBuilder ip(std::string_view source, std::string_view destination) {
  return {source, destination};
}

/// The Ethernet side of a frame.
struct Link {
  std::string source;
  std::string destination;
  std::vector<uint16_t> vlans = {};  ///< ids, outer first
};

/// Puts an Ethernet header with 802.1Q tags (the outer of two is 802.1ad's) in front of `payload`.
Bytes ethernet(const Link& link, const Bytes& payload, std::optional<uint16_t> type = std::nullopt);
inline Bytes ethernet(const Link& link, const PacketBuilder& packet) {
  return ethernet(link, packet.bytes());
}

/// An ARP packet for Ethernet and IPv4, without the Ethernet header.
Bytes arp(uint16_t operation, std::string_view sender_mac, std::string_view sender,
          std::string_view target_mac, std::string_view target);

}  // namespace sluice::test

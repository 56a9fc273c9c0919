#include "dataplane/forward/nat.h"

#include "common/checksum.h"
#include "common/headers.h"
#include "dataplane/parser.h"

namespace sluice::dataplane {
namespace {

/// Replaces the addresses and adds to `pseudo_header` what that changes in checksums that cover them.
void readdress_ipv4(Ipv4Header& header, const IpAddress& source, const IpAddress& destination,
                    ChecksumDelta& pseudo_header) {
  const Be32 new_source = source.as_v4();
  const Be32 new_destination = destination.as_v4();
  pseudo_header.replace(header.source, new_source);
  pseudo_header.replace(header.destination, new_destination);
  header.source = new_source;
  header.destination = new_destination;
}

void readdress_ipv6(Ipv6Header& header, const IpAddress& source, const IpAddress& destination,
                    ChecksumDelta& pseudo_header) {
  pseudo_header.replace(header.source.data(), source.bytes().data(), 16);
  pseudo_header.replace(header.destination.data(), destination.bytes().data(), 16);
  header.source = source.bytes();
  header.destination = destination.bytes();
}

/// The outer IP header of a packet that goes on.
DropReason forward_header(uint8_t* ip, const IpAddress& source, const IpAddress& destination,
                          ChecksumDelta& pseudo_header) {
  if (destination.is_v4()) {
    auto& header = *reinterpret_cast<Ipv4Header*>(ip);
    if (header.ttl <= 1) return DropReason::kTtlExpired;
    readdress_ipv4(header, source, destination, pseudo_header);
    ChecksumDelta header_change = pseudo_header;
    // The TTL is the first byte of its word, so the low one as loaded. Storing the byte and loading the word
    // again would stall the load until the store has left the store buffer.
    const auto ttl_and_protocol = load<Be16>(&header.ttl);
    const auto counted_down = Be16::from_network(static_cast<uint16_t>(ttl_and_protocol.network() - 1));
    store(&header.ttl, counted_down);
    header_change.replace(ttl_and_protocol, counted_down);
    header.checksum = header_change.apply(header.checksum);
  } else {
    auto& header = *reinterpret_cast<Ipv6Header*>(ip);
    if (header.hop_limit <= 1) return DropReason::kTtlExpired;
    readdress_ipv6(header, source, destination, pseudo_header);
    --header.hop_limit;
  }
  return DropReason::kNone;
}

/// A changed UDP checksum as it is sent: 0 would say that there is none (RFC 768).
Be16 never_zero(Be16 checksum) {
  return checksum.network() == 0 ? Be16::from_network(0xffff) : checksum;
}

void rewrite_ports(uint8_t* l4, Be16 source, Be16 destination, ChecksumDelta& change) {
  change.replace(load<Be16>(l4), source);
  change.replace(load<Be16>(l4 + 2), destination);
  store(l4, source);
  store(l4 + 2, destination);
}

/// The rewriting of a quoted packet, noted in the checksum of the ICMP message around it. All fields of IP,
/// TCP and UDP lie on even offsets from the start of the message.
class QuoteRewriter {
 public:
  QuoteRewriter(std::span<uint8_t> quote, const Quote& layout) : quote_(quote), layout_(layout) {}

  /// Adds to `message` what the rewriting changes in the bytes of the quote.
  void rewrite(const FlowKey& to, ChecksumDelta& message) {
    ChecksumDelta pseudo_header;
    if (to.source.is_v4()) {
      auto& header = *reinterpret_cast<Ipv4Header*>(quote_.data());
      readdress_ipv4(header, to.source, to.destination, pseudo_header);
      replace(offsetof(Ipv4Header, checksum), pseudo_header.apply(header.checksum), message);
    } else {
      readdress_ipv6(*reinterpret_cast<Ipv6Header*>(quote_.data()), to.source, to.destination, pseudo_header);
    }
    // The addresses are part of the message, and their change is that of the pseudo-header.
    message.add(pseudo_header);
    ChecksumDelta ports;
    rewrite_ports(quote_.data() + layout_.l4_offset, to.source_port, to.destination_port, ports);
    message.add(ports);
    pseudo_header.add(ports);
    rewrite_l4_checksum(to.protocol, pseudo_header, message);
  }

 private:
  void rewrite_l4_checksum(IpProtocol protocol, const ChecksumDelta& change, ChecksumDelta& message) {
    const bool is_udp = protocol == IpProtocol::kUdp;
    const size_t offset =
        layout_.l4_offset + (is_udp ? offsetof(UdpHeader, checksum) : offsetof(TcpHeader, checksum));
    if (quote_.size() < offset + sizeof(Be16)) return;  // the quote was cut before it
    const auto before = load<Be16>(quote_.data() + offset);
    if (is_udp && before.network() == 0) return;
    const Be16 after = change.apply(before);
    replace(offset, is_udp ? never_zero(after) : after, message);
  }
  void replace(size_t offset, Be16 value, ChecksumDelta& message) {
    message.replace(load<Be16>(quote_.data() + offset), value);
    store(quote_.data() + offset, value);
  }

  std::span<uint8_t> quote_;
  const Quote& layout_;
};

}  // namespace

DropReason translate(uint8_t* ip, size_t l4_offset, const FlowKey& to) {
  ChecksumDelta change;
  const DropReason reason = forward_header(ip, to.source, to.destination, change);
  if (reason != DropReason::kNone) return reason;
  uint8_t* const l4 = ip + l4_offset;
  rewrite_ports(l4, to.source_port, to.destination_port, change);
  if (to.protocol == IpProtocol::kTcp) {
    auto& tcp = *reinterpret_cast<TcpHeader*>(l4);
    tcp.checksum = change.apply(tcp.checksum);
  } else {
    auto& udp = *reinterpret_cast<UdpHeader*>(l4);
    if (udp.checksum.network() != 0) udp.checksum = never_zero(change.apply(udp.checksum));
  }
  return DropReason::kNone;
}

DropReason translate_icmp_error(std::span<uint8_t> ip, size_t l4_offset, const IpAddress& source,
                                const FlowKey& to) {
  const bool is_v4 = to.destination.is_v4();
  ChecksumDelta pseudo_header;
  const DropReason reason = forward_header(ip.data(), source, to.destination, pseudo_header);
  if (reason != DropReason::kNone) return reason;
  ChecksumDelta message;
  if (!is_v4) message.add(pseudo_header);  // ICMPv4 has no pseudo-header
  auto& icmp = *reinterpret_cast<IcmpHeader*>(ip.data() + l4_offset);
  const std::span<uint8_t> quote = ip.subspan(l4_offset + sizeof icmp);
  const Quote layout = parse_quote(quote, is_v4);
  QuoteRewriter(quote, layout).rewrite(to.reversed(), message);
  icmp.checksum = message.apply(icmp.checksum);
  return DropReason::kNone;
}

}  // namespace sluice::dataplane

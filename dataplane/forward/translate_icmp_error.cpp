#include "dataplane/forward/translate_icmp_error.h"

#include "dataplane/forward/readdress.h"
#include "dataplane/packet/parser.h"

namespace sluice::dataplane {
namespace {

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

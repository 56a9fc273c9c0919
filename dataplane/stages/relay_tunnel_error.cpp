#include "dataplane/stages/relay_tunnel_error.h"

#include <algorithm>

#include "dataplane/packet/icmp.h"
#include "dataplane/packet/parser.h"
#include "dataplane/stages/punt.h"
#include "dataplane/stages/refuse_too_big.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

using Bytes = std::span<const uint8_t>;

/// A quoted packet of ours in a tunnel.
struct TunnelQuote {
  Bytes inner;          ///< of the client's packet what is quoted; empty: it was no tunnel's
  size_t overhead = 0;  ///< of the tunnel's headers
};

TunnelQuote read_tunnel(Bytes quote, bool is_v4, const Encapsulation& ours) {
  const size_t ip_bytes = is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  if (quote.size() < ip_bytes + sizeof(UdpHeader)) return {};
  if (source_of(quote.data(), is_v4) != (is_v4 ? ours.source : ours.source6)) return {};
  const IpProtocol protocol = is_v4 ? reinterpret_cast<const Ipv4Header*>(quote.data())->protocol
                                    : reinterpret_cast<const Ipv6Header*>(quote.data())->next_header;
  size_t overhead = ip_bytes;  // what we send has neither options nor extension headers
  if (protocol == IpProtocol::kUdp) {
    const auto& udp = *reinterpret_cast<const UdpHeader*>(quote.data() + ip_bytes);
    if (udp.destination_port.host() != ours.gue_port) return {};
    overhead += sizeof(UdpHeader);
  } else if (protocol != IpProtocol::kIpip && protocol != IpProtocol::kIpv6) {
    return {};
  }
  return {quote.subspan(overhead), overhead};
}

/// What the router could have passed on; 0 where the message is no "too big".
size_t mtu_of(Bytes message, bool is_v4) {
  constexpr uint8_t kFragmentationNeeded = 4;
  const auto& icmp = *reinterpret_cast<const IcmpHeader*>(message.data());
  if (!is_v4) return icmp.type == icmpv6_type::kPacketTooBig ? icmp.rest.host() : 0;
  const bool too_big = icmp.type == icmp_type::kUnreachable && icmp.code == kFragmentationNeeded;
  return too_big ? icmp.rest.host() & 0xffff : 0;  // RFC 1191: the upper half is unused
}

/// The smallest that may be asked of a sender: RFC 791's 68 bytes, RFC 8200's 1280.
size_t inner_mtu(size_t mtu, size_t overhead, bool inner_v4) {
  return std::max<size_t>(mtu - std::min(mtu, overhead), inner_v4 ? 68 : 1280);
}

/// Whether that is what a client sent to a service: whoever makes the error up gains nothing by it.
bool is_from_client(const Worker& worker, Bytes inner, bool inner_v4) {
  const Quote quote = parse_quote(inner, inner_v4);
  return quote.status == Quote::Status::kFlow && !is_martian(quote.key.source) &&
         !worker.tables->is_own(quote.key.source) &&
         worker.tables->service_table->find(quote.key.destination, quote.key.destination_port,
                                            quote.key.protocol) != lb::kNoService;
}

}  // namespace

void relay_tunnel_error(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  const uint8_t* const start = rte_pktmbuf_mtod(packet, const uint8_t*);
  const Bytes ip{start + meta.l3_offset, meta.ip_bytes};
  const Bytes message = ip.subspan(size_t{meta.l4_offset} - meta.l3_offset);
  const bool is_v4 = ip[0] >> 4 == 4;
  const IpProtocol protocol = is_v4 ? reinterpret_cast<const Ipv4Header*>(ip.data())->protocol
                                    : reinterpret_cast<const Ipv6Header*>(ip.data())->next_header;
  if (protocol != (is_v4 ? IpProtocol::kIcmp : IpProtocol::kIcmpv6)) return punt(worker, packet);
  const size_t mtu = mtu_of(message, is_v4);
  if (mtu == 0) return punt(worker, packet);
  const auto [inner, overhead] =
      read_tunnel(message.subspan(sizeof(IcmpHeader)), is_v4, worker.tables->encapsulation);
  if (inner.empty()) return punt(worker, packet);
  const bool inner_v4 = inner[0] >> 4 == 4;
  if (!is_from_client(worker, inner, inner_v4)) return punt(worker, packet);
  rte_pktmbuf_adj(packet, static_cast<uint16_t>(inner.data() - start));
  rte_pktmbuf_trim(packet, static_cast<uint16_t>(packet->data_len - inner.size()));
  if (tell_too_big(worker, packet, inner_mtu(mtu, overhead, inner_v4))) return;
  worker.drops.drop(packet, DropReason::kTooBig);
}

}  // namespace sluice::dataplane

// The packet parser on any bytes: it must not read beyond them, and what it accepts must be safe to rewrite
// by every forwarding mode, which is what its header promises.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "dataplane/forward/rewrite.h"
#include "dataplane/forward/translate_icmp_error.h"
#include "dataplane/packet/arp.h"
#include "dataplane/packet/icmp.h"
#include "dataplane/packet/mld.h"
#include "dataplane/packet/ndp.h"
#include "dataplane/packet/parser.h"
#include "dataplane/packet/plain_packets.h"

namespace sluice::dataplane {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

/// Two ports in one byte of the input: tags and whether the device vouches for checksums.
PortView port_of(uint8_t choice) {
  PortView port;
  port.mac = MacAddress{{0x02, 0, 0, 0, 0, 0x01}};
  port.vlan_tags = choice & 3;
  if (port.vlan_tags > kMaxVlanTags) port.vlan_tags = 0;
  port.vlan_ids = {100, 200};
  return port;
}

/// NAT to the same family's documentation addresses.
FlowKey translation_of(const PacketMeta& meta) {
  const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, 1}, destination[16] = {0x20, 0x01, 0x0d, 0xb8, 2};
  FlowKey to = meta.key;
  to.source = meta.is_v4() ? IpAddress::v4(Be32::from_host(0xc0000201)) : IpAddress::v6(source);
  to.destination = meta.is_v4() ? IpAddress::v4(Be32::from_host(0xc0000202)) : IpAddress::v6(destination);
  return to;
}

template <bool is_v4>
void translate_packet(std::span<uint8_t> ip, size_t l4_offset, const FlowKey& from, const FlowKey& to) {
  const lb::Addresses6 addresses{from.source, from.destination, to.source, to.destination};
  translate<is_v4>(lb::Rewrite::between(from, to), addresses, to.protocol == IpProtocol::kUdp, ip.data(),
                   ip.data() + l4_offset);
}

/// The readers of neighbor packets, as Neighbors and MldReporter call them.
void check_neighbor(std::span<uint8_t> frame, const PacketMeta& meta) {
  if (meta.l4_offset == meta.l3_offset) {
    (void)parse_arp(frame.subspan(meta.l3_offset));
    return;
  }
  require(frame.size() >= size_t{meta.l3_offset} + meta.ip_bytes);
  const std::span<const uint8_t> ip = frame.subspan(meta.l3_offset, meta.ip_bytes);
  const size_t icmp_offset = meta.l4_offset - size_t{meta.l3_offset};
  require(!(parse_ndp(ip, icmp_offset) && parse_mld_query(ip, icmp_offset)));
}

void check_accepted(std::span<uint8_t> frame, const PortView& port, DeviceChecksums device,
                    const PacketMeta& meta) {
  if (meta.kind == PacketKind::kNeighbor) return check_neighbor(frame, meta);
  require(meta.l4_offset >= meta.l3_offset + (meta.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header)));
  require(frame.size() >= size_t{meta.l3_offset} + meta.ip_bytes);
  require(meta.l4_offset <= meta.l3_offset + meta.ip_bytes);
  const std::span<uint8_t> ip = frame.subspan(meta.l3_offset, meta.ip_bytes);
  const size_t l4_offset = meta.l4_offset - size_t{meta.l3_offset};
  const FlowKey to = translation_of(meta);
  if (meta.kind == PacketKind::kFlow) {
    require(ip.size() >= l4_offset + 8);
    if (ends_here(Treatment::kTranslate, ip.data(), meta.is_v4())) return;
    meta.is_v4() ? translate_packet<true>(ip, l4_offset, meta.key, to)
                 : translate_packet<false>(ip, l4_offset, meta.key, to);
  } else if (meta.kind == PacketKind::kIcmpError) {
    if (translate_icmp_error(ip, l4_offset, to.source, to) != DropReason::kNone) return;
  } else if (meta.kind == PacketKind::kEcho) {
    if (is_martian(meta.key.destination)) return;  // no address of ours, so never answered from
    turn_into_echo_reply(ip.data(), meta.is_v4(), l4_offset);
  } else {
    return;
  }
  // What was right stays right: a rewritten packet is one that the parser takes again, as the same kind.
  PacketMeta again;
  const DropReason reason = parse(frame, port, device, again);
  require(reason == DropReason::kNone);
  if (meta.kind == PacketKind::kFlow) require(again.key == to);
  if (meta.kind == PacketKind::kIcmpError) require(again.key == to.reversed());
}

/// A plain packet is one that the parser accepts, but for its source.
void check_plain(std::span<uint8_t> frame, const PortView& port) {
  if (frame.size() > UINT16_MAX - PlainPackets::kRoomInFront) return;
  const size_t size = PlainPackets::kRoomInFront + frame.size();
  const std::unique_ptr<uint8_t[]> buffer(new uint8_t[size]);
  std::memcpy(buffer.get() + PlainPackets::kRoomInFront, frame.data(), frame.size());
  rte_mbuf packet{};
  packet.buf_addr = buffer.get();
  packet.data_off = PlainPackets::kRoomInFront;
  packet.data_len = static_cast<uint16_t>(frame.size());
  packet.buf_len = static_cast<uint16_t>(size);
  packet.nb_segs = 1;
  rte_mbuf* const burst[] = {&packet};
  const lb::FlowHash hash(1);
  const PlainPackets packets(burst, port, hash);
  if (!packets.is_plain(0)) return;
  const uint8_t* const ip = packets.ip(0);
  const IpAddress source = packets.is_v4(0) ? IpAddress::v4(load<Be32>(ip + offsetof(Ipv4Header, source)))
                                            : IpAddress::v6(ip + offsetof(Ipv6Header, source));
  if (is_martian(source)) return;
  PacketMeta meta;
  require(parse(frame, port, {}, meta) == DropReason::kNone);
  require(meta.kind == PacketKind::kFlow && hash(meta.key) == packets.hash(0));
}

}  // namespace
}  // namespace sluice::dataplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::dataplane;
  if (size == 0) return 0;
  const PortView port = port_of(data[0]);
  const DeviceChecksums device =
      (data[0] & 4) != 0 ? DeviceChecksums{ChecksumState::kGood, ChecksumState::kGood} : DeviceChecksums{};
  // A copy of exactly that size: the sanitizer then sees the first byte beyond.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size - 1]);
  std::memcpy(copy.get(), data + 1, size - 1);
  check_plain({copy.get(), size - 1}, port);
  PacketMeta meta;
  if (parse({copy.get(), size - 1}, port, device, meta) == DropReason::kNone) {
    check_accepted({copy.get(), size - 1}, port, device, meta);
  }
  return 0;
}

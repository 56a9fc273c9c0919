#include "dataplane/esp/esp_packet.h"

namespace sluice::dataplane {
namespace {

/// The number is also the IV: of one key, none comes twice (RFC 4106, 3.1).
Be64 iv_of(uint64_t number) {
  return Be64::from_host(number);
}

uint64_t number_of(const InboundSa& sa, Be32 low) {
  if (!sa.is_extended) return low.host();
  return extended_number(low.host(), sa.window.highest(), sa.window.size());
}

/// Notes that a packet was right and above the limit, so that the limit is moved.
void ask_for(InboundSequence& sequence, uint64_t number) {
  uint64_t wanted = sequence.wanted.load(std::memory_order_relaxed);
  while (wanted < number &&
         !sequence.wanted.compare_exchange_weak(wanted, number, std::memory_order_relaxed)) {
  }
}

/// What lies in `payload`, which is decrypted and right.
OpenedPacket inner_of(std::span<uint8_t> payload) {
  OpenedPacket opened;
  const auto trailer = load<EspTrailer>(payload.data() + payload.size() - sizeof(EspTrailer));
  const size_t behind = size_t{trailer.padding} + sizeof trailer;
  if (behind > payload.size()) return opened;
  opened.inner = payload.first(payload.size() - behind);
  if (trailer.next_header == IpProtocol::kNoNext) {
    opened.outcome = OpenedPacket::Outcome::kDummy;
    return opened;
  }
  opened.is_v4 = trailer.next_header == IpProtocol::kIpip;
  if (!opened.is_v4 && trailer.next_header != IpProtocol::kIpv6) return opened;
  const size_t least = opened.is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  const bool is_right = opened.inner.size() >= least && opened.inner[0] >> 4 == (opened.is_v4 ? 4 : 6);
  if (is_right) opened.outcome = OpenedPacket::Outcome::kInner;
  return opened;
}

/// Writes behind a packet what is encrypted with it, and returns where that ends. RFC 4303, 2.4.
uint8_t* write_trailer(uint8_t* ip, size_t ip_bytes) {
  constexpr uint64_t kPadding = 0x030201;
  const bool is_v4 = ip[0] >> 4 == 4;
  const size_t padding = esp_padding(ip_bytes);
  const auto next_header = static_cast<uint64_t>(is_v4 ? IpProtocol::kIpip : IpProtocol::kIpv6);
  const uint64_t before = uint64_t{1} << 8 * padding;
  uint8_t* const end = ip + ip_bytes;
  // Some bytes too many, where the ICV will be.
  store(end, (kPadding & (before - 1)) | (padding | next_header << 8) * before);
  return end + padding + sizeof(EspTrailer);
}

}  // namespace

void seal_packets(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelFront& front, uint64_t first,
                  std::span<SealedPacket> packets) {
  // Whatever is written beside the ciphertext is written for all packets first: encryption loads wide words,
  // which would wait for narrow stores into them.
  const TunnelFront in_registers = front;
  uint64_t number = first;
  for (SealedPacket& packet : packets) {
    uint8_t* const ip = packet.ip;
    uint8_t* const behind = write_trailer(ip, packet.ip_bytes) + kIcvBytes;
    in_registers.write(ip, static_cast<size_t>(behind - ip) + sizeof(EspHeader), number++);
    packet.sealed = {ip - in_registers.bytes(), behind};
  }
  number = first;
  crypto::GcmSealing sealing(gcm, sa.key);
  for (const SealedPacket& packet : packets) {
    uint8_t* const icv = packet.sealed.data() + packet.sealed.size() - kIcvBytes;
    sealing.seal(EspNonce(sa.salt, iv_of(number)).bytes(),
                 EspAssociatedData(sa.spi, number, sa.is_extended).bytes(), {packet.ip, icv}, icv);
    front.finish(packet.ip, static_cast<size_t>(icv + kIcvBytes - packet.ip) + sizeof(EspHeader));
    ++number;
  }
}

std::span<uint8_t> seal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelHeader& header,
                               uint64_t number, uint8_t* ip, size_t ip_bytes) {
  SealedPacket packet{ip, ip_bytes};
  seal_packets(gcm, sa, TunnelFront(header, sa.spi, {}), number, {&packet, 1});
  return packet.sealed;
}

void unseal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, uint64_t number, uint8_t* ip,
                   size_t ip_bytes) {
  uint8_t* const icv = ip + ip_bytes + esp_padding(ip_bytes) + sizeof(EspTrailer);
  static_cast<void>(gcm.open(sa.key, EspNonce(sa.salt, iv_of(number)).bytes(),
                             EspAssociatedData(sa.spi, number, sa.is_extended).bytes(), {ip, icv}, icv));
}

OpenedPacket open_packet(const crypto::AesGcm& gcm, const InboundSa& sa, std::span<uint8_t> esp) {
  OpenedPacket opened;
  if (esp.size() < kLeastEspBytes || (esp.size() - kLeastEspBytes) % 4 != 2) return opened;
  const auto header = load<EspHeader>(esp.data());
  const uint64_t number = number_of(sa, header.sequence);
  opened.drop = TunnelDrop::kReplay;
  if (!sa.window.may_accept(number)) return opened;
  const std::span<uint8_t> payload = esp.subspan(sizeof header, esp.size() - sizeof header - kIcvBytes);
  if (!gcm.open(sa.key, EspNonce(sa.salt, header.iv).bytes(),
                EspAssociatedData(sa.spi, number, sa.is_extended).bytes(), payload,
                payload.data() + payload.size())) {
    opened.drop = TunnelDrop::kIcv;
    return opened;
  }
  if (number > sa.sequence->limit.load(std::memory_order_acquire)) {
    ask_for(*sa.sequence, number);
    return opened;
  }
  if (!sa.window.accept(number)) return opened;
  return inner_of(payload);
}

}  // namespace sluice::dataplane

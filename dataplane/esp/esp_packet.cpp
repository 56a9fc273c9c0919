#include "dataplane/esp/esp_packet.h"

#include <array>

#include "common/check.h"

namespace sluice::dataplane {
namespace {

/// The number is also the IV: of one key, none comes twice (RFC 4106, 3.1).
Be64 iv_of(uint64_t number) {
  return Be64::from_host(number);
}

std::span<const uint8_t> view(const EspAssociatedData& data) {
  return {data.bytes.data(), data.size};
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

/// What has to be known of a packet that is about to be encrypted.
struct Sealing {
  InnerFacts facts;
  EspNonce nonce;
  EspAssociatedData associated;
  uint8_t* icv;
};

/// Writes what lies around a packet but for the outer header and the ICV.
Sealing prepare(const OutboundSa& sa, uint64_t number, const SealedPacket& packet) {
  uint8_t* const ip = packet.ip;
  const bool is_v4 = ip[0] >> 4 == 4;
  const size_t padding = esp_padding(packet.ip_bytes);
  uint8_t* const end = ip + packet.ip_bytes;
  for (size_t i = 0; i < padding; ++i) end[i] = static_cast<uint8_t>(i + 1);  // RFC 4303, 2.4
  store(end + padding,
        EspTrailer{static_cast<uint8_t>(padding), is_v4 ? IpProtocol::kIpip : IpProtocol::kIpv6});
  store(ip - sizeof(EspHeader),
        EspHeader{sa.spi, Be32::from_host(static_cast<uint32_t>(number)), iv_of(number)});
  return {inner_facts(ip, is_v4), esp_nonce(sa.salt, iv_of(number)),
          esp_associated_data(sa.spi, number, sa.is_extended), end + padding + sizeof(EspTrailer)};
}

}  // namespace

void seal_packets(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelHeader& header, uint64_t first,
                  std::span<SealedPacket> packets) {
  check(packets.size() <= kMostSealedTogether, "a burst of packets to be sealed");
  std::array<Sealing, kMostSealedTogether> all;
  // Whatever is written beside the ciphertext is written for all packets first: encryption loads wide words,
  // which would wait for narrow stores into them.
  for (size_t i = 0; i < packets.size(); ++i) all[i] = prepare(sa, first + i, packets[i]);
  for (size_t i = 0; i < packets.size(); ++i) {
    gcm.seal(sa.key, all[i].nonce.bytes, view(all[i].associated), {packets[i].ip, all[i].icv}, all[i].icv);
  }
  for (size_t i = 0; i < packets.size(); ++i) {
    uint8_t* const esp = packets[i].ip - sizeof(EspHeader);
    uint8_t* const behind = all[i].icv + kIcvBytes;
    const auto id = static_cast<uint16_t>(first + i);
    packets[i].sealed = {header.write(esp, static_cast<size_t>(behind - esp), all[i].facts, id), behind};
  }
}

std::span<uint8_t> seal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelHeader& header,
                               uint64_t number, uint8_t* ip, size_t ip_bytes) {
  SealedPacket packet{ip, ip_bytes};
  seal_packets(gcm, sa, header, number, {&packet, 1});
  return packet.sealed;
}

void unseal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, uint64_t number, uint8_t* ip,
                   size_t ip_bytes) {
  uint8_t* const icv = ip + ip_bytes + esp_padding(ip_bytes) + sizeof(EspTrailer);
  static_cast<void>(gcm.open(sa.key, esp_nonce(sa.salt, iv_of(number)).bytes,
                             view(esp_associated_data(sa.spi, number, sa.is_extended)), {ip, icv}, icv));
}

OpenedPacket open_packet(const crypto::AesGcm& gcm, const InboundSa& sa, std::span<uint8_t> esp) {
  OpenedPacket opened;
  if (esp.size() < kLeastEspBytes || (esp.size() - kLeastEspBytes) % 4 != 2) return opened;
  const auto header = load<EspHeader>(esp.data());
  const uint64_t number = number_of(sa, header.sequence);
  opened.drop = TunnelDrop::kReplay;
  if (!sa.window.may_accept(number)) return opened;
  const std::span<uint8_t> payload = esp.subspan(sizeof header, esp.size() - sizeof header - kIcvBytes);
  if (!gcm.open(sa.key, esp_nonce(sa.salt, header.iv).bytes,
                view(esp_associated_data(sa.spi, number, sa.is_extended)), payload,
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

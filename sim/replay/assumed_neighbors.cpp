#include "sim/replay/assumed_neighbors.h"

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr uint16_t kArpType = 0x0806;
constexpr size_t kArpBytes = 28;
constexpr uint8_t kSolicitation = 135, kAdvertisement = 136;  // RFC 4861, 4.3 and 4.4

void put16(Frame& frame, size_t at, uint16_t value) {
  frame[at] = static_cast<uint8_t>(value >> 8);
  frame[at + 1] = static_cast<uint8_t>(value);
}

/// RFC 1071, over the pseudo-header of RFC 8200 8.1 too.
uint16_t icmpv6_checksum(const Frame& frame, size_t network, size_t length) {
  uint32_t sum = static_cast<uint32_t>(length) + 58;
  const auto add = [&](size_t from, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 2)
      sum += static_cast<uint32_t>(frame[from + i] << 8 | frame[from + i + 1]);
  };
  add(network + 8, 32);
  add(network + 40, length);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/// The question's Ethernet header and tags, turned round.
Frame answer_header(FrameBytes question, size_t network, const MacAddress& mac) {
  Frame answer(question.begin(), question.begin() + static_cast<std::ptrdiff_t>(network));
  std::copy_n(question.begin() + 6, 6, answer.begin());
  std::ranges::copy(mac.bytes, answer.begin() + 6);
  return answer;
}

/// RFC 826.
Frame arp_answer(FrameBytes question, size_t network, const MacAddress& mac) {
  Frame answer = answer_header(question, network, mac);
  const FrameBytes arp = question.subspan(network, kArpBytes);
  answer.insert(answer.end(), arp.begin(), arp.begin() + 8);
  answer[network + 7] = 2;
  answer.insert(answer.end(), mac.bytes.begin(), mac.bytes.end());
  answer.insert(answer.end(), arp.begin() + 24, arp.begin() + 28);
  answer.insert(answer.end(), arp.begin() + 8, arp.begin() + 18);
  return answer;
}

Frame ndp_answer(FrameBytes question, size_t network, const MacAddress& mac) {
  constexpr size_t kMessage = 32;  // the advertisement, and the option with the address
  Frame answer = answer_header(question, network, mac);
  answer.resize(network + 40 + kMessage);
  answer[network] = 0x60;
  put16(answer, network + 4, kMessage);
  answer[network + 6] = 58;
  answer[network + 7] = 255;
  const FrameBytes target = question.subspan(network + 48, 16);
  std::ranges::copy(target, &answer[network + 8]);
  std::copy_n(&question[network + 8], 16, &answer[network + 24]);
  const size_t message = network + 40;
  answer[message] = kAdvertisement;
  answer[message + 4] = 0x60;  // solicited, override
  std::ranges::copy(target, &answer[message + 8]);
  answer[message + 24] = 2;
  answer[message + 25] = 1;
  std::ranges::copy(mac.bytes, &answer[message + 26]);
  put16(answer, message + 2, icmpv6_checksum(answer, network, kMessage));
  return answer;
}

}  // namespace

MacAddress assumed_mac(const IpAddress& address) {
  // FNV-1a over the address: neighbors that differ in any part of it differ here.
  uint32_t hash = 2166136261;
  for (const uint8_t byte : address.bytes()) hash = (hash ^ byte) * 16777619;
  return {{0x02, 0x5a, static_cast<uint8_t>(hash >> 24), static_cast<uint8_t>(hash >> 16),
           static_cast<uint8_t>(hash >> 8), static_cast<uint8_t>(hash)}};
}

std::optional<Frame> AssumedNeighbors::answer(unsigned port, FrameBytes sent) {
  const auto view = view_frame(sent);
  if (!view) return std::nullopt;
  const size_t network = view->network;
  if (view->type == kArpType && sent.size() >= network + kArpBytes && sent[network + 7] == 1) {
    const auto sender = load<Be32>(&sent[network + 14]), target = load<Be32>(&sent[network + 24]);
    if (sender == target || sender.host() == 0) return std::nullopt;  // it asks whether an address is its own
    const IpAddress asked = IpAddress::v4(target);
    const MacAddress mac = known_.try_emplace({port, asked}, assumed_mac(asked)).first->second;
    return arp_answer(sent, network, mac);
  }
  const bool is_solicitation = view->key.protocol == IpProtocol::kIcmpv6 && view->transport != 0 &&
                               sent.size() >= view->transport + 24u && sent[view->transport] == kSolicitation;
  if (!is_solicitation || view->transport != network + 40 || view->key.source == IpAddress())
    return std::nullopt;
  const IpAddress asked = IpAddress::v6(&sent[network + 48]);
  const MacAddress mac = known_.try_emplace({port, asked}, assumed_mac(asked)).first->second;
  return ndp_answer(sent, network, mac);
}

}  // namespace sluice::sim

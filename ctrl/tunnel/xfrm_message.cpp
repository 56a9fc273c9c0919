#include "ctrl/tunnel/xfrm_message.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace sluice::ctrl {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr std::string_view kAesGcm = "rfc4106(gcm(aes))";
constexpr unsigned kIcvBits = 128;
constexpr uint16_t kUdpEncapEspInUdp = 2;  // linux/udp.h

/// What is at the front, if it is all there.
template <typename T>
bool read(Bytes bytes, T& into) {
  if (bytes.size() < sizeof into) return false;
  std::memcpy(&into, bytes.data(), sizeof into);
  return true;
}

IpAddress address_of(const xfrm_address_t& address, uint16_t family) {
  if (family == AF_INET) return IpAddress::v4(Be32::from_network(address.a4));
  return IpAddress::v6(&address);
}

/// What of attributes is needed.
struct Attributes {
  Bytes aead, encapsulation, replay;
};

Attributes attributes_of(Bytes bytes) {
  Attributes found;
  nlattr header{};
  while (read(bytes, header) && header.nla_len >= sizeof header && header.nla_len <= bytes.size()) {
    const Bytes value = bytes.subspan(sizeof header, header.nla_len - sizeof header);
    switch (header.nla_type & NLA_TYPE_MASK) {
      case XFRMA_ALG_AEAD:
        found.aead = value;
        break;
      case XFRMA_ENCAP:
        found.encapsulation = value;
        break;
      case XFRMA_REPLAY_ESN_VAL:
        found.replay = value;
        break;
      default:
        break;
    }
    bytes = bytes.subspan(std::min(bytes.size(), static_cast<size_t>(NLA_ALIGN(header.nla_len))));
  }
  return found;
}

std::optional<EspKey> key_of(Bytes aead) {
  xfrm_algo_aead header{};
  if (!read(aead, header)) return std::nullopt;
  const std::string_view name(header.alg_name, ::strnlen(header.alg_name, sizeof header.alg_name));
  if (name != kAesGcm || header.alg_icv_len != kIcvBits || header.alg_key_len % 8 != 0) return std::nullopt;
  const size_t size = header.alg_key_len / 8;
  if (aead.size() < sizeof header + size) return std::nullopt;
  const Bytes key = aead.subspan(sizeof header, size);
  auto made = EspKey::from_bytes(EspAlgorithm::kAes128Gcm, key);
  return made ? std::move(made) : EspKey::from_bytes(EspAlgorithm::kAes256Gcm, key);
}

uint32_t window_of(const xfrm_usersa_info& info, Bytes replay) {
  xfrm_replay_state_esn state{};
  const uint32_t window = read(replay, state) ? state.replay_window : info.replay_window;
  return window == 0 ? kReplayWindow : std::clamp(window, kLeastReplayWindow, kMostReplayWindow);
}

std::optional<std::chrono::system_clock::time_point> end_of(const xfrm_usersa_info& info) {
  const uint64_t lasts = info.lft.hard_add_expires_seconds;
  if (lasts == 0 || lasts >= XFRM_INF / 2) return std::nullopt;
  return std::chrono::system_clock::time_point(std::chrono::seconds(info.curlft.add_time + lasts));
}

std::optional<KernelAssociation> association_of(Bytes message) {
  xfrm_usersa_info info{};
  if (!read(message, info)) return std::nullopt;
  const bool is_tunnel = info.id.proto == IPPROTO_ESP && info.mode == XFRM_MODE_TUNNEL &&
                         (info.family == AF_INET || info.family == AF_INET6);
  const uint32_t spi = Be32::from_network(info.id.spi).host();
  if (!is_tunnel || spi < kFirstSpi) return std::nullopt;
  const Attributes attributes = attributes_of(message.subspan(NLMSG_ALIGN(sizeof info)));
  auto key = key_of(attributes.aead);
  if (!key) return std::nullopt;
  xfrm_encap_tmpl encapsulation{};
  const bool is_udp = read(attributes.encapsulation, encapsulation);
  if (is_udp && encapsulation.encap_type != kUdpEncapEspInUdp) return std::nullopt;
  return KernelAssociation{
      .source = address_of(info.saddr, info.family),
      .destination = address_of(info.id.daddr, info.family),
      .is_udp = is_udp,
      .keys = {spi, std::move(*key), (info.flags & XFRM_STATE_ESN) != 0, window_of(info, attributes.replay)},
      .added = info.curlft.add_time << 20,
      .expires = end_of(info)};
}

}  // namespace

XfrmDump read_xfrm_states(Bytes datagram, std::vector<KernelAssociation>& into) {
  nlmsghdr header{};
  while (read(datagram, header)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return XfrmDump::kFailed;
    const auto message = datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
    if (header.nlmsg_type == NLMSG_DONE) return XfrmDump::kDone;
    if (header.nlmsg_type == NLMSG_ERROR || (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0)
      return XfrmDump::kFailed;
    if (header.nlmsg_type == XFRM_MSG_NEWSA) {
      if (auto found = association_of(message)) {
        // The kernel lists the newest first; several may have come within a second.
        found->added += (uint64_t{1} << 19) - std::min<uint64_t>(into.size(), 1 << 19);
        into.push_back(std::move(*found));
      }
    }
    datagram = datagram.subspan(std::min(datagram.size(), size_t{NLMSG_ALIGN(header.nlmsg_len)}));
  }
  return XfrmDump::kMore;
}

std::vector<uint8_t> xfrm_dump_request(uint32_t sequence) {
  nlmsghdr header{};
  header.nlmsg_len = NLMSG_HDRLEN;
  header.nlmsg_type = XFRM_MSG_GETSA;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  header.nlmsg_seq = sequence;
  std::vector<uint8_t> bytes(sizeof header);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace sluice::ctrl

#include "tests/support/esp_site.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>

namespace sluice::test {
namespace {

constexpr uint32_t kSpiIn = 4097, kSpiOut = 4098;
constexpr uint32_t kSaltIn = 0x0a0b0c0d, kSaltOut = 0x01020304;
constexpr size_t kHeaderBytes = 16, kIcv = 16;  // SPI, number and IV; what authenticates
const Bytes kKeyIn(16, 0x11), kKeyOut(16, 0x22);

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

/// RFC 4106, 5: what is authenticated beside the ciphertext.
Bytes associated_data(uint32_t spi, uint64_t number, bool is_extended) {
  Bytes data;
  append32(data, spi);
  if (is_extended) append32(data, static_cast<uint32_t>(number >> 32));
  append32(data, static_cast<uint32_t>(number));
  return data;
}

Bytes nonce_of(uint32_t salt, const uint8_t* iv) {
  Bytes nonce;
  append32(nonce, salt);
  nonce.insert(nonce.end(), iv, iv + 8);
  return nonce;
}

void start(EVP_CIPHER_CTX* context, bool encrypts, const Bytes& key, const Bytes& nonce,
           const Bytes& associated) {
  int size = 0;
  EVP_CipherInit_ex(context, EVP_aes_128_gcm(), nullptr, key.data(), nonce.data(), encrypts ? 1 : 0);
  EVP_CipherUpdate(context, nullptr, &size, associated.data(), static_cast<int>(associated.size()));
}

dataplane::Tunnel tunnel_of(const EspSpec& spec, const Family& family) {
  const IpAddress local = *IpAddress::parse(family.core), remote = *IpAddress::parse(family.backend2);
  return {.local = local,
          .remote = remote,
          .is_udp = spec.is_udp,
          .has_way = true,
          .port = kCore,
          .next_hop = remote,
          .mtu = 1500,
          .header = dataplane::TunnelHeader(local, remote, spec.is_udp),
          .out = nullptr,
          .state = nullptr};
}

}  // namespace

EspSite::EspSite(const EspSpec& spec)
    : spec_(spec), state_(std::make_shared<dataplane::TunnelState>(spec.workers)) {
  const auto gcm = crypto::AesGcm::create();
  if (!gcm) std::abort();
  auto numbers = std::make_shared<dataplane::InboundSequence>();
  numbers->highest = highest_.get();
  numbers->owner = highest_;
  numbers->limit = UINT64_MAX;
  in_ = std::make_shared<const dataplane::InboundSa>(
      *gcm, Be32::from_host(kSpiIn), kKeyIn, Be32::from_host(kSaltIn), spec.is_extended, 1024u, numbers);
  out_ = std::make_shared<const dataplane::OutboundSa>(
      *gcm, Be32::from_host(kSpiOut), kKeyOut, Be32::from_host(kSaltOut), spec.is_extended,
      std::make_shared<dataplane::SequenceLeases>(spec.workers, spec.first, UINT64_MAX / 2));
}

void EspSite::lead(dataplane::Tables& tables) const {
  dataplane::Tunnel tunnel = tunnel_of(spec_, family());
  tunnel.mtu = tables.ports[kCore].mtu;
  tunnel.out = out_;
  tunnel.state = state_;
  const dataplane::Route networks[] = {{*Prefix::parse("10.30.0.0/16"), 0, false, {}},
                                       {*Prefix::parse("fd30::/32"), 0, false, {}}};
  std::vector<dataplane::Tunnel> tunnels;
  tunnels.push_back(std::move(tunnel));
  const auto made = std::make_shared<const dataplane::TunnelTables>(
      std::move(tunnels), std::vector<dataplane::InboundEntry>{{0, in_}}, networks);
  auto next_hops = std::make_shared<std::vector<dataplane::NextHop>>(*tables.next_hops);
  for (dataplane::NextHop& next_hop : *next_hops) {
    next_hop.tunnel = made->leading_to(next_hop.address);
    if (next_hop.tunnel != 0) next_hop.address = *IpAddress::parse(family().backend2);
  }
  tables.next_hops = next_hops;
  tables.tunnels = made;
}

std::optional<EspSite::Opened> EspSite::opened(const Bytes& frame, uint32_t high) const {
  const size_t outer = 14u + family().header + (spec_.is_udp ? 8u : 0u);
  if (frame.size() < outer + kHeaderBytes + kIcv) return std::nullopt;
  const uint8_t* const esp = frame.data() + outer;
  if (load<Be32>(esp).host() != kSpiOut) return std::nullopt;
  const uint64_t number = uint64_t{high} << 32 | load<Be32>(esp + 4).host();
  const size_t size = frame.size() - outer - kHeaderBytes - kIcv;
  Bytes plain(size);
  Bytes icv(frame.end() - kIcv, frame.end());
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  start(context.get(), false, kKeyOut, nonce_of(kSaltOut, esp + 8),
        associated_data(kSpiOut, number, spec_.is_extended));
  int done = 0;
  EVP_CipherUpdate(context.get(), plain.data(), &done, esp + kHeaderBytes, static_cast<int>(size));
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kIcv, icv.data());
  if (EVP_CipherFinal_ex(context.get(), plain.data() + size, &done) != 1) return std::nullopt;
  const size_t behind = size_t{plain[size - 2]} + 2;
  if (behind > size) return std::nullopt;
  plain.resize(size - behind);
  return Opened{number, plain};
}

Bytes EspSite::sealed(const Bytes& inner, uint64_t number) const {
  Bytes plain = inner;
  for (uint8_t padding = 1; (plain.size() + 2) % 4 != 0; ++padding) plain.push_back(padding);
  plain.push_back(static_cast<uint8_t>(plain.size() - inner.size()));
  plain.push_back(inner[0] >> 4 == 4 ? kProtocolIpip : kProtocolIpv6);
  Bytes esp;
  append32(esp, kSpiIn);
  append32(esp, static_cast<uint32_t>(number));
  append32(esp, 0x77777777);
  append32(esp, static_cast<uint32_t>(number));
  Bytes ciphertext(plain.size()), icv(kIcv);
  const Context context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  start(context.get(), true, kKeyIn, nonce_of(kSaltIn, esp.data() + 8),
        associated_data(kSpiIn, number, spec_.is_extended));
  int done = 0;
  EVP_CipherUpdate(context.get(), ciphertext.data(), &done, plain.data(), static_cast<int>(plain.size()));
  EVP_CipherFinal_ex(context.get(), ciphertext.data() + done, &done);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kIcv, icv.data());
  append(esp, ciphertext);
  append(esp, icv);
  PacketBuilder outer = ip(family().backend2, family().core);
  if (spec_.is_udp) {
    outer.udp(4500, 4500);
  } else {
    outer.protocol(50);
  }
  return ethernet({mac_of(family().backend2), kCoreMac}, outer.payload(esp));
}

}  // namespace sluice::test

// ESP from the wire: any bytes, and what a holder of the key makes of any bytes. Nothing may be read or
// written beyond the packet, what is accepted must lie within it, and nothing is accepted twice.
//
// The first byte says what the rest is: a whole packet, or what is to be encrypted, trailer and all.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/esp/esp_packet.h"

namespace sluice::dataplane {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

struct Ends {
  crypto::AesGcm gcm = std::move(*crypto::AesGcm::create());
  std::array<uint8_t, 16> key{};
  std::atomic<uint64_t> highest = 0;
  std::unique_ptr<InboundSa> in;
  std::unique_ptr<OutboundSa> out;

  explicit Ends(bool extended) {
    auto numbers = std::make_shared<InboundSequence>();
    numbers->highest = &highest;
    numbers->limit = UINT64_MAX;
    const auto spi = Be32::from_host(0x01010101);
    in = std::make_unique<InboundSa>(gcm, spi, key, Be32{}, extended, 64u, numbers);
    out = std::make_unique<OutboundSa>(gcm, spi, key, Be32{}, extended, nullptr);
  }
};

void check_opened(const OpenedPacket& opened, std::span<const uint8_t> esp) {
  if (opened.outcome != OpenedPacket::Outcome::kInner) return;
  const size_t least = opened.is_v4 ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
  require(opened.inner.size() >= least);
  require(opened.inner.data() == esp.data() + sizeof(EspHeader));
  require(opened.inner.size() + kLeastEspBytes <= esp.size());
  require(opened.inner[0] >> 4 == (opened.is_v4 ? 4 : 6));
}

void check(std::span<const uint8_t> input) {
  if (input.empty()) return;
  const bool extended = (input[0] & 1) != 0;
  const bool encrypts = (input[0] & 2) != 0;
  input = input.subspan(1);
  Ends ends(extended);
  std::vector<uint8_t> esp(input.begin(), input.end());
  if (encrypts) {
    esp.resize(sizeof(EspHeader) + input.size() + kIcvBytes);
    const auto number = Be64::from_host(7);
    store(esp.data(), EspHeader{ends.out->spi, Be32::from_host(7), number});
    std::copy(input.begin(), input.end(), esp.begin() + sizeof(EspHeader));
    const EspAssociatedData associated(ends.out->spi, 7, extended);
    ends.gcm.seal(ends.out->key, EspNonce(Be32{}, number).bytes(), associated.bytes(),
                  std::span(esp).subspan(sizeof(EspHeader), input.size()),
                  esp.data() + esp.size() - kIcvBytes);
  }
  std::vector<uint8_t> again = esp;
  const OpenedPacket opened = open_packet(ends.gcm, *ends.in, esp);
  check_opened(opened, esp);
  if (encrypts && input.size() % 4 == 0 && input.size() >= 4) require(ends.highest == 7);
  const OpenedPacket repeated = open_packet(ends.gcm, *ends.in, again);
  require(repeated.outcome == OpenedPacket::Outcome::kDropped);
}

}  // namespace
}  // namespace sluice::dataplane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> exact(data, data + size);  // so that the sanitizer sees the end
  sluice::dataplane::check(exact);
  return 0;
}

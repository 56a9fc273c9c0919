#include "common/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>

namespace sluice {

Result<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() < sizeof terminated && text.find(char{0}) == text.npos) {
    std::memcpy(terminated, text.data(), text.size());
    terminated[text.size()] = 0;
    uint8_t raw[16];
    if (inet_pton(AF_INET, terminated, raw) == 1) return v4(load<Be32>(raw));
    if (inet_pton(AF_INET6, terminated, raw) == 1) return v6(raw);
  }
  return fail("\"" + std::string(text.substr(0, 64)) + "\" is not an IPv4 or IPv6 address");
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  if (is_v4()) {
    inet_ntop(AF_INET, bytes_.data() + 12, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  }
  return text;
}

IpAddress mask(const IpAddress& address, uint8_t length) {
  const unsigned keep = length + (address.is_v4() ? 96u : 0u);
  std::array<uint8_t, 16> bytes = address.bytes();
  for (unsigned i = 0; i < 16; ++i) {
    const unsigned first_bit = i * 8;
    if (first_bit >= keep) {
      bytes[i] = 0;
    } else if (keep - first_bit < 8) {
      bytes[i] = static_cast<uint8_t>(bytes[i] & (0xff00u >> (keep - first_bit)));
    }
  }
  return IpAddress::v6(bytes.data());
}

Result<Prefix> Prefix::parse(std::string_view text, bool keep_host_bits) {
  const size_t slash = text.find('/');
  auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return tl::unexpected(address.error());
  const unsigned width = address->is_v4() ? 32 : 128;
  unsigned length = width;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (code != std::errc{} || end != digits.data() + digits.size() || length > width) {
      return fail("\"" + std::string(text.substr(0, 64)) + "\": the prefix length must be 0 to " +
                  std::to_string(width));
    }
  }
  const Prefix result{*address, static_cast<uint8_t>(length)};
  if (!keep_host_bits && result.network() != result) {
    return fail("\"" + std::string(text.substr(0, 64)) + "\" has host bits set; the network is " +
                result.network().to_string());
  }
  return result;
}

bool Prefix::contains(const IpAddress& candidate) const {
  return candidate.is_v4() == address.is_v4() && mask(candidate, length) == mask(address, length);
}

bool Prefix::overlaps(const Prefix& other) const {
  return length <= other.length ? contains(other.address) : other.contains(address);
}

Prefix Prefix::network() const {
  return {mask(address, length), length};
}

std::string Prefix::to_string() const {
  return address.to_string() + "/" + std::to_string(length);
}

Result<MacAddress> MacAddress::parse(std::string_view text) {
  MacAddress mac;
  bool valid = text.size() == 17;
  for (size_t i = 0; valid && i < 6; ++i) {
    const char* octet = text.data() + i * 3;
    const auto [end, code] = std::from_chars(octet, octet + 2, mac.bytes[i], 16);
    valid = code == std::errc{} && end == octet + 2 && (i == 5 || octet[2] == ':');
  }
  if (!valid)
    return fail("\"" + std::string(text.substr(0, 64)) + "\" is not a MAC address such as 02:00:00:00:00:01");
  return mac;
}

std::string MacAddress::to_string() const {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                bytes[4], bytes[5]);
  return text;
}

}  // namespace sluice

#include "ctrl/wire/nkey.h"

#include <algorithm>
#include <array>

#include "crypto/encoding.h"
#include "crypto/secret.h"

namespace sluice::ctrl::nats {
namespace {

constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // RFC 4648, 6
constexpr uint8_t kSeed = 18 << 3, kUser = 20 << 3;                       // they show as `S` and `U`
constexpr size_t kCrc = 2;
constexpr size_t kSeedBytes = 2 + 32 + kCrc, kSeedText = 58;
constexpr size_t kUserBytes = 1 + 32 + kCrc;

/// CRC-16/XMODEM.
uint16_t crc16(std::span<const uint8_t> bytes) {
  uint16_t crc = 0;
  for (const uint8_t byte : bytes) {
    crc = static_cast<uint16_t>(crc ^ byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

std::string to_base32(std::span<const uint8_t> bytes) {
  std::string text;
  unsigned held = 0, bits = 0;
  for (const uint8_t byte : bytes) {
    held = held << 8 | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += kBase32[held >> (bits - 5) & 31];
  }
  if (bits > 0) text += kBase32[held << (5 - bits) & 31];
  return text;
}

/// False where it has another size, or a digit that is none.
bool from_base32(std::string_view text, std::span<uint8_t> bytes) {
  if (text.size() != (bytes.size() * 8 + 4) / 5) return false;
  unsigned held = 0, bits = 0;
  size_t size = 0;
  for (const char digit : text) {
    const size_t value = kBase32.find(digit);
    if (value == std::string_view::npos) return false;
    held = held << 5 | static_cast<unsigned>(value);
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[size++] = static_cast<uint8_t>(held >> bits);
  }
  return true;
}

}  // namespace

Result<crypto::Ed25519PrivateKey> read_user_seed(std::string_view text) {
  crypto::SecretBytes<kSeedBytes> bytes;
  const auto all = bytes.reveal();
  static_assert(kSeedText == (kSeedBytes * 8 + 4) / 5);
  const bool is_read = text.size() == kSeedText && from_base32(text, all);
  // The word for a seed has three bits of the word for whose it is; the next byte begins with the other five.
  const bool is_users = all[0] == (kSeed | kUser >> 5) && all[1] == static_cast<uint8_t>((kUser & 31) << 3);
  const uint16_t crc = crc16(all.first(kSeedBytes - kCrc));
  const bool is_whole = all[34] == (crc & 0xff) && all[35] == crc >> 8;
  if (!is_read || !is_users || !is_whole) return fail("it is no seed of a NATS user, such as SU...");
  return crypto::Ed25519PrivateKey::from_seed(crypto::Ed25519Seed(all.subspan<2, 32>()));
}

std::string user_text(const crypto::Ed25519PublicBytes& key) {
  std::array<uint8_t, kUserBytes> bytes{kUser};
  std::copy(key.begin(), key.end(), bytes.begin() + 1);
  const uint16_t crc = crc16(std::span(bytes).first(kUserBytes - kCrc));
  bytes[33] = static_cast<uint8_t>(crc & 0xff);
  bytes[34] = static_cast<uint8_t>(crc >> 8);
  return to_base32(bytes);
}

std::string signature_text(std::span<const uint8_t> signature) {
  std::string text = crypto::to_base64(signature);
  text.erase(std::min(text.find('='), text.size()));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

}  // namespace sluice::ctrl::nats

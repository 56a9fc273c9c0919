#include "ctrl/tunnel/tunnel_keys.h"

#include <algorithm>

#include "crypto/sha256_openssl.h"
#include "ctrl/net/private_file.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";

/// The value of a digit; 16: it is none.
unsigned digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return 16;
}

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  return text;
}

KeyId digest(std::string_view use, std::span<const uint8_t> first, std::span<const uint8_t> second) {
  crypto::Sha256Stream stream;
  stream.update({reinterpret_cast<const uint8_t*>(use.data()), use.size()});
  stream.update(first);
  stream.update(second);
  const crypto::Digest whole = stream.finish();
  KeyId id;
  std::copy_n(whole.begin(), id.size(), id.begin());
  return id;
}

}  // namespace

std::optional<EspKey> EspKey::from_bytes(EspAlgorithm algorithm, std::span<const uint8_t> bytes) {
  if (bytes.size() != key_bytes(algorithm) + kSaltBytes) return std::nullopt;
  EspKey key;
  std::copy(bytes.begin(), bytes.end(), key.bytes_.reveal().begin());
  key.size_ = key_bytes(algorithm);
  return key;
}

Result<EspKey> EspKey::from_hex(EspAlgorithm algorithm, std::string_view text) {
  const size_t size = key_bytes(algorithm) + kSaltBytes;
  const auto refuse = [&] {
    return fail("must be " + std::to_string(2 * size) + " hexadecimal digits: a key of " +
                std::to_string(key_bytes(algorithm)) + " bytes, and 4 of salt");
  };
  if (text.starts_with("0x")) text.remove_prefix(2);
  if (text.size() != 2 * size) return refuse();
  crypto::SecretBytes<kMostBytes> bytes;
  for (size_t i = 0; i < size; ++i) {
    const unsigned high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high > 15 || low > 15) return refuse();
    bytes.reveal()[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return std::move(*from_bytes(algorithm, bytes.reveal().first(size)));
}

KeyId EspKey::id() const {
  return digest("sluice esp key", bytes(), {});
}

KeyId EspKey::id_with(uint32_t spi) const {
  const auto wire = Be32::from_host(spi);
  return digest("sluice esp association", bytes_.reveal().first(size_ + kSaltBytes),
                {reinterpret_cast<const uint8_t*>(&wire), sizeof wire});
}

Result<EspKey> read_esp_key(EspAlgorithm algorithm, const std::string& reference) {
  const std::string path = reference.starts_with(kFile) ? reference.substr(kFile.size()) : reference;
  const auto file = read_private_file(path);
  if (!file) return fail("cannot read " + file.error().message);
  if (file->is_open_to_others) return tl::unexpected(open_to_others(path));
  auto key = EspKey::from_hex(algorithm, trimmed(file->text.reveal()));
  if (!key) return fail(path + ": " + key.error().message);
  return key;
}

}  // namespace sluice::ctrl

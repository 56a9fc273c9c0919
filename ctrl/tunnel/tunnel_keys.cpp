#include "ctrl/tunnel/tunnel_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "crypto/sha256_openssl.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";
constexpr size_t kMostFileBytes = 256;

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
  const auto refuse = [&](int error) {
    return fail("cannot read " + path + ": " + std::generic_category().message(error));
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return refuse(errno);
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    return fail(path + " is no file");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    ::close(file);
    return fail(path + " is open to others than its owner: chmod 600 " + path);
  }
  crypto::SecretBytes<kMostFileBytes> bytes;
  size_t size = 0;
  ssize_t got = 0;
  while (size < kMostFileBytes &&
         (got = ::read(file, bytes.reveal().data() + size, kMostFileBytes - size)) > 0) {
    size += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(file);
  if (got < 0) return refuse(error);
  auto key =
      EspKey::from_hex(algorithm, trimmed({reinterpret_cast<const char*>(bytes.reveal().data()), size}));
  if (!key) return fail(path + ": " + key.error().message);
  return key;
}

}  // namespace sluice::ctrl

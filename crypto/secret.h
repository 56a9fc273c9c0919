// Bytes that must not outlive their use: erased when destroyed, never copied, and nothing prints them.
// Any thread, one at a time; the object owns the memory.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::crypto {

/// Overwrites bytes in a way that the compiler keeps.
inline void erase(std::span<uint8_t> bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

/// kSize secret bytes, zero at first.
template <size_t kSize>
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::span<const uint8_t, kSize> from) {
    std::copy(from.begin(), from.end(), bytes_.begin());
  }
  SecretBytes(SecretBytes&& from) noexcept : bytes_(from.bytes_) { erase(from.bytes_); }
  SecretBytes& operator=(SecretBytes&& from) noexcept {
    if (this != &from) {
      bytes_ = from.bytes_;
      erase(from.bytes_);
    }
    return *this;
  }
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { erase(bytes_); }

  std::span<const uint8_t, kSize> reveal() const { return bytes_; }
  std::span<uint8_t, kSize> reveal() { return bytes_; }

 private:
  std::array<uint8_t, kSize> bytes_{};
};

/// Sets memory aside, once for the process, that core files leave out and that is not swapped: secret texts
/// and OpenSSL's private keys lie there from then on. Before the first of them, at the start.
void set_secret_memory_aside();

/// A secret text, such as a private key in its file form. Moved, it stays where it is.
class SecretText {
 public:
  /// Takes what `text` holds, and erases it there.
  explicit SecretText(std::string text);
  /// So many zero bytes, to be written into.
  explicit SecretText(size_t size);
  SecretText(SecretText&& from) noexcept
      : bytes_(std::exchange(from.bytes_, nullptr)),
        room_(std::exchange(from.room_, 0)),
        size_(std::exchange(from.size_, 0)) {}
  SecretText& operator=(SecretText&& from) noexcept {
    std::swap(bytes_, from.bytes_);
    std::swap(room_, from.room_);
    std::swap(size_, from.size_);
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText();

  std::string_view reveal() const { return {bytes_, size_}; }
  std::span<char> room() { return {bytes_, size_}; }
  /// Forgets what lies beyond; never more than there is.
  void cut(size_t size) { size_ = std::min(size, size_); }

 private:
  char* bytes_;
  size_t room_, size_;
};

}  // namespace sluice::crypto

// Bytes that must not outlive their use: erased when destroyed, never copied, and nothing prints them.
// Any thread, one at a time; the object owns the memory.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
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

/// A secret line of text, such as a private key in its file form.
class SecretText {
 public:
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  SecretText(SecretText&& from) noexcept : text_(from.text_) { from.wipe(); }
  SecretText& operator=(SecretText&& from) noexcept {
    if (this != &from) {
      wipe();
      text_ = from.text_;
      from.wipe();
    }
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe(); }

  std::string_view reveal() const { return text_; }

 private:
  void wipe() { OPENSSL_cleanse(text_.data(), text_.capacity()); }

  std::string text_;
};

}  // namespace sluice::crypto

#include "crypto/secret.h"

#include <cstring>

#include "common/check.h"

namespace sluice::crypto {
namespace {

constexpr size_t kRoom = size_t{1} << 20;  // for some texts of 64 KiB at a time, and for keys
constexpr size_t kLeast = 32;

/// Beyond what has been set aside it is memory like any other.
char* take(size_t size) {
  void* memory = OPENSSL_secure_zalloc(size);
  if (memory == nullptr) memory = OPENSSL_zalloc(size);
  check(memory != nullptr, "there is memory for a secret");
  return static_cast<char*>(memory);
}

}  // namespace

void set_secret_memory_aside() {
  if (CRYPTO_secure_malloc_initialized() == 0) (void)CRYPTO_secure_malloc_init(kRoom, kLeast);
}

SecretText::SecretText(size_t size) : bytes_(take(size + 1)), room_(size + 1), size_(size) {}

SecretText::SecretText(std::string text) : SecretText(text.size()) {
  std::memcpy(bytes_, text.data(), size_);
  OPENSSL_cleanse(text.data(), text.capacity());
}

SecretText::~SecretText() {
  if (bytes_ != nullptr) OPENSSL_secure_clear_free(bytes_, room_);
}

}  // namespace sluice::crypto

// AES-GCM with 12-byte nonces and 16-byte tags (NIST SP 800-38D), AES-128 and AES-256, by the direct calls of
// intel-ipsec-mb 1.3. The lowest layer of ESP: no allocation, no lock, no exception once made.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

struct IMB_MGR;
struct gcm_context_data;
struct gcm_key_data;

namespace sluice::crypto {

inline constexpr size_t kGcmTagBytes = 16;
inline constexpr size_t kGcmNonceBytes = 12;
using GcmTag = std::array<uint8_t, kGcmTagBytes>;

using GcmNonce = std::span<const uint8_t, kGcmNonceBytes>;

class AesGcmKey;

/// The library's entry points for this CPU. One object per thread.
class AesGcm {
 public:
  /// Nothing where the library finds no usable CPU or fails its own self-test. Allocates.
  static std::optional<AesGcm> create();

  /// Encrypts `bytes` in place. A nonce is never used twice with one key: the caller's duty.
  void seal(const AesGcmKey& key, GcmNonce nonce, std::span<const uint8_t> associated,
            std::span<uint8_t> bytes, uint8_t* tag) const;
  /// Decrypts `bytes` in place. False: the tag, 16 bytes at `tag`, is not that of these bytes, and what they
  /// hold now is of no use. Takes as long either way.
  [[nodiscard]] bool open(const AesGcmKey& key, GcmNonce nonce, std::span<const uint8_t> associated,
                          std::span<uint8_t> bytes, const uint8_t* tag) const;

 private:
  friend class AesGcmKey;
  friend class GcmSealing;
  struct Free {
    void operator()(IMB_MGR* library) const;
  };
  explicit AesGcm(IMB_MGR* library) : library_(library) {}

  std::unique_ptr<IMB_MGR, Free> library_;
};

/// A key made ready for use, erased when destroyed. Read by any thread, with an AesGcm of its own: all of one
/// process choose the same code, and so the same form of keys.
class AesGcmKey {
 public:
  /// `key` has 16 or 32 bytes, which stay the caller's to erase.
  AesGcmKey(const AesGcm& gcm, std::span<const uint8_t> key);
  ~AesGcmKey();
  AesGcmKey(const AesGcmKey&) = delete;
  AesGcmKey& operator=(const AesGcmKey&) = delete;

 private:
  friend class AesGcm;
  friend class GcmSealing;
  static constexpr size_t kExpandedBytes = 1024;

  alignas(64) std::array<uint8_t, kExpandedBytes> expanded_{};
  bool is_256_;
};

/// AesGcm::seal() with one key, for many pieces one after the other: what depends on the key is found once.
/// Both outlive it.
class GcmSealing {
 public:
  GcmSealing(const AesGcm& gcm, const AesGcmKey& key);

  void seal(GcmNonce nonce, std::span<const uint8_t> associated, std::span<uint8_t> bytes, uint8_t* tag) {
    call_(key_, reinterpret_cast<gcm_context_data*>(context_.data()), bytes.data(), bytes.data(),
          bytes.size(), nonce.data(), associated.data(), associated.size(), tag, kGcmTagBytes);
  }

 private:
  static constexpr size_t kContextBytes = 96;

  void (*call_)(const gcm_key_data*, gcm_context_data*, uint8_t*, const uint8_t*, uint64_t, const uint8_t*,
                const uint8_t*, uint64_t, uint8_t*, uint64_t);
  const gcm_key_data* key_;
  alignas(64) std::array<uint8_t, kContextBytes> context_;  ///< the library's own, between two of its steps
};

}  // namespace sluice::crypto

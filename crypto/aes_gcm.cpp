#include "crypto/aes_gcm.h"

#include <intel-ipsec-mb.h>

#include "common/bytes.h"
#include "common/check.h"
#include "crypto/secret.h"

namespace sluice::crypto {
namespace {

/// Without a branch that depends on them: a forger shall not learn how many bytes were right.
bool are_equal(const uint8_t* a, const uint8_t* b) {
  const uint64_t low = load<uint64_t>(a) ^ load<uint64_t>(b);
  const uint64_t high = load<uint64_t>(a + 8) ^ load<uint64_t>(b + 8);
  return (low | high) == 0;
}

const gcm_key_data* expanded(const void* bytes) {
  return static_cast<const gcm_key_data*>(bytes);
}

}  // namespace

void AesGcm::Free::operator()(IMB_MGR* library) const {
  free_mb_mgr(library);
}

std::optional<AesGcm> AesGcm::create() {
  IMB_MGR* const library = alloc_mb_mgr(0);
  if (library == nullptr) return std::nullopt;
  AesGcm gcm(library);
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(library, &arch);
  const bool usable = imb_get_errno(library) == 0 && arch != IMB_ARCH_NONE &&
                      (library->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  if (!usable) return std::nullopt;
  return gcm;
}

void AesGcm::seal(const AesGcmKey& key, GcmNonce nonce, std::span<const uint8_t> associated,
                  std::span<uint8_t> bytes, uint8_t* tag) const {
  GcmSealing(*this, key).seal(nonce, associated, bytes, tag);
}

bool AesGcm::open(const AesGcmKey& key, GcmNonce nonce, std::span<const uint8_t> associated,
                  std::span<uint8_t> bytes, const uint8_t* tag) const {
  gcm_context_data context;
  GcmTag right;
  const auto call = key.is_256_ ? library_->gcm256_dec : library_->gcm128_dec;
  call(expanded(key.expanded_.data()), &context, bytes.data(), bytes.data(), bytes.size(), nonce.data(),
       associated.data(), associated.size(), right.data(), right.size());
  return are_equal(right.data(), tag);
}

AesGcmKey::AesGcmKey(const AesGcm& gcm, std::span<const uint8_t> key) : is_256_(key.size() == 32) {
  static_assert(sizeof(gcm_key_data) <= kExpandedBytes);
  check(key.size() == 16 || key.size() == 32, "a key of AES-128 or AES-256");
  IMB_MGR* const library = gcm.library_.get();
  auto* const made = reinterpret_cast<gcm_key_data*>(expanded_.data());
  (is_256_ ? library->gcm256_pre : library->gcm128_pre)(key.data(), made);
}

AesGcmKey::~AesGcmKey() {
  erase(expanded_);
}

GcmSealing::GcmSealing(const AesGcm& gcm, const AesGcmKey& key)
    : call_(key.is_256_ ? gcm.library_->gcm256_enc : gcm.library_->gcm128_enc),
      key_(expanded(key.expanded_.data())) {
  static_assert(sizeof(gcm_context_data) <= kContextBytes);
}

}  // namespace sluice::crypto

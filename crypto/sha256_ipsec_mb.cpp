#include "crypto/sha256_ipsec_mb.h"

#include <intel-ipsec-mb.h>

#include <cstring>

#include "crypto/sha256_openssl.h"

namespace sluice::crypto {

void IpsecMbSha256::Free::operator()(IMB_MGR* library) const {
  free_mb_mgr(library);
}

std::optional<IpsecMbSha256> IpsecMbSha256::create() {
  IMB_MGR* library = alloc_mb_mgr(0);
  if (library == nullptr) return std::nullopt;
  IpsecMbSha256 engine(library);
  IMB_ARCH arch = IMB_ARCH_NONE;
  init_mb_mgr_auto(library, &arch);
  // Errors are read from this object: the process-wide number is shared by all threads.
  const bool usable = imb_get_errno(library) == 0 && arch != IMB_ARCH_NONE &&
                      (library->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
  if (!usable) return std::nullopt;
  return engine;
}

void IpsecMbSha256::take(IMB_JOB* first_completed) {
  for (IMB_JOB* job = first_completed; job != nullptr; job = IMB_GET_COMPLETED_JOB(library_.get()))
    --in_flight_;
}

void IpsecMbSha256::submit(const uint8_t* data, uint32_t size, uint8_t* digest) {
  static constexpr uint8_t kNothing = 0;
  IMB_JOB* job = IMB_GET_NEXT_JOB(library_.get());
  job->cipher_mode = IMB_CIPHER_NULL;  // slots are recycled and not cleared: every field is set
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->chain_order = IMB_ORDER_HASH_CIPHER;
  job->hash_alg = IMB_AUTH_SHA_256;
  job->src = size == 0 ? &kNothing : data;  // null is refused even for an empty message
  job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_hash_in_bytes = size;
  job->auth_tag_output = digest;
  job->auth_tag_output_len_in_bytes = sizeof(Digest);
  ++in_flight_;
  take(IMB_SUBMIT_JOB(library_.get()));
}

void IpsecMbSha256::finish() {
  while (IMB_JOB* job = IMB_FLUSH_JOB(library_.get())) take(job);
}

/// Jobs complete in the order of their submission, so the slot after the newest is free as long as
/// fewer than kSlots jobs are in flight.
uint8_t* IpsecMbSha256::next_slot() {
  while (in_flight_ >= kSlots) take(IMB_FLUSH_JOB(library_.get()));
  slot_ = (slot_ + 1) % kSlots;
  return slots_.data() + size_t{slot_} * kSlotBytes;
}

void IpsecMbSha256::hash(std::span<const Message> messages) {
  bool any_twice = false;
  for (const Message& message : messages) {
    const uint64_t total = message.total();
    if (total > (message.prefix == Prefix::none ? kMostBytes : kSlotBytes)) {
      sha256_message(message);
      continue;
    }
    any_twice |= message.rounds == Rounds::twice;
    const uint8_t* data = message.data;
    if (message.prefix != Prefix::none) {
      uint8_t* slot = next_slot();
      slot[0] = prefix_byte(message.prefix);
      if (message.size != 0) std::memcpy(slot + 1, message.data, message.size);
      data = slot;
    }
    submit(data, static_cast<uint32_t>(total), message.digest->data());
  }
  finish();
  if (!any_twice) return;
  for (const Message& message : messages) {
    const bool done = message.total() > (message.prefix == Prefix::none ? kMostBytes : kSlotBytes);
    if (message.rounds == Rounds::once || done) continue;
    submit(message.digest->data(), sizeof(Digest), message.digest->data());
  }
  finish();
}

void IpsecMbSha256::hash_nodes(std::span<const Digest> children, std::span<Digest> parents) {
  for (size_t i = 0; i < parents.size(); ++i) {
    uint8_t* slot = next_slot();
    slot[0] = prefix_byte(Prefix::node);
    std::memcpy(slot + 1, children[2 * i].data(), 2 * sizeof(Digest));
    submit(slot, 1 + 2 * sizeof(Digest), parents[i].data());
  }
  finish();
}

}  // namespace sluice::crypto

// SHA-256 through the job interface of intel-ipsec-mb 1.3: the only one of its calls that hashes plain
// SHA-256 in lanes. One object per thread, made on the thread (and NUMA node) that uses it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "crypto/sha256_message.h"

struct IMB_MGR;
struct IMB_JOB;

namespace sluice::crypto {

/// The engine: see crypto/sha256.h for what its calls promise. The library takes a message only in one
/// piece, so a prefixed message is copied into a slot that the engine owns.
class IpsecMbSha256 {
 public:
  static constexpr size_t kBatch = 256;

  /// Nothing where the library finds no usable CPU or fails its own self-test. Allocates.
  static std::optional<IpsecMbSha256> create();

  void hash(std::span<const Message> messages);
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents);

 private:
  static constexpr unsigned kSlots = 64;  // jobs in flight: four times the lanes, so lanes stay full
  static constexpr uint32_t kSlotBytes = 2048;
  static constexpr uint32_t kMostBytes = 65534;  // what a checked submit takes

  struct Free {
    void operator()(IMB_MGR* library) const;
  };

  explicit IpsecMbSha256(IMB_MGR* library) : library_(library), slots_(size_t{kSlots} * kSlotBytes) {}

  void submit(const uint8_t* data, uint32_t size, uint8_t* digest);
  void finish();
  void take(IMB_JOB* first_completed);
  uint8_t* next_slot();

  std::unique_ptr<IMB_MGR, Free> library_;
  std::vector<uint8_t> slots_;
  unsigned slot_ = 0;
  unsigned in_flight_ = 0;
};

}  // namespace sluice::crypto

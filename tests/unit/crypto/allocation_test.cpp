// The hot calls of this folder under an operator new that counts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <new>

#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "tests/unit/crypto/oracle.h"

namespace {
size_t allocations = 0;

void* count_allocation(size_t size, size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) std::abort();
  return memory;
}
}  // namespace

[[gnu::noinline]] void* operator new(size_t size) {
  return count_allocation(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t alignment) {
  return count_allocation(size, static_cast<size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace sluice::crypto {
namespace {

TEST(Allocation, IsCounted) {
  const size_t before = allocations;
  const auto one = std::make_unique<Digest>();
  EXPECT_EQ(allocations, before + 1);
}

TEST(Allocation, IsNotNeededForABatch) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(70000, 1);
  std::vector<Digest> digests(3000);
  std::vector<Message> messages;
  for (uint32_t i = 0; i < digests.size(); ++i)
    messages.push_back({.data = bytes.data(),
                        .digest = &digests[i],
                        .size = i % 100 == 0 ? 20 * i : i / 2,
                        .prefix = static_cast<Prefix>(i % 3)});
  for (Sha256Engine kind : kSha256Engines) {
    Result<Sha256> engine = Sha256::create(kind);
    if (!engine) continue;
    auto edge = std::make_unique<RightEdge>();
    std::vector<FinishedSubtree> finished(RightEdge::most_finished(digests.size()));
    const size_t before = allocations;
    engine->hash(messages);
    edge->append(*engine, digests, finished);
    edge->root();
    EXPECT_EQ(allocations, before) << name_of(kind);
  }
}

}  // namespace
}  // namespace sluice::crypto

#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstdio>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <type_traits>

namespace sluice::crypto {
namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!Printable<SecretText> && !Printable<SecretBytes<32>>);
static_assert(!std::is_copy_constructible_v<SecretText> && !std::is_copy_constructible_v<SecretBytes<32>>);
static_assert(!std::convertible_to<SecretText, std::string_view>);

constexpr uint8_t kMark = 0xa7;
constexpr long kMostByChance = 2;

/// Memory that outlives the secret made in it, to be looked at afterwards.
template <typename T>
struct Room {
  alignas(T) std::array<uint8_t, sizeof(T)> bytes{};
  T* place() { return reinterpret_cast<T*>(bytes.data()); }
  /// The longest run of marks: a lone one may be part of an address.
  long marks() const {
    const volatile uint8_t* at = bytes.data();
    long run = 0, longest = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      run = at[i] == kMark ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    return longest;
  }
};

using Key = SecretBytes<32>;

Key marked_key() {
  Key key;
  std::ranges::fill(key.reveal(), kMark);
  return key;
}

TEST(SecretBytes, AreErasedWhenDestroyed) {
  Room<Key> room;
  Key* key = std::construct_at(room.place(), marked_key());
  ASSERT_EQ(room.marks(), 32);
  std::destroy_at(key);
  EXPECT_LE(room.marks(), kMostByChance);
}

TEST(SecretBytes, AreErasedWhereTheyMovedFrom) {
  Room<Key> room;
  Key* key = std::construct_at(room.place(), marked_key());
  const Key moved = std::move(*key);
  EXPECT_LE(room.marks(), kMostByChance);
  EXPECT_EQ(std::ranges::count(moved.reveal(), kMark), 32);
  *key = marked_key();
  Key assigned;
  assigned = std::move(*key);
  EXPECT_LE(room.marks(), kMostByChance);
  EXPECT_EQ(std::ranges::count(assigned.reveal(), kMark), 32);
  std::destroy_at(key);
}

TEST(SecretText, IsOneCopyWhereverItIsMoved) {
  const std::string marks(12, static_cast<char>(kMark));
  SecretText text(marks);
  const char* const place = text.reveal().data();
  SecretText moved = std::move(text);
  EXPECT_EQ(moved.reveal(), marks);
  EXPECT_EQ(moved.reveal().data(), place);
  EXPECT_TRUE(text.reveal().empty());
  SecretText assigned("another");
  assigned = std::move(moved);
  EXPECT_EQ(assigned.reveal().data(), place);
  assigned.cut(5);
  EXPECT_EQ(assigned.reveal(), marks.substr(0, 5));
}

/// What the kernel says of the memory that `address` lies in (proc(5), VmFlags of smaps).
std::string flags_of(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) is_it = begin <= wanted && wanted < end;
    if (is_it && line.starts_with("VmFlags:")) return line;
  }
  return "";
}

TEST(SecretText, LiesWhereCoreFilesDoNotReach) {
  set_secret_memory_aside();
  const SecretText text("a private key");
  EXPECT_NE(flags_of(text.reveal().data()).find(" dd"), std::string::npos);
  const std::string plain(100, 'x');
  EXPECT_EQ(flags_of(plain.data()).find(" dd"), std::string::npos);
}

TEST(SecretText, IsErasedWhenDestroyed) {
  set_secret_memory_aside();  // which stays mapped, so that it may be looked at
  const volatile char* place = nullptr;
  {
    const SecretText text(std::string(64, static_cast<char>(kMark)));
    place = text.reveal().data();
    ASSERT_EQ(static_cast<uint8_t>(place[40]), kMark);
  }
  // Its first bytes are the allocator's by now.
  for (size_t at = 32; at < 64; ++at) EXPECT_NE(static_cast<uint8_t>(place[at]), kMark);
}

}  // namespace
}  // namespace sluice::crypto

#include "crypto/secret.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <memory>
#include <ostream>
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

TEST(SecretText, IsErasedWhenDestroyedOrMoved) {
  const std::string marks(12, static_cast<char>(kMark));  // short enough to lie in the object
  Room<SecretText> room;
  SecretText* text = std::construct_at(room.place(), marks);
  ASSERT_EQ(room.marks(), 12);
  const SecretText moved = std::move(*text);
  EXPECT_LE(room.marks(), kMostByChance);
  EXPECT_EQ(moved.reveal(), marks);
  std::destroy_at(text);
  text = std::construct_at(room.place(), marks);
  std::destroy_at(text);
  EXPECT_LE(room.marks(), kMostByChance);
}

}  // namespace
}  // namespace sluice::crypto

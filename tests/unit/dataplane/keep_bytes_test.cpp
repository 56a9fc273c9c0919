// Bytes of every size to every place of a cache line: they are copied, and nothing beside them is touched.
#include "dataplane/inspect/keep_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace sluice::dataplane {
namespace {

TEST(KeepBytes, CopiesThemAndNothingElse) {
  constexpr size_t kMost = 320, kRoom = 64, kPlaces = 64;
  alignas(64) std::array<uint8_t, kMost + kPlaces + 2 * kRoom> to;
  std::array<uint8_t, kMost> from;
  for (size_t i = 0; i < kMost; ++i) from[i] = static_cast<uint8_t>(i * 7 + 1);
  for (size_t place = 0; place < kPlaces; ++place) {
    for (size_t size = 0; size + place % 5 <= kMost; ++size) {
      to.fill(0xee);
      auto expected = to;
      std::copy_n(&from[place % 5], size, &expected[kRoom + place]);
      keep_bytes(&to[kRoom + place], &from[place % 5], size);
      ASSERT_EQ(to, expected) << size << " bytes to " << place;
    }
  }
}

}  // namespace
}  // namespace sluice::dataplane

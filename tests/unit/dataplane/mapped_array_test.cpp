#include "dataplane/base/mapped_array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace sluice::dataplane {
namespace {

TEST(MappedArray, IsZeroedAndWritable) {
  const auto array = MappedArray<uint64_t>::create(100'000, -1, true);
  ASSERT_TRUE(array);
  const auto elements = array->elements();
  ASSERT_EQ(elements.size(), 100'000u);
  EXPECT_TRUE(std::all_of(elements.begin(), elements.end(), [](uint64_t element) { return element == 0; }));
  elements.back() = 7;
  EXPECT_EQ(array->elements().back(), 7u);
}

TEST(MappedArray, MovesItsMemory) {
  auto first = MappedArray<uint64_t>::create(10, -1, false);
  ASSERT_TRUE(first);
  first->elements()[3] = 42;
  MappedArray<uint64_t> second;
  EXPECT_TRUE(second.elements().empty());
  second = std::move(*first);
  EXPECT_EQ(second.elements()[3], 42u);
  EXPECT_TRUE(first->elements().empty());
}

TEST(MappedArray, SaysHowMuchIsMissing) {
  const auto array = MappedArray<uint64_t>::create(size_t{1} << 58, -1, false);
  ASSERT_FALSE(array);
  EXPECT_NE(array.error().message.find("MiB"), std::string::npos);
}

}  // namespace
}  // namespace sluice::dataplane

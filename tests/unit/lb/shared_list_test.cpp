#include "lb/shared_list.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace sluice::lb {
namespace {

using Plain = std::vector<std::shared_ptr<const int>>;

void expect_same(const SharedList<int>& list, const Plain& plain) {
  RC_ASSERT(list.size() == plain.size());
  for (size_t i = 0; i < plain.size(); ++i) RC_ASSERT(list[i] == plain[i]);
}

RC_GTEST_PROP(SharedList, IsAListWhoseCopiesAreIndependent, ()) {
  SharedList<int> list, copy;
  Plain plain, plain_copy;
  const auto steps = *rc::gen::container<std::vector<unsigned>>(40, rc::gen::inRange(0u, 1000u));
  for (const unsigned step : steps) {
    if (step % 4 == 0) {
      const size_t size = plain.size() + step % 200;
      list.grow(size);
      plain.resize(size);
    } else if (step % 4 == 1) {
      copy = list;
      plain_copy = plain;
    } else if (step % 4 == 2) {
      plain.push_back(std::make_shared<const int>(static_cast<int>(step)));
      list.push_back(plain.back());
    } else if (!plain.empty()) {
      const size_t index = step * 7 % plain.size();
      plain[index] = std::make_shared<const int>(static_cast<int>(step));
      list.set(index, plain[index]);
    }
    expect_same(list, plain);
    expect_same(copy, plain_copy);
  }
}

TEST(SharedList, DoesNotShrink) {
  SharedList<int> list;
  list.push_back(std::make_shared<const int>(1));
  list.grow(0);
  EXPECT_EQ(list.size(), 1u);
}

}  // namespace
}  // namespace sluice::lb

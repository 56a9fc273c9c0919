#include "lb/index_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace sluice::lb {
namespace {

TEST(IndexSet, HasNoneAtFirst) {
  for (const size_t bound : {1u, 64u, 65u, 4097u}) EXPECT_EQ(IndexSet(bound).next_round(0), IndexSet::kNone);
}

TEST(IndexSet, GoesRoundPastTheGreatestMember) {
  IndexSet set(64 * 64 * 2);
  set.insert(3);
  set.insert(8191);
  EXPECT_EQ(set.next_round(0), 3u);
  EXPECT_EQ(set.next_round(4), 8191u);
  EXPECT_EQ(set.next_round(8191), 8191u);
  EXPECT_EQ(set.next_round(8192), 3u);
  set.erase(3);
  EXPECT_EQ(set.next_round(8192), 8191u);
}

RC_GTEST_PROP(IndexSet, AgreesWithAnOrderedSet, ()) {
  const auto bound = *rc::gen::element<size_t>(1, 63, 64, 65, 4096, 4097, 300'000);
  IndexSet set(bound);
  std::set<size_t> model;
  const auto operations = *rc::gen::container<std::vector<std::pair<bool, size_t>>>(
      rc::gen::pair(rc::gen::arbitrary<bool>(), rc::gen::inRange<size_t>(0, bound)));
  for (const auto& [is_insert, index] : operations) {
    if (is_insert) {
      set.insert(index);
      model.insert(index);
    } else {
      set.erase(index);
      model.erase(index);
    }
    for (const size_t from : {size_t{0}, index, index + 1, bound}) {
      auto expected = model.lower_bound(from);
      if (expected == model.end()) expected = model.begin();
      RC_ASSERT(set.next_round(from) == (model.empty() ? IndexSet::kNone : *expected));
      if (model.empty()) continue;
      IndexSet::Round round(set, from);
      for (size_t i = 0; i < model.size() + 1; ++i) {
        RC_ASSERT(round.next() == *expected);
        if (++expected == model.end()) expected = model.begin();
      }
    }
  }
}

}  // namespace
}  // namespace sluice::lb

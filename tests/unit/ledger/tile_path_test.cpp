#include "ledger/tile_path.h"

#include <gtest/gtest.h>

namespace sluice::ledger {
namespace {

TEST(TilePath, ReadsAndWritesTheCanonicalForm) {
  for (const char* text : {"0/000", "0/999", "0/x001/000", "3/x001/x234/067", "63/000.p/1", "entries/000",
                           "entries/x123/456.p/255", "0/x018/x446/x744/x073/x709/x551/615"}) {
    const auto path = TilePath::parse(text);
    ASSERT_TRUE(path) << text;
    EXPECT_EQ(path->to_string(), text);
  }
  const auto path = TilePath::parse("3/x001/x234/067.p/9");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->level, 3);
  EXPECT_EQ(path->index, 1234067u);
  EXPECT_EQ(path->width, 9);
  EXPECT_FALSE(path->is_entries);
}

TEST(TilePath, RefusesEverythingElse) {
  for (const char* text : {"",
                           "0",
                           "0/",
                           "/000",
                           "00/000",
                           "64/000",
                           "-1/000",
                           "0/0",
                           "0/00",
                           "0/0000",
                           "0/x000/001",
                           "0/001/002",
                           "0/x01/002",
                           "0/x001/x002",
                           "0/x001",
                           "0/000.p/0",
                           "0/000.p/256",
                           "0/000.p/01",
                           "0/000.p/",
                           "0/000.p/1/",
                           "0/000.p",
                           "0/000/",
                           "0/ 00",
                           "0/+00",
                           "x/000",
                           "entries/",
                           "entries/0/000",
                           "entries",
                           "0/x1a1/000",
                           "0/000.p/1.p/1",
                           "0/x999/x999/x999/x999/x999/x999/999",
                           "0/x018/x446/x744/x073/x709/x551/616",        // 2^64
                           "entries/x018/x446/x744/x073/x709/x551/617",  // 2^64 + 1
                           "0/x018/x446/x744/x073/x709/x552/000",
                           "0/x036/x893/x488/x147/x419/x103/232",                                // 2^65
                           "0/x340/x282/x366/x920/x938/x463/x463/x374/x607/x431/x768/x211/456",  // 2^128
                           "0/x00\xc2\xb2/001",
                           "18446744073709551616/000",
                           "0/000.p/18446744073709551617",
                           "0/000.p/+1",
                           "+0/000",
                           "0/000?x"})
    EXPECT_FALSE(TilePath::parse(text)) << text;
}

}  // namespace
}  // namespace sluice::ledger

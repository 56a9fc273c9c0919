#include "ctrl/daemon/flows_cut_text.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

TEST(FlowsCutText, NamesWhoLostMost) {
  EXPECT_EQ(flows_cut_text(std::nullopt), "flows_cut=unknown");
  EXPECT_EQ(flows_cut_text(std::map<std::string, uint64_t>()), "flows_cut=0");
  const std::map<std::string, uint64_t> two = {{"dns", 7}, {"web", 30}};
  EXPECT_EQ(flows_cut_text(two), "flows_cut=37 (web 30, dns 7)");
}

TEST(FlowsCutText, StaysOneLine) {
  std::map<std::string, uint64_t> many;
  for (char name = 'a'; name <= 'z'; ++name) many[std::string(1, name)] = 1;
  EXPECT_EQ(flows_cut_text(many), "flows_cut=26 (z 1, y 1, x 1, w 1, v 1, u 1, t 1, s 1, r 1, q 1, ...)");
}

}  // namespace
}  // namespace sluice::ctrl

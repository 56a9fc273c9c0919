#include "ledger/checkpoint.h"

#include <gtest/gtest.h>

namespace sluice::ledger {
namespace {

// The example of C2SP tlog-checkpoint.
constexpr std::string_view kExample =
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

TEST(Checkpoint, ReadsAndWritesTheSpecificationsExample) {
  const auto checkpoint = Checkpoint::parse(kExample);
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->origin, "example.com/behind-the-sofa");
  EXPECT_EQ(checkpoint->size, 20852163u);
  EXPECT_EQ(checkpoint->root[0], 0x0a);
  EXPECT_EQ(checkpoint->text(), kExample);
}

TEST(Checkpoint, RefusesWhatHasNoThreeRightLines) {
  const std::string root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
  for (const std::string& text :
       {std::string(), std::string("o\n1\n"), "\n1\n" + root, "o\n01\n" + root, "o\n-1\n" + root,
        "o\n\n" + root, "o\n18446744073709551616\n" + root, "o\n1 \n" + root, std::string("o\n1\nAAAA\n"),
        "o\n1\n" + root.substr(1), std::string("o\n1\n") + root.substr(0, root.size() - 1)})
    EXPECT_FALSE(Checkpoint::parse(text)) << text;
  EXPECT_EQ(Checkpoint::parse("o\n0\n" + root)->size, 0u);
}

}  // namespace
}  // namespace sluice::ledger

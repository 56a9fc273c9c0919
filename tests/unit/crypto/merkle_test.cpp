#include "crypto/merkle.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/crypto/naive_tree.h"

namespace sluice::crypto {
namespace {

class MerkleTest : public testing::TestWithParam<Sha256Engine> {
 protected:
  void SetUp() override {
    Result<Sha256> made = Sha256::create(GetParam());
    if (!made) GTEST_SKIP() << made.error().message;
    engine_.emplace(std::move(*made));
  }

  std::vector<FinishedSubtree> append(RightEdge& edge, std::span<const Digest> leaves) {
    std::vector<FinishedSubtree> finished(RightEdge::most_finished(leaves.size()));
    finished.resize(edge.append(*engine_, leaves, finished));
    return finished;
  }

  std::optional<Sha256> engine_;
};

INSTANTIATE_TEST_SUITE_P(Engines, MerkleTest, testing::ValuesIn(kSha256Engines), [](const auto& engine) {
  std::string name(name_of(engine.param));
  std::erase(name, '-');
  return name;
});

TEST_P(MerkleTest, EmptyTreeHasTheHashOfNothing) {
  EXPECT_EQ(RightEdge().root(), oracle::hash(std::vector<uint8_t>{}));
  EXPECT_EQ(empty_root(), oracle::hash(std::vector<uint8_t>{}));
}

TEST_P(MerkleTest, RootFollowsEveryLeaf) {
  const auto leaves = oracle::random_digests(300, 1);
  RightEdge edge;
  for (size_t size = 1; size <= leaves.size(); ++size) {
    append(edge, std::span(leaves).subspan(size - 1, 1));
    ASSERT_EQ(edge.size(), size);
    ASSERT_EQ(edge.root(), naive::root(std::span(leaves).first(size))) << size;
  }
}

TEST_P(MerkleTest, RootIsTheSameHoweverTheLeavesCome) {
  const auto leaves = oracle::random_digests(7000, 2);
  std::mt19937 random(3);
  for (int round = 0; round < 8; ++round) {
    RightEdge edge;
    std::span<const Digest> left = leaves;
    while (!left.empty()) {
      const size_t most = random() % 2 == 0 ? 20 : 6000;
      const auto batch = left.first(std::min<size_t>(left.size(), random() % most));
      left = left.subspan(batch.size());
      append(edge, batch);
    }
    ASSERT_EQ(edge.root(), naive::root(leaves));
  }
}

TEST_P(MerkleTest, ReportsEveryFinishedSubtreeOnceInOrder) {
  const auto leaves = oracle::random_digests(70000, 4);
  std::map<unsigned, std::vector<Digest>> levels;
  RightEdge edge;
  for (size_t at = 0; at < leaves.size();) {
    const auto batch = std::span(leaves).subspan(at, std::min<size_t>(1 + at % 5000, leaves.size() - at));
    for (const FinishedSubtree& subtree : append(edge, batch)) levels[subtree.height].push_back(subtree.root);
    at += batch.size();
  }
  ASSERT_EQ(levels.size(), 2u);
  ASSERT_EQ(levels[8].size(), leaves.size() / 256);
  ASSERT_EQ(levels[16].size(), leaves.size() / 65536);
  for (size_t i = 0; i < levels[8].size(); ++i)
    ASSERT_EQ(levels[8][i], naive::root(std::span(leaves).subspan(256 * i, 256)));
  EXPECT_EQ(levels[16][0], naive::root(std::span(leaves).first(65536)));
  EXPECT_EQ(edge.root(), naive::root(leaves));
}

TEST_P(MerkleTest, JoinsSubtreesHashedElsewhere) {
  const auto leaves = oracle::random_digests(256 * 5 + 3, 5);
  std::vector<Digest> scratch(256 * 5 / 2);
  hash_subtrees(*engine_, std::span(leaves).first(256 * 5), scratch);
  RightEdge edge;
  std::vector<FinishedSubtree> finished(8);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(scratch[i], naive::root(std::span(leaves).subspan(256 * i, 256)));
    ASSERT_EQ(edge.append_subtree(*engine_, scratch[i], finished), 1u);
    EXPECT_EQ(finished[0].root, scratch[i]);
  }
  append(edge, std::span(leaves).last(3));
  EXPECT_EQ(edge.size(), leaves.size());
  EXPECT_EQ(edge.root(), naive::root(leaves));
}

TEST_P(MerkleTest, IsRestoredFromItsPeaks) {
  const auto leaves = oracle::random_digests(1000, 6);
  for (size_t size : {0, 1, 2, 3, 255, 256, 257, 511, 999}) {
    std::vector<Digest> peaks;
    size_t at = 0;
    for (size_t width = 512; width > 0; width /= 2) {
      if ((size & width) == 0) continue;
      peaks.push_back(naive::root(std::span(leaves).subspan(at, width)));
      at += width;
    }
    Result<RightEdge> edge = RightEdge::restore(size, peaks);
    ASSERT_TRUE(edge);
    EXPECT_EQ(edge->root(), naive::root(std::span(leaves).first(size)));
    append(*edge, std::span(leaves).subspan(size));
    EXPECT_EQ(edge->root(), naive::root(leaves));
    peaks.emplace_back();
    EXPECT_FALSE(RightEdge::restore(size, peaks));
  }
}

}  // namespace
}  // namespace sluice::crypto

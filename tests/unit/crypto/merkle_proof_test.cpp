#include "crypto/merkle_proof.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "crypto/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/crypto/naive_tree.h"

namespace sluice::crypto {
namespace {

using Json = nlohmann::json;

/// A digest where the text is the base64 of 32 bytes: other texts are refused by the type already.
std::optional<Digest> digest_of(const Json& text) {
  const auto bytes = from_base64(text.get<std::string>());
  if (!bytes || bytes->size() != sizeof(Digest)) return std::nullopt;
  Digest digest;
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

std::optional<Proof> proof_of(const Json& parts) {
  Proof proof;
  if (parts.is_null()) return proof;
  for (const Json& part : parts) {
    const auto digest = digest_of(part);
    if (!digest) return std::nullopt;
    proof.push_back(*digest);
  }
  return proof;
}

struct Verdicts {
  int accepted = 0;
  int refused = 0;
  int refused_by_rule = 0;  ///< of `refused`: well-formed, so the verifier itself said no
};

/// Runs `holds` over every case of a folder; `holds` answers nothing for a case that is not even
/// well-formed.
template <typename Holds>
Verdicts check_folder(const char* name, Holds holds) {
  Verdicts verdicts;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(test::vectors_folder() / "rfc6962/testdata" / name)) {
    if (!file.is_regular_file() || file.path().extension() != ".json") continue;
    const Json test_case = Json::parse(test::read_file(file), nullptr, false);
    EXPECT_FALSE(test_case.is_discarded()) << file.path();
    const std::optional<bool> held = holds(test_case);
    EXPECT_EQ(held.value_or(false), !test_case["wantErr"].get<bool>()) << file.path();
    ++(held.value_or(false) ? verdicts.accepted : verdicts.refused);
    if (held == false) ++verdicts.refused_by_rule;
  }
  return verdicts;
}

TEST(MerkleProofVectors, InclusionIsJudgedAsPublished) {
  SLUICE_NEEDS_VECTORS("rfc6962");
  const Verdicts verdicts = check_folder("inclusion", [](const Json& c) -> std::optional<bool> {
    const auto root = digest_of(c["root"]), leaf = digest_of(c["leafHash"]);
    const auto proof = proof_of(c["proof"]);
    if (!root || !leaf || !proof) return std::nullopt;
    return inclusion_holds(c["leafIdx"].get<uint64_t>(), c["treeSize"].get<uint64_t>(), *leaf, *proof, *root);
  });
  EXPECT_GE(verdicts.accepted, 6);
  EXPECT_GE(verdicts.refused_by_rule, 40);
}

TEST(MerkleProofVectors, ConsistencyIsJudgedAsPublished) {
  SLUICE_NEEDS_VECTORS("rfc6962");
  const Verdicts verdicts = check_folder("consistency", [](const Json& c) -> std::optional<bool> {
    const auto old_root = digest_of(c["root1"]), root = digest_of(c["root2"]);
    const auto proof = proof_of(c["proof"]);
    const auto old_size = c["size1"].get<uint64_t>(), size = c["size2"].get<uint64_t>();
    if (!proof) return std::nullopt;
    // Some cases have roots of another length, which only the sizes and their equality can judge.
    if (!old_root || !root) {
      if (c["root1"] != c["root2"]) return std::nullopt;
      return consistency_holds(old_size, size, *proof, Digest{}, Digest{});
    }
    return consistency_holds(old_size, size, *proof, *old_root, *root);
  });
  EXPECT_GE(verdicts.accepted, 5);
  EXPECT_GE(verdicts.refused_by_rule, 50);
}

class MerkleProofTest : public testing::Test {
 protected:
  static constexpr size_t kLeaves = 70;

  std::span<const Digest> first(size_t size) const { return std::span(leaves_).first(size); }

  std::vector<Digest> leaves_ = oracle::random_digests(kLeaves, 1);
  NodeReader read_ = [this](unsigned height, uint64_t index) -> Result<Digest> {
    if ((index + 1) << height > kLeaves) return fail("read beyond the tree");
    return naive::root(std::span(leaves_).subspan(index << height, size_t{1} << height));
  };
};

TEST_F(MerkleProofTest, RootComesFromCompleteSubtrees) {
  for (size_t size = 0; size <= kLeaves; ++size) EXPECT_EQ(tree_root(size, read_), naive::root(first(size)));
}

TEST_F(MerkleProofTest, InclusionProofsAreTheNaiveOnesAndHoldOnlyForTheirLeaf) {
  for (size_t size = 1; size <= kLeaves; ++size) {
    const Digest root = naive::root(first(size));
    for (size_t index = 0; index < size; ++index) {
      const Result<Proof> proof = inclusion_proof(index, size, read_);
      ASSERT_TRUE(proof) << proof.error().message;
      ASSERT_EQ(*proof, naive::path(index, first(size))) << index << " of " << size;
      ASSERT_TRUE(inclusion_holds(index, size, leaves_[index], *proof, root));
      ASSERT_FALSE(inclusion_holds(index, size, leaves_[(index + 1) % kLeaves], *proof, root));
      ASSERT_FALSE(inclusion_holds(index + 1, size, leaves_[index], *proof, root));
    }
  }
}

TEST_F(MerkleProofTest, ConsistencyProofsAreTheNaiveOnesAndHoldOnlyForTheirRoots) {
  for (size_t size = 1; size <= kLeaves; ++size) {
    const Digest root = naive::root(first(size));
    for (size_t old_size = 1; old_size <= size; ++old_size) {
      const Digest old_root = naive::root(first(old_size));
      const Result<Proof> proof = consistency_proof(old_size, size, read_);
      ASSERT_TRUE(proof) << proof.error().message;
      ASSERT_EQ(*proof, naive::subproof(old_size, first(size), true)) << old_size << " to " << size;
      ASSERT_TRUE(consistency_holds(old_size, size, *proof, old_root, root));
      if (old_size == size) continue;
      ASSERT_FALSE(consistency_holds(old_size, size, *proof, root, root));
      ASSERT_FALSE(consistency_holds(old_size, size, *proof, old_root, old_root));
    }
  }
}

TEST_F(MerkleProofTest, OneFlippedBitOrOneNodeMoreOrLessIsRefused) {
  for (size_t size : {7, 8, 33, 70}) {
    const Digest root = naive::root(first(size));
    const size_t old_size = size - 2;
    const Digest old_root = naive::root(first(old_size));
    const Proof included = *inclusion_proof(3, size, read_);
    const Proof consistent = *consistency_proof(old_size, size, read_);
    const auto both_refuse = [&](const Proof& path, const Proof& extension) {
      EXPECT_FALSE(inclusion_holds(3, size, leaves_[3], path, root));
      EXPECT_FALSE(consistency_holds(old_size, size, extension, old_root, root));
    };
    for (size_t bit = 0; bit < 256; bit += 17) {
      Proof path = included, extension = consistent;
      path[bit % path.size()][bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      extension[bit % extension.size()][bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      both_refuse(path, extension);
    }
    Proof path = included, extension = consistent;
    path.pop_back(), extension.pop_back();
    both_refuse(path, extension);
    path = included, extension = consistent;
    path.push_back(root), extension.push_back(root);
    both_refuse(path, extension);
  }
}

TEST_F(MerkleProofTest, RefusesWhatHasNoProof) {
  EXPECT_FALSE(inclusion_proof(5, 5, read_));
  EXPECT_FALSE(inclusion_proof(0, 0, read_));
  EXPECT_FALSE(consistency_proof(0, 5, read_));
  EXPECT_FALSE(consistency_proof(6, 5, read_));
  const Result<Proof> unreadable = inclusion_proof(0, 2 * kLeaves, read_);
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().message, "read beyond the tree");
}

}  // namespace
}  // namespace sluice::crypto

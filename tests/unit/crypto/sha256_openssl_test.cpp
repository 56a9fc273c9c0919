#include "crypto/sha256_openssl.h"

#include <gtest/gtest.h>

#include "crypto/encoding.h"
#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

TEST(Sha256OpenSsl, KnowsTheLeafAndTheNode) {
  const std::vector<uint8_t> entry = oracle::random_bytes(100, 1);
  const Message leaf = {.data = entry.data(), .size = 100, .prefix = Prefix::leaf};
  EXPECT_EQ(sha256_leaf(entry), oracle::hash(leaf));
  // The published hash of the empty leaf (RFC 6962's test data in Certificate Transparency).
  EXPECT_EQ(to_hex(sha256_leaf({})), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  const auto digests = oracle::random_digests(2, 2);
  EXPECT_EQ(sha256_node(digests[0], digests[1]), oracle::node(digests[0], digests[1]));
}

TEST(Sha256Stream, JoinsPieces) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(1000, 3);
  Sha256Stream stream;
  for (size_t piece : {1, 2, 61, 64, 65, 128, 200}) {
    for (size_t at = 0; at < bytes.size(); at += piece)
      stream.update(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
    EXPECT_EQ(stream.finish(), oracle::hash(bytes)) << "in pieces of " << piece;
  }
  EXPECT_EQ(stream.finish(), oracle::hash(std::vector<uint8_t>{}));
}

}  // namespace
}  // namespace sluice::crypto

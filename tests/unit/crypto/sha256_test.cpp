#include "crypto/sha256.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <sstream>

#include "crypto/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/crypto/models/modelled_engines.h"
#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

Result<Sha256Calls> made(Sha256Engine kind) {
  Result<Sha256> engine = Sha256::create(kind);
  if (!engine) return tl::unexpected(engine.error());
  const auto shared = std::make_shared<Sha256>(std::move(*engine));
  return Sha256Calls{
      .hash = [shared](std::span<const Message> messages) { shared->hash(messages); },
      .hash_nodes = [shared](std::span<const Digest> children,
                             std::span<Digest> parents) { shared->hash_nodes(children, parents); }};
}

/// The width of AVX-512 that does not suit this CPU.
Result<Sha256Calls> other_avx512() {
  std::optional<LaneKernels> kernels = avx512_kernels();
  if (!kernels) return fail("this CPU lacks AVX-512");
  const bool has_two = kernels->hash_two != nullptr;
  kernels->hash_two = has_two ? nullptr : sha256_avx512_x32;
  kernels->hash_two_nodes = has_two ? nullptr : sha256_avx512_nodes_x32;
  return modelled::calls_of(std::make_shared<LaneSha256>(*kernels));
}

std::vector<modelled::TriedEngine> engines() {
  std::vector<modelled::TriedEngine> all = {{"openssl", [] { return made(Sha256Engine::openssl); }},
                                            {"ipsecmb", [] { return made(Sha256Engine::ipsec_mb); }},
                                            {"avx2", [] { return made(Sha256Engine::avx2); }},
                                            {"shani", [] { return made(Sha256Engine::sha_ni); }},
                                            {"avx512", [] { return made(Sha256Engine::avx512); }},
                                            {"other_avx512", [] { return other_avx512(); }}};
  for (const modelled::TriedEngine& modelled : modelled::engines()) all.push_back(modelled);
  return all;
}

class Sha256Test : public testing::TestWithParam<modelled::TriedEngine> {
 protected:
  void SetUp() override {
    Result<Sha256Calls> made = GetParam().make();
    if (!made) GTEST_SKIP() << made.error().message;
    engine_.emplace(std::move(*made));
  }

  /// Hashes all messages in one call and compares each with the oracle.
  void expect_right(std::vector<Message> messages) {
    std::vector<Digest> digests(messages.size());
    for (size_t i = 0; i < messages.size(); ++i) messages[i].digest = &digests[i];
    engine_->hash(messages);
    for (size_t i = 0; i < messages.size(); ++i)
      ASSERT_EQ(to_hex(digests[i]), to_hex(oracle::hash(messages[i])))
          << "message " << i << " of " << messages.size() << ", " << messages[i].size << " bytes, prefix "
          << int(messages[i].prefix) << ", rounds " << int(messages[i].rounds);
  }

  std::optional<Sha256Calls> engine_;
};

INSTANTIATE_TEST_SUITE_P(Engines, Sha256Test, testing::ValuesIn(engines()),
                         [](const auto& engine) { return engine.param.name; });

struct NistCase {
  std::vector<uint8_t> message;
  std::string digest;
};

std::vector<NistCase> read_nist(const std::filesystem::path& path) {
  std::vector<NistCase> cases;
  std::istringstream lines(test::read_file(path));
  std::string key, equals, value;
  size_t bits = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    if (!(fields >> key >> equals >> value)) continue;
    if (key == "Len") bits = std::stoul(value);
    if (key == "Msg") {
      cases.push_back({*from_hex(value), {}});
      cases.back().message.resize(bits / 8);
    }
    if (key == "MD") cases.back().digest = value;
  }
  return cases;
}

TEST_P(Sha256Test, AnswersNistVectorsInOneBatch) {
  SLUICE_NEEDS_VECTORS("sha256");
  std::vector<NistCase> cases = read_nist(test::vectors_folder() / "sha256" / "SHA256ShortMsg.rsp");
  for (NistCase& known : read_nist(test::vectors_folder() / "sha256" / "SHA256LongMsg.rsp"))
    cases.push_back(std::move(known));
  ASSERT_EQ(cases.size(), 129u);
  std::vector<Digest> digests(cases.size());
  std::vector<Message> messages(cases.size());
  for (size_t i = 0; i < cases.size(); ++i)
    messages[i] = {.data = cases[i].message.data(),
                   .digest = &digests[i],
                   .size = static_cast<uint32_t>(cases[i].message.size())};
  engine_->hash(messages);
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(to_hex(digests[i]), cases[i].digest);
}

TEST_P(Sha256Test, AnswersNoMessages) {
  engine_->hash({});
}

TEST_P(Sha256Test, HashesEveryLengthInFullGroups) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(4300, 1);
  std::vector<Message> messages;
  for (uint32_t size = 0; size <= 4200; ++size)
    messages.push_back({.data = bytes.data() + size % 67, .size = size});
  expect_right(messages);
}

TEST_P(Sha256Test, HashesEveryLengthWithPrefixesAndTwice) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(4300, 2);
  for (uint32_t size = 0; size <= 4200; size += size < 300 ? 1 : 37) {
    std::vector<Message> messages;
    for (Prefix prefix : {Prefix::none, Prefix::leaf, Prefix::node})
      for (Rounds rounds : {Rounds::once, Rounds::twice})
        for (uint32_t offset : {0, 1, 63})
          messages.push_back(
              {.data = bytes.data() + offset, .size = size, .prefix = prefix, .rounds = rounds});
    expect_right(messages);
  }
}

TEST_P(Sha256Test, HashesEveryLengthInBatchesOfEqualMessages) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(1000, 8);
  for (uint32_t size = 0; size <= 640; ++size) {
    for (uint32_t count : {5, 33}) {
      const auto prefix = static_cast<Prefix>(size % 3);
      std::vector<Message> messages;
      for (uint32_t i = 0; i < count; ++i)
        messages.push_back({.data = bytes.data() + i, .size = size, .prefix = prefix});
      expect_right(messages);
      for (Message& message : messages)
        message = {.data = message.data, .size = size / 64 * 64, .rounds = Rounds::twice};
      expect_right(messages);
    }
  }
}

TEST_P(Sha256Test, HashesEveryLengthAlone) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(4300, 3);
  for (uint32_t size = 0; size <= 4200; size += size < 200 ? 1 : 53)
    expect_right({{.data = bytes.data(), .size = size, .prefix = static_cast<Prefix>(size % 3)}});
}

TEST_P(Sha256Test, HashesEveryBatchSize) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(4096, 4);
  for (uint32_t count = 1; count <= 100; ++count) {
    std::vector<Message> messages;
    for (uint32_t i = 0; i < count; ++i) messages.push_back({.data = bytes.data() + i, .size = 200 + 5 * i});
    expect_right(messages);
  }
}

TEST_P(Sha256Test, HashesRandomMixedBatches) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(80000, 5);
  std::mt19937 random(6);
  for (int round = 0; round < 60; ++round) {
    std::vector<Message> messages(1 + random() % 3000);
    for (Message& message : messages) {
      const uint32_t longest = random() % 50 == 0 ? 9000 : random() % 3 == 0 ? 1500 : 300;
      message.size = static_cast<uint32_t>(random() % longest);
      message.data = bytes.data() + random() % (bytes.size() - message.size);
      message.prefix = static_cast<Prefix>(random() % 3);
      message.rounds = static_cast<Rounds>(random() % 2);
    }
    expect_right(messages);
  }
}

TEST_P(Sha256Test, HashesLongMessagesAmongShortOnes) {
  const std::vector<uint8_t> bytes = oracle::random_bytes((1 << 20) + 100, 7);
  std::vector<Message> messages;
  for (uint32_t size : {100u, 65533u, 65534u, 65535u, 65536u, 16000u, 16320u, 16384u, 2047u, 2048u, 2049u,
                        (1u << 20) - 1, 1u << 20, (1u << 20) + 1, 0u})
    for (Prefix prefix : {Prefix::none, Prefix::leaf})
      messages.push_back({.data = bytes.data(), .size = size, .prefix = prefix, .rounds = Rounds::twice});
  expect_right(messages);
}

TEST_P(Sha256Test, TakesAnEmptyMessageWithoutAddress) {
  expect_right({{.prefix = Prefix::none}, {.prefix = Prefix::leaf}, {.rounds = Rounds::twice}});
}

/// Readable pages between two that are not.
class GuardedPages {
 public:
  GuardedPages() {
    auto* all = static_cast<uint8_t*>(
        mmap(nullptr, kSize + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    begin_ = all + kPage;
    mprotect(begin_, kSize, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < kSize; ++i) begin_[i] = static_cast<uint8_t>(i * 37);
  }
  ~GuardedPages() { munmap(begin_ - kPage, kSize + 2 * kPage); }
  uint8_t* begin() { return begin_; }
  uint8_t* end() { return begin_ + kSize; }

 private:
  static constexpr size_t kPage = 4096, kSize = 2 * kPage;
  uint8_t* begin_;
};

TEST_P(Sha256Test, ReadsNoByteBeyondAMessage) {
  GuardedPages pages;
  for (uint32_t size = 0; size < 300; ++size) {
    std::vector<Message> messages;
    for (uint32_t lane = 0; lane < 40; ++lane)
      messages.push_back({.data = lane % 2 == 0 ? pages.begin() : pages.end() - size,
                          .size = size,
                          .prefix = static_cast<Prefix>(lane % 3)});
    expect_right(messages);
  }
}

TEST_P(Sha256Test, HashesNodesOfEveryCountInPlace) {
  for (size_t count = 1; count <= 130; ++count) {
    for (size_t shift : {0, 1}) {
      std::vector<Digest> nodes = oracle::random_digests(2 * count + 1, static_cast<unsigned>(count));
      std::vector<Digest> expected;
      for (size_t i = 0; i < count; ++i) expected.push_back(oracle::node(nodes[2 * i], nodes[2 * i + 1]));
      engine_->hash_nodes(std::span(nodes).first(2 * count), std::span(nodes).subspan(shift, count));
      for (size_t i = 0; i < count; ++i)
        ASSERT_EQ(to_hex(nodes[shift + i]), to_hex(expected[i])) << count << " nodes, shift " << shift;
    }
  }
}

TEST_P(Sha256Test, ReadsNoByteBeyondNodes) {
  GuardedPages pages;
  for (size_t count : {1, 2, 16, 17, 32, 64}) {
    std::vector<Digest> parents(count);
    for (uint8_t* at : {pages.begin(), pages.end() - 64 * count}) {
      const std::span children(reinterpret_cast<const Digest*>(at), 2 * count);
      engine_->hash_nodes(children, parents);
      for (size_t i = 0; i < count; ++i)
        ASSERT_EQ(parents[i], oracle::node(children[2 * i], children[2 * i + 1]));
    }
  }
}

TEST(Sha256Engines, AreAllTried) {
  for (const Sha256Engine engine : kSha256Engines) {
    std::string name(name_of(engine));
    std::erase(name, '-');
    EXPECT_TRUE(std::ranges::any_of(engines(), [&](const auto& tried) { return tried.name == name; }))
        << name;
  }
}

TEST(Sha256DeathTest, NodesWithoutTwoChildrenEndTheProcess) {
  Sha256 engine = *Sha256::create(Sha256Engine::openssl);
  std::vector<Digest> nodes(3);
  EXPECT_EXIT(engine.hash_nodes(nodes, std::span(nodes).first(2)), testing::KilledBySignal(SIGABRT),
              "a node has two children");
}

TEST(Sha256EngineName, IsReadBack) {
  for (Sha256Engine engine : kSha256Engines) EXPECT_EQ(sha256_engine_named(name_of(engine)), engine);
  EXPECT_EQ(sha256_engine_named("auto"), std::nullopt);
  EXPECT_EQ(sha256_engine_named("AVX512"), std::nullopt);
}

}  // namespace
}  // namespace sluice::crypto

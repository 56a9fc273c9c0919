// Rules and what they make of bytes: the same, however the bytes are cut. The oracle is one block scan by
// Hyperscan itself, called here without anything of the gateway's.
#include "dataplane/inspect/inspection.h"

#include <gtest/gtest.h>
#include <hs.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace sluice::dataplane {
namespace {

std::span<const uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::shared_ptr<Inspection> compile(std::vector<InspectionRule> rules,
                                    InspectionMode mode = InspectionMode::kStream, uint32_t streams = 4) {
  InspectionPlan plan{
      .mode = mode, .bytes = 256, .streams = streams, .workers = 1, .rules = std::move(rules)};
  plan.counts = InspectionCounts::create(1).value();
  for (uint32_t i = 0; i < plan.rules.size(); ++i) plan.places.push_back(i);
  return Inspection::compile(std::move(plan)).value();
}

/// Each rule by itself, compiled for blocks.
class BlockScans {
 public:
  explicit BlockScans(const std::vector<InspectionRule>& rules) : rules_(rules), databases_(rules.size()) {
    hs_compile_error_t* error = nullptr;
    for (size_t i = 0; i < rules.size(); ++i) {
      EXPECT_EQ(hs_compile(rules[i].pattern.c_str(), 0, HS_MODE_BLOCK, nullptr, &databases_[i], &error),
                HS_SUCCESS);
      EXPECT_EQ(hs_alloc_scratch(databases_[i], &scratch_), HS_SUCCESS);
    }
  }
  ~BlockScans() {
    for (hs_database_t* database : databases_) hs_free_database(database);
    hs_free_scratch(scratch_);
  }
  BlockScans(const BlockScans&) = delete;

  /// The rule whose match ends first, or kNoRule.
  uint32_t first(const std::string& text) const {
    std::pair<unsigned long long, uint32_t> first{UINT64_MAX, ScanVerdict::kNoRule};
    for (uint32_t i = 0; i < rules_.size(); ++i) {
      if (rules_[i].action == RuleAction::kCount) continue;
      unsigned long long end = UINT64_MAX;
      hs_scan(databases_[i], text.data(), static_cast<unsigned>(text.size()), 0, scratch_, note_end, &end);
      if (end != UINT64_MAX) first = std::min(first, std::pair(end, i));
    }
    return first.second;
  }

 private:
  static int note_end(unsigned, unsigned long long, unsigned long long to, unsigned, void* earliest) {
    auto& least = *static_cast<unsigned long long*>(earliest);
    least = std::min(least, to);
    return 0;
  }

  const std::vector<InspectionRule>& rules_;
  std::vector<hs_database_t*> databases_;
  hs_scratch_t* scratch_ = nullptr;
};

TEST(Inspection, FindsLiteralsByteForByte) {
  const auto inspection =
      compile({{.id = 1, .pattern = "/etc/p.sswd", .is_literal = true}}, InspectionMode::kPacket);
  EXPECT_FALSE(inspection->scan(0, as_bytes("GET /etc/p.sswd")).passes());
  EXPECT_TRUE(inspection->scan(0, as_bytes("GET /etc/passwd")).passes());
  EXPECT_TRUE(inspection->scan(0, as_bytes("GET /ETC/P.SSWD")).passes());
}

TEST(Inspection, HeedsFlags) {
  const auto inspection = compile({{.id = 1, .pattern = "sql.map", .ignores_case = true},
                                   {.id = 2, .pattern = "^x$", .is_multiline = true},
                                   {.id = 3, .pattern = "a.b", .dot_matches_all = true}},
                                  InspectionMode::kPacket);
  EXPECT_EQ(inspection->scan(0, as_bytes("SQL-MAP")).rule, 0u);
  EXPECT_TRUE(inspection->scan(0, as_bytes("SQL\nMAP")).passes());
  EXPECT_EQ(inspection->scan(0, as_bytes("a\nx\nb")).rule, 1u);
  EXPECT_EQ(inspection->scan(0, as_bytes("a\nb")).rule, 2u);
}

TEST(Inspection, CountsARuleOnceForAPayloadAndOnceForAStream) {
  const auto inspection = compile({{.id = 1, .pattern = "ab", .action = RuleAction::kCount}});
  EXPECT_TRUE(inspection->scan(0, as_bytes("ab ab")).passes());
  EXPECT_TRUE(inspection->scan(0, as_bytes("ab")).passes());
  EXPECT_EQ(inspection->counts(0).matches[0].read(), 2u);
  hs_stream* const stream = inspection->open_stream(0);
  for (const char* const piece : {"a", "b ab", " ab"}) inspection->scan(0, stream, as_bytes(piece));
  EXPECT_EQ(inspection->counts(0).matches[0].read(), 3u);
  inspection->close_stream(0, stream);
  EXPECT_EQ(inspection->counts(0).scanned_bytes.read(), 5u + 2u + 8u);
}

TEST(Inspection, CountsNothingThatEndsBehindADrop) {
  const auto inspection = compile({{.id = 1, .pattern = "early", .action = RuleAction::kCount},
                                   {.id = 2, .pattern = "bad"},
                                   {.id = 3, .pattern = "late", .action = RuleAction::kCount}},
                                  InspectionMode::kPacket);
  const ScanVerdict verdict = inspection->scan(0, as_bytes("early bad late"));
  EXPECT_EQ(verdict.rule, 1u);
  EXPECT_EQ(inspection->counts(0).matches[0].read(), 1u);
  EXPECT_EQ(inspection->counts(0).matches[1].read(), 1u);
  EXPECT_EQ(inspection->counts(0).matches[2].read(), 0u);
}

TEST(Inspection, HasAsManyStreamsAsItMayAndNoMore) {
  const auto inspection = compile({{.id = 1, .pattern = "x"}}, InspectionMode::kStream, 2);
  hs_stream* const first = inspection->open_stream(0);
  hs_stream* const second = inspection->open_stream(0);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(inspection->open_stream(0), nullptr);
  EXPECT_EQ(inspection->counts(0).streams_exceeded.read(), 1u);
  EXPECT_EQ(inspection->open_streams(), 2u);
  inspection->close_stream(0, first);
  hs_stream* const third = inspection->open_stream(0);
  EXPECT_NE(third, nullptr);
  EXPECT_EQ(inspection->bytes_of(0, third).size(), 256u);
  inspection->close_stream(0, second);
  inspection->close_stream(0, third);
  EXPECT_EQ(inspection->open_streams(), 0u);
}

TEST(Inspection, SaysWhatHyperscanSaysOfAPattern) {
  EXPECT_EQ(check_rule({.id = 1, .pattern = "fine.*here"}), std::nullopt);
  EXPECT_NE(check_rule({.id = 1, .pattern = "(unclosed"}).value().find("parenthes"), std::string::npos);
  EXPECT_NE(check_rule({.id = 1, .pattern = "a*"}).value().find("empty buffer"), std::string::npos);
  EXPECT_NE(check_rule({.id = 1, .pattern = "(a)\\1"}), std::nullopt);
  EXPECT_EQ(check_rule({.id = 1, .pattern = "(unclosed", .is_literal = true}), std::nullopt);
}

TEST(Inspection, JudgesAStreamAsABlockScanDoesHoweverItIsCut) {
  std::mt19937 random(13);
  const auto below = [&](unsigned end) {
    return std::uniform_int_distribution<unsigned>(0, end - 1)(random);
  };
  const std::vector<InspectionRule> rules = {{.id = 1, .pattern = "abba"},
                                             {.id = 2, .pattern = "c.*d.*c", .action = RuleAction::kReset},
                                             {.id = 3, .pattern = "^[bd]+c"},
                                             {.id = 4, .pattern = "bb$"},
                                             {.id = 5, .pattern = "a{4}", .action = RuleAction::kCount}};
  const auto inspection = compile(rules);
  const BlockScans block_scans(rules);
  std::map<uint32_t, unsigned> seen;
  for (unsigned round = 0; round < 10'000; ++round) {
    std::string text;
    for (unsigned i = 1 + below(24); i > 0; --i) text += static_cast<char>('a' + below(4));
    const uint32_t expected = block_scans.first(text);
    EXPECT_EQ(inspection->scan(0, as_bytes(text)).rule, expected) << text;
    hs_stream* const stream = inspection->open_stream(0);
    ScanVerdict verdict;
    for (size_t at = 0; at < text.size() && verdict.passes();) {
      const size_t length = std::min<size_t>(1 + below(6), text.size() - at);
      verdict = inspection->scan(0, stream, as_bytes(std::string_view(text).substr(at, length)));
      at += length;
    }
    if (verdict.passes()) verdict = inspection->end_stream(0, stream);
    EXPECT_EQ(verdict.rule, expected) << text;
    inspection->close_stream(0, stream);
    ++seen[expected];
  }
  EXPECT_EQ(seen.size(), 5u);  // each rule that lets no more pass, and none
}

}  // namespace
}  // namespace sluice::dataplane

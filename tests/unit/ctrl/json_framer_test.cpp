#include "ctrl/rpc/json_framer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace sluice::ctrl {
namespace {

/// Every event of a stream that arrives in pieces of `piece` bytes; faults as "malformed", "deep", "large".
std::vector<std::string> events(std::string_view stream, size_t piece = 1) {
  JsonFramer framer;
  std::vector<std::string> found;
  for (size_t at = 0; at < stream.size(); at += piece) {
    framer.append(stream.substr(at, piece));
    while (auto event = framer.next()) {
      if (const auto* fault = std::get_if<FrameFault>(&*event)) {
        found.push_back(*fault == FrameFault::kMalformed ? "malformed"
                        : *fault == FrameFault::kTooDeep ? "deep"
                                                         : "large");
      } else {
        found.emplace_back(std::get<std::string_view>(*event));
      }
    }
  }
  return found;
}

using List = std::vector<std::string>;

TEST(JsonFramer, CutsLinesAndConcatenatedValues) {
  const List expected = {R"({"a":1})", R"({"b":"}{\"]"})", "[1,[2]]", "{}"};
  const std::string stream = "{\"a\":1}\n{\"b\":\"}{\\\"]\"}[1,[2]]  \r\n{}";
  for (size_t piece = 1; piece <= stream.size(); ++piece) EXPECT_EQ(events(stream, piece), expected);
}

TEST(JsonFramer, AcceptsAValueOverSeveralLines) {
  const std::string pretty = nlohmann::json{{"method", "x"}, {"params", {1, nullptr, {{"k", true}}}}}.dump(2);
  EXPECT_EQ(events(pretty + "\n{}\n"), (List{pretty, "{}"}));
}

TEST(JsonFramer, AcceptsALineBreakWhereverJsonMayHaveOne) {
  const std::string broken = "\n{\n\"method\"\n:\r\n\"x\"\n,\n\"params\"\n:\n[\n1\n,\n{\n}\n]\n}";
  ASSERT_TRUE(nlohmann::json::accept(broken));
  EXPECT_EQ(events(broken + "\n{}\n"), (List{broken.substr(1), "{}"}));
}

TEST(JsonFramer, ARequestBrokenOffDoesNotSwallowTheNext) {
  EXPECT_EQ(events("{\"method\":\"x\n{\"a\":1}\n"), (List{"malformed", "{\"a\":1}"}));
  EXPECT_EQ(events("{\"method\":\"x\"\n{\"a\":1}\n"), (List{"malformed", "{\"a\":1}"}));
  EXPECT_EQ(events("{\"method\":\"x\",\n{\"a\":1}\n"), (List{"malformed", "{\"a\":1}"}));
}

TEST(JsonFramer, GarbageCostsItsLine) {
  EXPECT_EQ(events("{\"a\":1]\n{}"), (List{"malformed", "{}"}));
  EXPECT_EQ(events("{a:1}\n{}"), (List{"malformed", "{}"}));
  EXPECT_EQ(events("{\"a\":]}\n{}"), (List{"malformed", "{}"}));
}

TEST(JsonFramer, ALineThatBeginsWithNeitherIsHandedOnWhole) {
  EXPECT_EQ(events("hello {}\n{}\n"), (List{"hello {}", "{}"}));
  EXPECT_EQ(events("]\n\"a string\"\n{}"), (List{"]", "\"a string\"", "{}"}));
  EXPECT_EQ(events(std::string_view("\0\0{}\n{}", 7)), (List{std::string("\0\0{}", 4), "{}"}));
  EXPECT_EQ(events(std::string(5u << 20, 'x') + "\n{}", 65536), (List{"large", "{}"}));
}

TEST(JsonFramer, RefusesDepthBeyondTheLimitOnly) {
  const auto nested = [](unsigned depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(events(nested(JsonFramer::kMaxDepth)), List{nested(JsonFramer::kMaxDepth)});
  EXPECT_EQ(events(nested(JsonFramer::kMaxDepth + 1) + "\n{}"), (List{"deep", "{}"}));
  EXPECT_EQ(events(std::string(1'000'000, '[') + "\n{}", 4096), (List{"deep", "{}"}));
}

TEST(JsonFramer, LimitsSizeByMethod) {
  const std::string large(JsonFramer::kMaxRequestBytes, 'x');
  const auto request = [&](std::string_view method, bool params_first) {
    const std::string name = "\"method\":\"" + std::string(method) + "\"";
    const std::string params = "\"params\":\"" + large + "\"";
    return "{" + (params_first ? params + "," + name : name + "," + params) + "}";
  };
  for (const bool params_first : {false, true}) {
    const auto config = request("config.apply", params_first);
    EXPECT_EQ(events(config + "\n", 65536), List{config});
    EXPECT_EQ(events(request("system.info", params_first) + "\n{}", 65536), (List{"large", "{}"}));
  }
  const std::string exactly = "[\"" + large.substr(4) + "\"]";
  ASSERT_EQ(exactly.size(), JsonFramer::kMaxRequestBytes);
  EXPECT_EQ(events(exactly, 65536), List{exactly});
  EXPECT_EQ(events("[\"x" + large.substr(4) + "\"]\n{}", 65536), (List{"large", "{}"}));
}

TEST(JsonFramer, BoundsWhatItBuffers) {
  JsonFramer framer;
  const std::string piece(65536, 'x');
  framer.append("{\"params\":\"");
  size_t greatest = 0;
  bool refused = false;
  for (int i = 0; i < 1500; ++i) {
    framer.append(piece);
    while (auto event = framer.next()) refused = refused || std::holds_alternative<FrameFault>(*event);
    greatest = std::max(greatest, framer.buffered_bytes());
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(framer.skipping());
  EXPECT_GT(framer.skipped_bytes(), 1'000'000u);
  EXPECT_LE(greatest, JsonFramer::kMaxConfigRequestBytes + 2 * piece.size());
}

nlohmann::json random_value(std::mt19937& random, int depth) {
  const std::string strange = "a\"\\\n{}[]:,\x01\xc3\xa9 ";
  switch (random() % (depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random()) - 1'000'000;
    case 3:
      return static_cast<double>(random()) / 7e9;
    case 4:
      return strange.substr(random() % 6);
    case 5: {
      auto array = nlohmann::json::array();
      for (unsigned i = random() % 4; i > 0; --i) array.push_back(random_value(random, depth - 1));
      return array;
    }
    default: {
      auto object = nlohmann::json::object();
      for (unsigned i = random() % 4; i > 0; --i) {
        object[strange.substr(random() % 5)] = random_value(random, depth - 1);
      }
      return object;
    }
  }
}

TEST(JsonFramer, CutsWhatAnyWriterWrites) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string stream;
    List expected;
    for (int i = 0; i < 5; ++i) {
      auto value = nlohmann::json::array({random_value(random, 5)});
      expected.push_back(value.dump(random() % 2 == 0 ? 2 : -1));
      stream += expected.back() + (random() % 2 == 0 ? "\n" : "");
    }
    EXPECT_EQ(events(stream, 1 + random() % 40), expected);
  }
}

TEST(JsonFramer, KnowsThatALineEndMayBeTheEnd) {
  JsonFramer framer;
  framer.append("{\"a\":1\n");
  EXPECT_FALSE(framer.next());
  EXPECT_TRUE(framer.at_line_end());
  EXPECT_EQ(framer.give_up(), FrameFault::kMalformed);
  framer.append("{}");
  EXPECT_TRUE(framer.next());
}

TEST(JsonFramer, ErasesWhatWasTaken) {
  JsonFramer framer;
  framer.append(R"({"key":"00112233445566778899"}{"unfinished":"99887766)");
  const auto event = framer.next();
  ASSERT_TRUE(event);
  const std::string_view value = std::get<std::string_view>(*event);
  const volatile char* const at = value.data();
  const size_t size = value.size();
  framer.erase_taken();
  std::string left;
  for (size_t i = 0; i < size; ++i) left += at[i];
  EXPECT_EQ(left.find("0011223344"), std::string::npos);
  framer.append("\"}");
  const auto next = framer.next();
  ASSERT_TRUE(next);
  EXPECT_EQ(std::get<std::string_view>(*next), R"({"unfinished":"99887766"})") << "what was begun goes on";
}

}  // namespace
}  // namespace sluice::ctrl

// The reader of requests, beside the library's own.
#include "ctrl/rpc/request_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace sluice::ctrl {
namespace {

using nlohmann::json;

json read(std::string_view text, std::string twice = "") {
  return parse_noting_duplicates(text, twice);
}

/// The name that is there twice; empty: none is.
std::string twice_in(std::string_view text) {
  std::string twice;
  EXPECT_FALSE(parse_noting_duplicates(text, twice).is_discarded()) << text;
  return twice;
}

TEST(RequestJson, IsWhatTheLibraryReads) {
  for (const char* const text :
       {"{}", "[]", "null", "true", "-3", "18446744073709551615", "1.5e3", R"("a\u00e4\n")",
        "[[],{},[1,[2]]]", " {\"a\" : 1 } ", R"({"b":{"c":[{"d":null},{"d":[{}]}]},"a":"x"})",
        R"([{"a":1},{"a":2},[3]])"}) {
    EXPECT_EQ(read(text), json::parse(text)) << text;
  }
}

TEST(RequestJson, IsDiscardedWhereTheLibraryRefuses) {
  for (const char* const text :
       {"", "{", "[1,]", R"({"a":1,})", R"({"a"})", "1 2", "nul", "\"a", "1e999", "{\"a\":\x01}", "\xff"}) {
    EXPECT_TRUE(read(text).is_discarded()) << text;
    EXPECT_FALSE(json::accept(text)) << text;
  }
}

TEST(RequestJson, TellsTheFirstNameThatOneObjectHasTwice) {
  EXPECT_EQ(twice_in(R"({"a":1,"b":2,"a":3})"), "a");
  EXPECT_EQ(twice_in(R"([{"x":{"b":[],"b":{}}},{"c":1,"c":1}])"), "b");
  EXPECT_EQ(twice_in(R"({"a":{"a":[{"a":1},{"a":2}]},"b":{"a":3}})"), "");
  EXPECT_EQ(read(R"({"a":{"b":1},"a":[2]})"), json::parse(R"({"a":[2]})"));
}

/// A value of a few levels.
json any_value(std::mt19937& random, unsigned levels) {
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  json made = levels == 0 ? json(below(1000)) : below(2) == 0 ? json::array() : json::object();
  for (unsigned i = levels == 0 ? 0 : below(5); i > 0; --i) {
    json inner = any_value(random, below(levels));
    made.is_array() ? made.push_back(std::move(inner))
                    : void(made[std::string(1, static_cast<char>('a' + below(5)))] = std::move(inner));
  }
  return made;
}

TEST(RequestJson, IsReadBackWhateverItHolds) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    const json made = any_value(random, 6);
    EXPECT_EQ(read(made.dump()), made);
    EXPECT_EQ(twice_in(made.dump()), "");
  }
}

}  // namespace
}  // namespace sluice::ctrl

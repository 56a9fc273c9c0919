// The cases are those of the W3C's own test suite for Trace Context (test/test.py, TraceContextTest), and of
// section 3.2 of the recommendation.
#include "ctrl/wire/trace_context.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::ctrl {
namespace {

const std::string kTrace = "12345678901234567890123456789012";
const std::string kParent = "1234567890123456";

std::string with(const std::string& version, const std::string& trace, const std::string& parent,
                 const std::string& flags) {
  return version + "-" + trace + "-" + parent + "-" + flags;
}

TEST(Traceparent, IsReadAndWritten) {
  const std::string text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto context = parse_traceparent(text);
  ASSERT_TRUE(context);
  EXPECT_EQ(hexadecimal(context->trace), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(hexadecimal(context->span), "b7ad6b7169203331");
  EXPECT_TRUE(context->is_sampled);
  EXPECT_EQ(traceparent_text(*context), text);
}

TEST(Traceparent, TellsWhetherItIsSampledByTheLastBitAlone) {
  for (const auto& [flags, is_sampled] : std::vector<std::pair<std::string, bool>>{
           {"00", false}, {"01", true}, {"02", false}, {"03", true}, {"fe", false}, {"ff", true}}) {
    const auto context = parse_traceparent(with("00", kTrace, kParent, flags));
    ASSERT_TRUE(context) << flags;
    EXPECT_EQ(context->is_sampled, is_sampled) << flags;
  }
}

TEST(Traceparent, OfALaterVersionIsReadAsFarAsItIsKnown) {
  for (const char* const rest : {"", "-what-the-future-will-be-like", "-"}) {
    EXPECT_TRUE(parse_traceparent(with("cc", kTrace, kParent, "01") + rest)) << rest;
  }
  EXPECT_FALSE(parse_traceparent(with("cc", kTrace, kParent, "01") + ".what-the-future-will-be-like"));
}

TEST(Traceparent, OfVersion00EndsWithItsFlags) {
  for (const char* const rest : {".", "-", "-what-the-future-will-be-like", "\n", " "}) {
    EXPECT_FALSE(parse_traceparent(with("00", kTrace, kParent, "01") + rest)) << rest;
  }
}

TEST(Traceparent, IsNotValidWhereAFieldIsNot) {
  const std::vector<std::string> wrong = {
      // version: 255, illegal characters, too long, too short
      with("ff", kTrace, kParent, "01"),
      with(".0", kTrace, kParent, "01"),
      with("0.", kTrace, kParent, "01"),
      with("000", kTrace, kParent, "01"),
      with("0000", kTrace, kParent, "01"),
      with("0", kTrace, kParent, "01"),
      with("", kTrace, kParent, "01"),
      with("0A", kTrace, kParent, "01"),
      // trace-id
      with("00", std::string(32, '0'), kParent, "01"),
      with("00", "." + kTrace.substr(1), kParent, "01"),
      with("00", kTrace.substr(1) + ".", kParent, "01"),
      with("00", kTrace + "3", kParent, "01"),
      with("00", kTrace.substr(1), kParent, "01"),
      with("00", "ABCDEF78901234567890123456789012", kParent, "01"),
      // parent-id
      with("00", kTrace, std::string(16, '0'), "01"),
      with("00", kTrace, "." + kParent.substr(1), "01"),
      with("00", kTrace, kParent.substr(1) + ".", "01"),
      with("00", kTrace, kParent + "7", "01"),
      with("00", kTrace, kParent.substr(1), "01"),
      with("00", kTrace, "ABCDEF7890123456", "01"),
      // trace-flags
      with("00", kTrace, kParent, ".0"),
      with("00", kTrace, kParent, "0."),
      with("00", kTrace, kParent, "001"),
      with("00", kTrace, kParent, "1"),
      with("00", kTrace, kParent, ""),
      with("00", kTrace, kParent, "0A"),
      // all of it
      "",
      "-",
      "---",
      "00",
      "foo",
      " " + with("00", kTrace, kParent, "01"),
      with("00", kTrace, kParent, "01") + "," + with("00", kTrace, kParent, "01"),
      "00_" + kTrace + "_" + kParent + "_01",
      std::string(55, '-'),
      std::string(55, '0'),
  };
  for (const std::string& text : wrong) EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(Traceparent, IsNotValidWhereItIsCut) {
  const std::string whole = with("00", kTrace, kParent, "01");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(parse_traceparent(whole.substr(0, length))) << length;
  }
  EXPECT_TRUE(parse_traceparent(whole));
}

}  // namespace
}  // namespace sluice::ctrl

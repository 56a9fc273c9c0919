#include "common/decimal.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Decimal, ReadsEveryNumberOf64BitsInItsOneForm) {
  EXPECT_EQ(parse_decimal("0"), 0u);
  EXPECT_EQ(parse_decimal("7"), 7u);
  EXPECT_EQ(parse_decimal("1000000"), 1000000u);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
}

TEST(Decimal, RefusesEverythingElse) {
  for (const char* text : {"", "00", "01", "+1", "-1", " 1", "1 ", "1e3", "0x1", "1.0", "1_000", "\xd9\xa1",
                           "18446744073709551616", "18446744073709551617", "36893488147419103232",
                           "184467440737095516150", "340282366920938463463374607431768211457"})
    EXPECT_EQ(parse_decimal(text), std::nullopt) << text;
  EXPECT_EQ(parse_decimal(std::string_view("1\0", 2)), std::nullopt);
}

TEST(Decimal, AppendsDigitsWithLeadingZeros) {
  EXPECT_EQ(append_digits(1, "007"), 1007u);
  EXPECT_EQ(append_digits(18446744073709551, "615"), UINT64_MAX);
  EXPECT_EQ(append_digits(18446744073709551, "616"), std::nullopt);
}

}  // namespace
}  // namespace sluice

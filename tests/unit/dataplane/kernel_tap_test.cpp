#include "dataplane/device/kernel_tap.h"

#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

TEST(TapInterfaceName, IsThePortsWhereTheKernelTakesIt) {
  EXPECT_EQ(tap_interface_name("edge0", 3), "sl-edge0");
  EXPECT_EQ(tap_interface_name("123456789012", 3), "sl-123456789012") << "15 bytes, IFNAMSIZ with its end";
}

TEST(TapInterfaceName, IsANumberWhereItDoesNot) {
  EXPECT_EQ(tap_interface_name("1234567890123", 3), "sl-port3");
  EXPECT_EQ(tap_interface_name("to the core", 4), "sl-port4");
  EXPECT_EQ(tap_interface_name("a/b", 5), "sl-port5");
}

}  // namespace
}  // namespace sluice::dataplane

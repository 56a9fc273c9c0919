#include "dataplane/device/port.h"

#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

TEST(DeviceArguments, GiveAfPacketAQueuePairForEachWorker) {
  EXPECT_EQ(device_arguments("net_af_packet0,iface=gw0", 2), "net_af_packet0,iface=gw0,qpairs=2");
  EXPECT_EQ(device_arguments("net_af_packet0,iface=gw0", 1), "net_af_packet0,iface=gw0");
}

TEST(DeviceArguments, KeepWhatTheUserSays) {
  EXPECT_EQ(device_arguments("net_af_packet0,qpairs=4,iface=gw0", 2), "net_af_packet0,qpairs=4,iface=gw0");
  EXPECT_EQ(device_arguments("net_memif0,role=client", 2), "net_memif0,role=client");
  EXPECT_EQ(device_arguments("0000:3b:00.0", 2), "0000:3b:00.0");
}

}  // namespace
}  // namespace sluice::dataplane

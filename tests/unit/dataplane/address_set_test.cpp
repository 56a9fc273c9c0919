#include "dataplane/tables/address_set.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::dataplane {
namespace {

TEST(AddressSet, EmptyContainsNothing) {
  EXPECT_FALSE(AddressSet().contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(AddressSet().contains(IpAddress()));
}

TEST(AddressSet, ContainsWhatWasGiven) {
  std::vector<IpAddress> in, out;
  for (uint32_t i = 0; i < 1000; ++i) {
    (i % 2 == 0 ? in : out).push_back(IpAddress::v4(Be32::from_host(0x0a000000 + i)));
    uint8_t bytes[16] = {0xfd, 0x20};
    store(bytes + 12, Be32::from_host(i));
    (i % 2 == 0 ? in : out).push_back(IpAddress::v6(bytes));
  }
  in.push_back(in.front());
  const AddressSet set(in);
  for (const IpAddress& address : in) EXPECT_TRUE(set.contains(address));
  for (const IpAddress& address : out) EXPECT_FALSE(set.contains(address));
}

TEST(AddressSet, SpreadsNeighbors) {
  // Random places would leave 14 % of the addresses without one of their own (1 - (1 - e^-l) / l, l = 10/32).
  for (const bool v4 : {true, false}) {
    std::set<size_t> places;
    for (uint32_t i = 0; i < 10'000; ++i) {
      uint8_t bytes[16] = {0xfd, 0x20};
      store(bytes + 12, Be32::from_host(i));
      const IpAddress address = v4 ? IpAddress::v4(Be32::from_host(0x0a000000 + i)) : IpAddress::v6(bytes);
      places.insert(AddressSet::spread(address) % 32'768);
    }
    EXPECT_GT(places.size(), 8'000u);
  }
}

TEST(AddressSet, NeverContainsTheUnspecifiedAddress) {
  const IpAddress addresses[] = {IpAddress(), *IpAddress::parse("192.0.2.1")};
  EXPECT_FALSE(AddressSet(addresses).contains(IpAddress()));
  EXPECT_TRUE(AddressSet(addresses).contains(addresses[1]));
}

}  // namespace
}  // namespace sluice::dataplane

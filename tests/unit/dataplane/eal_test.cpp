#include "dataplane/device/eal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice::dataplane {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const MachineFacts kLaptop = {.allowed_cpus = {0, 1, 5}, .has_huge_pages = false};
const MachineFacts kServer = {.allowed_cpus = {0, 1, 2, 3}, .has_huge_pages = true};

BootConfig config(std::vector<unsigned> workers, std::vector<std::string> eal) {
  BootConfig result;
  result.workers = std::move(workers);
  result.eal = std::move(eal);
  return result;
}

BootConfig with_port(BootConfig boot, const char* device) {
  PortConfig port;
  port.device = device;
  boot.ports.push_back(port);
  return boot;
}

TEST(EalArguments, GiveEveryWorkerAnLcoreAndLetTheControlThreadFloat) {
  auto boot = config({5, 5}, {"--no-huge", "-m", "128"});
  boot.lb_workers = {0};
  const auto arguments = eal_arguments(boot, kLaptop);
  ASSERT_TRUE(arguments) << arguments.error().message;
  EXPECT_THAT(*arguments, ElementsAre("sluiced", "--lcores", "0@(0,1,5),1@5,2@5,3@0", "--no-shconf",
                                      "--no-telemetry", "--no-pci", "--no-huge", "-m", "128"));
}

TEST(EalArguments, GiveMemoryWhereTheUserDoesNotSay) {
  EXPECT_THAT(*eal_arguments(config({0}, {"--no-huge"}), kLaptop), Contains("512"));
  EXPECT_THAT(*eal_arguments(config({0}, {"--no-huge", "-m64"}), kLaptop), Not(Contains("512")));
}

TEST(EalArguments, KeepHugePagesInMemoryUnlessTheUserPlacesThem) {
  EXPECT_THAT(*eal_arguments(config({1}, {}), kServer), Contains("--in-memory"));
  EXPECT_THAT(*eal_arguments(config({1}, {"--file-prefix=edge"}), kServer), Not(Contains("--in-memory")));
  EXPECT_THAT(*eal_arguments(config({1}, {"--telemetry"}), kServer), Not(Contains("--no-telemetry")));
}

TEST(EalArguments, TouchNoPciDeviceBesidesThePorts) {
  const auto arguments = *eal_arguments(with_port(config({1}, {}), "0000:3b:00.0"), kServer);
  EXPECT_THAT(arguments, Contains("-a"));
  EXPECT_THAT(arguments, Contains("0000:3b:00.0"));
  EXPECT_THAT(arguments, Not(Contains("--no-pci")));
  EXPECT_THAT(*eal_arguments(with_port(config({1}, {}), "net_ring0"), kServer), Contains("--no-pci"));
}

TEST(EalArguments, RefuseCpusThatAreNotThere) {
  const auto arguments = eal_arguments(config({0, 2}, {"--no-huge"}), kLaptop);
  ASSERT_FALSE(arguments);
  EXPECT_EQ(arguments.error().pointer, "/gateway/workers/1");
  EXPECT_THAT(arguments.error().message, HasSubstr("CPU 2"));
  EXPECT_THAT(arguments.error().message, HasSubstr("0,1,5"));
}

TEST(EalArguments, RefuseWhatGatewayWorkersSays) {
  for (const char* option : {"-l", "--lcores=0@1", "-c", "--main-lcore"}) {
    const auto arguments = eal_arguments(config({0}, {"--no-huge", option}), kLaptop);
    ASSERT_FALSE(arguments) << option;
    EXPECT_EQ(arguments.error().pointer, "/gateway/eal/1") << option;
  }
}

TEST(EalArguments, SayWhatToDoWithoutHugePages) {
  const auto arguments = eal_arguments(config({0}, {}), kLaptop);
  ASSERT_FALSE(arguments);
  EXPECT_THAT(arguments.error().message, HasSubstr("vm.nr_hugepages"));
  EXPECT_THAT(arguments.error().message, HasSubstr("--no-huge"));
}

TEST(PciDevice, IsNamedByItsAddress) {
  EXPECT_TRUE(is_pci_device("0000:3b:00.0"));
  EXPECT_TRUE(is_pci_device("3b:00.1"));
  EXPECT_TRUE(is_pci_device("0000:3b:00.0,mprq_en=1"));
  EXPECT_FALSE(is_pci_device("net_af_packet0,iface=eth0:1"));
  EXPECT_FALSE(is_pci_device("net_ring0"));
  EXPECT_FALSE(is_pci_device(""));
}

}  // namespace
}  // namespace sluice::dataplane

// The doctor on hosts that are made of a few files.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sluicectl/doctor_checks.h"
#include "sluicectl/secrets.h"
#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::sluicectl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto kFlags =
    "model name\t: Example CPU\nflags\t\t: fpu sse4_2 avx2 bmi1 bmi2 fma movbe f16c popcnt lahf_lm aes "
    "sha_ni\n";

class DoctorTest : public testing::Test {
 protected:
  void put(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(path(file)).parent_path());
    std::ofstream(path(file)) << text << "\n";
  }
  void put_device(const std::string& address, const std::string& driver) {
    put("sys/bus/pci/devices/" + address + "/class", "0x020000");
    fs::create_directories(path("sys/bus/pci/drivers/" + driver));
    fs::create_directory_symlink("../../drivers/" + driver,
                                 path("sys/bus/pci/devices/" + address + "/driver"));
  }
  std::string path(const std::string& file) const { return directory_.file(file); }

  /// A host on which nothing is wrong.
  void put_good_host() {
    put("proc/cpuinfo", kFlags);
    put("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:   8000000 kB");
    put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512");
    put("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "500");
    put("sys/kernel/iommu_groups/0/type", "DMA");
    put("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512");
    put("sys/devices/system/cpu/isolated", "1-3");
    put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance");
    put_device("0000:3b:00.0", "vfio-pci");
  }
  Check check(const std::string& name, const std::optional<GatewayNeeds>& needs = {}, unsigned cpus = 4) {
    const auto checks = examine({.root = directory_.file(""), .usable_cpus = cpus}, needs);
    const auto found = std::ranges::find(checks, name, &Check::check);
    EXPECT_NE(found, checks.end());
    return found == checks.end() ? Check() : *found;
  }

  ctrl::TemporaryDirectory directory_;
};

TEST_F(DoctorTest, FindsNothingWrongWithAGoodHost) {
  put_good_host();
  const auto checks = examine({.root = directory_.file(""), .usable_cpus = 4}, GatewayNeeds{.cpus = {1, 2}});
  EXPECT_EQ(checks.size(), 8u);
  for (const Check& check : checks) {
    EXPECT_EQ(check.state, CheckState::kOk) << check.check << ": " << check.detail;
    EXPECT_TRUE(check.fix.empty()) << check.check;
    EXPECT_FALSE(check.detail.empty()) << check.check;
  }
}

TEST_F(DoctorTest, EverythingThatIsWrongHasAFix) {
  put("proc/cpuinfo", "model name\t: Old CPU\nflags\t\t: fpu sse4_2\n");
  put("proc/meminfo", "MemAvailable: 1000 kB");
  put_device("0000:3b:00.0", "ixgbe");
  put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave");
  for (const Check& check : examine({.root = directory_.file(""), .usable_cpus = 1}, {})) {
    if (check.check == "numa") continue;
    EXPECT_NE(check.state, CheckState::kOk) << check.check;
    EXPECT_FALSE(check.fix.empty()) << check.check;
  }
}

TEST_F(DoctorTest, HugePagesAreNeededUnlessTheGatewayDoesWithout) {
  put_good_host();
  put("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0");
  EXPECT_EQ(check("huge_pages").state, CheckState::kWarning);
  EXPECT_EQ(check("huge_pages", GatewayNeeds{.uses_huge_pages = false}).state, CheckState::kWarning);
  EXPECT_EQ(check("huge_pages", GatewayNeeds{.uses_huge_pages = true}).state, CheckState::kFailed);
}

TEST_F(DoctorTest, ACpuThatCannotRunItIsAFailure) {
  put_good_host();
  put("proc/cpuinfo",
      "model name\t: Old CPU\nflags\t\t: sse4_2 bmi1 bmi2 fma movbe f16c popcnt lahf_lm aes sha_ni\n");
  EXPECT_EQ(check("cpu_flags").state, CheckState::kFailed);
  EXPECT_EQ(check("cpu_flags").detail, "Old CPU lacks avx2");
}

TEST_F(DoctorTest, APortWhoseDeviceTheKernelHasIsAFailure) {
  put_good_host();
  put_device("0000:3b:00.1", "ixgbe");
  EXPECT_EQ(check("driver").state, CheckState::kOk);
  const Check bound = check("driver", GatewayNeeds{.pci_ports = {"0000:3b:00.1"}});
  EXPECT_EQ(bound.state, CheckState::kFailed);
  EXPECT_EQ(bound.fix, "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.1");
}

TEST_F(DoctorTest, WorkersThatShareACpuAreTold) {
  put_good_host();
  EXPECT_EQ(check("free_cores", GatewayNeeds{.cpus = {1, 1}}).state, CheckState::kWarning);
  EXPECT_EQ(check("free_cores", {}, 1).state, CheckState::kWarning);
}

TEST(Secrets, AreLeftOutWhereverTheyStand) {
  const json config = {{"gateway", {{"name", "edge"}, {"hash_key", "0001"}}},
                       {"sources", {{{"name", "a"}, {"password", "file:/etc/p"}, {"token", "letmein"}}}},
                       {"tracing", {{"headers", {{"authorization", "Bearer x"}}}}},
                       {"events", {{"nats", {{"servers", {"nats://u:p@192.0.2.1:4222", "192.0.2.1:1"}}}}}}};
  const json clean = without_secrets(config);
  EXPECT_EQ(clean["gateway"]["hash_key"], "(left out)");
  EXPECT_EQ(clean["gateway"]["name"], "edge");
  EXPECT_EQ(clean["sources"][0]["password"], "file:/etc/p");
  EXPECT_EQ(clean["sources"][0]["token"], "(left out)");
  EXPECT_EQ(clean["events"]["nats"]["servers"][0], "nats://(left out)@192.0.2.1:4222");
  EXPECT_EQ(clean["events"]["nats"]["servers"][1], "192.0.2.1:1");
  EXPECT_EQ(clean.dump().find("Bearer"), std::string::npos);
}

}  // namespace
}  // namespace sluice::sluicectl

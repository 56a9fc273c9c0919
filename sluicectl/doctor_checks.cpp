#include "sluicectl/doctor_checks.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace sluice::sluicectl {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> kStateWords = {"ok", "warning", "failed"};
/// Of -march=haswell, as far as the kernel has words for them.
constexpr std::array<std::string_view, 9> kNeededFlags = {"avx2", "bmi1",   "bmi2",   "fma",    "movbe",
                                                          "f16c", "popcnt", "sse4_2", "lahf_lm"};
constexpr std::array<std::string_view, 2> kUsefulFlags = {"aes", "sha_ni"};
constexpr uint64_t kLeastMemory = uint64_t{1} << 30;

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

uint64_t number_in(const fs::path& file) {
  const std::string text = text_of(file);
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Names in a directory that begin like that, in order.
std::vector<std::string> names_in(const fs::path& directory, std::string_view prefix = "") {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename();
    if (name.starts_with(prefix)) names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// The value of a line `name : value` or `name: value unit`.
std::string field_of(const std::string& text, std::string_view name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    const size_t colon = line.find(':');
    const size_t begin = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return "";
}

Check huge_pages(const Host& host, const std::optional<GatewayNeeds>& needs) {
  std::vector<std::string> sizes;
  uint64_t free_kib = 0, all = 0;
  for (const std::string& size : names_in(host.root / "sys/kernel/mm/hugepages", "hugepages-")) {
    const fs::path directory = host.root / "sys/kernel/mm/hugepages" / size;
    const uint64_t pages = number_in(directory / "nr_hugepages");
    const uint64_t unused = number_in(directory / "free_hugepages");
    uint64_t kib = 0;
    std::from_chars(size.data() + 10, size.data() + size.size(), kib);
    all += pages;
    free_kib += unused * kib;
    if (pages > 0) {
      sizes.push_back(std::to_string(pages) + " of " + std::to_string(kib) + " KiB, " +
                      std::to_string(unused) + " free");
    }
  }
  constexpr auto kFix = "sysctl -w vm.nr_hugepages=512, and the same in /etc/sysctl.d/sluice.conf";
  if (all == 0) {
    const bool must = needs && needs->uses_huge_pages;
    return {"huge_pages", must ? CheckState::kFailed : CheckState::kWarning,
            "none: a gateway runs only with eal: [\"--no-huge\"], and slower", kFix};
  }
  const bool are_used = needs && needs->uses_huge_pages;  // by the gateway that runs
  if (free_kib == 0 && !are_used) {
    return {"huge_pages", CheckState::kWarning, joined(sizes) + ": others have them all", kFix};
  }
  return {"huge_pages", CheckState::kOk, joined(sizes), ""};
}

Check iommu(const Host& host) {
  const auto groups = names_in(host.root / "sys/kernel/iommu_groups");
  if (!groups.empty()) return {"iommu", CheckState::kOk, std::to_string(groups.size()) + " groups", ""};
  const bool is_unsafe = text_of(host.root / "sys/module/vfio/parameters/enable_unsafe_noiommu_mode") == "Y";
  return {"iommu", CheckState::kWarning,
          is_unsafe ? "off; vfio works without it, and devices may write anywhere"
                    : "off: vfio-pci cannot give a device to the gateway",
          "switch it on in the firmware, and boot with intel_iommu=on iommu=pt (amd_iommu=on)"};
}

struct NetworkDevice {
  std::string address, driver;
};

std::vector<NetworkDevice> network_devices(const Host& host) {
  std::vector<NetworkDevice> devices;
  const fs::path pci = host.root / "sys/bus/pci/devices";
  for (const std::string& address : names_in(pci)) {
    if (!text_of(pci / address / "class").starts_with("0x02")) continue;
    std::error_code none;
    const fs::path driver = fs::read_symlink(pci / address / "driver", none);
    devices.push_back({address, none ? "" : driver.filename().string()});
  }
  return devices;
}

bool is_for_user_space(const std::string& driver) {
  constexpr std::array<std::string_view, 5> kDrivers = {"vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core",
                                                        "mlx4_core"};
  return std::ranges::find(kDrivers, driver) != kDrivers.end();
}

Check driver(const Host& host, const std::optional<GatewayNeeds>& needs) {
  const auto devices = network_devices(host);
  std::vector<std::string> words, wrong;
  bool has_one = false;
  for (const auto& [address, bound] : devices) {
    words.push_back(address + " " + (bound.empty() ? "without a driver" : bound));
    has_one = has_one || is_for_user_space(bound);
    if (needs && std::ranges::find(needs->pci_ports, address) != needs->pci_ports.end() &&
        !is_for_user_space(bound)) {
      wrong.push_back(address);
    }
  }
  if (!wrong.empty()) {
    return {"driver", CheckState::kFailed, joined(words), "dpdk-devbind.py --bind=vfio-pci " + wrong.front()};
  }
  if (devices.empty()) return {"driver", CheckState::kOk, "no PCI network device: virtual devices only", ""};
  if (has_one) return {"driver", CheckState::kOk, joined(words), ""};
  return {"driver", CheckState::kWarning, joined(words) + ": none is free for a gateway",
          "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci " + devices.front().address};
}

Check numa(const Host& host) {
  const fs::path system = host.root / "sys/devices/system/node";
  std::vector<std::string> without;
  const auto nodes = names_in(system, "node");
  size_t with = 0;
  for (const std::string& node : nodes) {
    uint64_t pages = 0;
    for (const std::string& size : names_in(system / node / "hugepages")) {
      pages += number_in(system / node / "hugepages" / size / "nr_hugepages");
    }
    pages > 0 ? void(++with) : without.push_back(node);
  }
  const std::string detail =
      std::to_string(std::max<size_t>(nodes.size(), 1)) + (nodes.size() > 1 ? " nodes" : " node");
  if (nodes.size() < 2 || with == 0 || without.empty()) return {"numa", CheckState::kOk, detail, ""};
  return {
      "numa", CheckState::kWarning, detail + ", no huge pages on " + joined(without),
      "echo 256 > /sys/devices/system/node/" + without.front() + "/hugepages/hugepages-2048kB/nr_hugepages"};
}

Check cpu_flags(const Host& host) {
  const std::string text = text_of(host.root / "proc/cpuinfo");
  std::istringstream words(field_of(text, "flags"));
  const std::set<std::string> flags{std::istream_iterator<std::string>(words), {}};
  std::vector<std::string> missing, slower;
  for (const auto flag : kNeededFlags) {
    if (!flags.contains(std::string(flag))) missing.emplace_back(flag);
  }
  for (const auto flag : kUsefulFlags) {
    if (!flags.contains(std::string(flag))) slower.emplace_back(flag);
  }
  const std::string model = field_of(text, "model name");
  if (!missing.empty()) {
    return {"cpu_flags", CheckState::kFailed, model + " lacks " + joined(missing),
            "use an x86-64-v3 CPU (Haswell, Zen or newer); in a virtual machine: -cpu host"};
  }
  if (!slower.empty()) {
    return {"cpu_flags", CheckState::kWarning, model + " lacks " + joined(slower) + ": hashing is slower",
            "in a virtual machine: -cpu host"};
  }
  return {"cpu_flags", CheckState::kOk, model, ""};
}

unsigned usable_cpus(const Host& host) {
  if (host.usable_cpus) return *host.usable_cpus;
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1;
}

Check free_cores(const Host& host, const std::optional<GatewayNeeds>& needs) {
  const unsigned cpus = usable_cpus(host);
  const std::string isolated = text_of(host.root / "sys/devices/system/cpu/isolated");
  const std::string detail = std::to_string(cpus) + (cpus == 1 ? " CPU" : " CPUs") +
                             ", isolated: " + (isolated.empty() ? "none" : isolated);
  constexpr auto kIsolate =
      "boot with isolcpus=CPUS nohz_full=CPUS rcu_nocbs=CPUS, CPUS those of gateway.workers";
  if (cpus < 2) {
    return {"free_cores", CheckState::kWarning, detail + ": workers and everything else share one",
            "give the machine another CPU"};
  }
  if (needs) {
    std::set<unsigned> distinct(needs->cpus.begin(), needs->cpus.end());
    if (distinct.size() < needs->cpus.size()) {
      return {"free_cores", CheckState::kWarning, detail + "; workers share a CPU",
              "name another CPU for each in gateway.workers"};
    }
  }
  if (isolated.empty()) {
    return {"free_cores", CheckState::kWarning, detail + ": the kernel may put others where workers run",
            kIsolate};
  }
  return {"free_cores", CheckState::kOk, detail, ""};
}

Check memory(const Host& host) {
  const std::string text = text_of(host.root / "proc/meminfo");
  uint64_t kib = 0;
  const std::string value = field_of(text, "MemAvailable");
  std::from_chars(value.data(), value.data() + value.size(), kib);
  const std::string detail = std::to_string(kib / 1024) + " MiB available";
  if (kib * 1024 >= kLeastMemory) return {"memory", CheckState::kOk, detail, ""};
  return {"memory", CheckState::kWarning, detail,
          "a smaller gateway.flow_table_entries, or more memory: docs/reference/configuration.md says what "
          "is needed"};
}

Check cpu_governor(const Host& host) {
  const fs::path cpufreq = host.root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
  const std::string governor = text_of(cpufreq);
  if (governor.empty())
    return {"cpu_governor", CheckState::kOk, "the kernel does not change the frequency", ""};
  if (governor == "performance") return {"cpu_governor", CheckState::kOk, governor, ""};
  return {"cpu_governor", CheckState::kWarning, governor + ": packets wait for the CPU to speed up",
          "cpupower frequency-set -g performance"};
}

}  // namespace

std::string_view word_for(CheckState state) {
  return kStateWords[static_cast<size_t>(state)];
}

std::vector<Check> examine(const Host& host, const std::optional<GatewayNeeds>& needs) {
  return {huge_pages(host, needs), iommu(host),  driver(host, needs), numa(host), cpu_flags(host),
          free_cores(host, needs), memory(host), cpu_governor(host)};
}

}  // namespace sluice::sluicectl

#include "dataplane/device/eal.h"

#include <dirent.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "dataplane/device/eal_log.h"

namespace sluice::dataplane {
namespace {

/// Whether one of these options is among the user's arguments, as `--name`, `--name=value` or `-nvalue`.
bool given(const std::vector<std::string>& arguments, std::initializer_list<std::string_view> options) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
      if (!argument.starts_with(option)) return false;
      const bool is_long = option.starts_with("--");
      return !is_long || argument.size() == option.size() || argument[option.size()] == '=';
    });
  });
}

std::string join(const std::vector<unsigned>& cpus) {
  std::string text;
  for (const unsigned cpu : cpus) text += (text.empty() ? "" : ",") + std::to_string(cpu);
  return text;
}

Result<void> check_cpus(const std::vector<unsigned>& cpus, const char* field, const MachineFacts& machine) {
  for (size_t i = 0; i < cpus.size(); ++i) {
    if (!std::binary_search(machine.allowed_cpus.begin(), machine.allowed_cpus.end(), cpus[i])) {
      return fail(
          "CPU " + std::to_string(cpus[i]) +
              " is not there, or this process may not run on it; allowed: " + join(machine.allowed_cpus),
          std::string("/gateway/") + field + "/" + std::to_string(i));
    }
  }
  return {};
}

/// lcore 0, the control thread, floats over every allowed CPU; workers have one CPU each, or share one.
std::string lcore_map(const BootConfig& config, const MachineFacts& machine) {
  std::string map = "0@(" + join(machine.allowed_cpus) + ")";
  unsigned index = 0;
  std::vector<const std::vector<unsigned>*> groups{&config.workers, &config.lb_workers};
  if (config.ledger) groups.push_back(&config.hash_workers);
  for (const auto* cpus : groups) {
    for (const unsigned cpu : *cpus)
      map += "," + std::to_string(lcore_of(index++)) + "@" + std::to_string(cpu);
  }
  return map;
}

void add_memory_arguments(const BootConfig& config, std::vector<std::string>& arguments) {
  if (given(config.eal, {"--no-huge"})) {
    if (!given(config.eal, {"-m"})) arguments.insert(arguments.end(), {"-m", "512"});
    if (!given(config.eal, {"--no-shconf", "--file-prefix", "--proc-type"}))
      arguments.push_back("--no-shconf");
  } else if (!given(config.eal, {"--in-memory", "--no-shconf", "--file-prefix", "--proc-type", "--huge-dir",
                                 "--huge-unlink", "--legacy-mem"})) {
    arguments.push_back("--in-memory");  // no files to collide over, no huge pages lost by a crash
  }
}

Result<void> check_arguments(const BootConfig& config, const MachineFacts& machine) {
  for (size_t i = 0; i < config.eal.size(); ++i) {
    if (given({config.eal[i]}, {"-l", "-c", "--lcores", "--main-lcore"})) {
      return fail(
          "\"" + config.eal[i] + "\" is not for gateway.eal: gateway.workers says which CPUs are used",
          "/gateway/eal/" + std::to_string(i));
    }
  }
  if (auto cpus = check_cpus(config.workers, "workers", machine); !cpus) return cpus;
  if (auto cpus = check_cpus(config.lb_workers, "lb_workers", machine); !cpus) return cpus;
  if (auto cpus = check_cpus(config.hash_workers, "hash_workers", machine); !cpus) return cpus;
  if (config.workers.size() + config.lb_workers.size() + config.hash_workers.size() >= RTE_MAX_LCORE) {
    return fail("more than " + std::to_string(RTE_MAX_LCORE - 1) + " workers", "/gateway/workers");
  }
  if (!machine.has_huge_pages && !given(config.eal, {"--no-huge"})) {
    return fail(
        "no huge pages are reserved: reserve some (sysctl vm.nr_hugepages=512), or run without them "
        "(gateway.eal: [\"--no-huge\", \"-m\", \"512\"])",
        "/gateway/eal");
  }
  return {};
}

/// Keeps what getopt() and EAL's usage text write to stdout and stderr. Who else writes there meanwhile is
/// not heard: the log has a descriptor of its own.
class StandardStreams {
 public:
  StandardStreams() : capture_(memfd_create("eal", MFD_CLOEXEC)) {
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      saved_[stream - 1] = fcntl(stream, F_DUPFD_CLOEXEC, 3);
      if (capture_ >= 0 && saved_[stream - 1] >= 0) dup2(capture_, stream);
    }
  }
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;
  ~StandardStreams() { restore(); }

  /// Puts both back; the first line that was written meanwhile.
  std::string restore() {
    if (capture_ < 0) return {};
    std::fflush(stdout);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
      if (saved_[stream - 1] < 0) continue;
      dup2(saved_[stream - 1], stream);
      close(saved_[stream - 1]);
    }
    char text[256] = {};
    const ssize_t size = pread(capture_, text, sizeof text - 1, 0);
    close(std::exchange(capture_, -1));
    const std::string_view written(text, size > 0 ? static_cast<size_t>(size) : 0);
    return std::string(written.substr(0, written.find('\n')));
  }

 private:
  int capture_;
  int saved_[2];
};

/// The CPUs of `allowed` where no worker spins; all of them where that leaves none.
cpu_set_t cpus_beside_workers(const cpu_set_t& allowed, const BootConfig& config) {
  cpu_set_t left = allowed;
  if (config.idle != IdleMode::kPoll) return left;
  for (const auto* cpus : {&config.workers, &config.lb_workers, &config.hash_workers}) {
    for (const unsigned cpu : *cpus) CPU_CLR(cpu, &left);
  }
  return CPU_COUNT(&left) > 0 ? left : allowed;
}

/// Has every thread of this process that may run on all of `from` run on `to` alone, and what it starts.
void confine_threads(const cpu_set_t& from, const cpu_set_t& to) {
  DIR* const tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return;
  while (const dirent* task = readdir(tasks)) {
    const pid_t id = std::atoi(task->d_name);
    cpu_set_t now;
    if (id == 0 || sched_getaffinity(id, sizeof now, &now) != 0) continue;
    if (CPU_EQUAL(&now, &from)) sched_setaffinity(id, sizeof to, &to);
  }
  closedir(tasks);
}

}  // namespace

MachineFacts read_machine_facts() {
  MachineFacts facts;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) facts.allowed_cpus.push_back(cpu);
    }
  }
  const std::string root = "/sys/kernel/mm/hugepages/";
  DIR* const sizes = opendir(root.c_str());
  if (sizes == nullptr) return facts;
  while (const dirent* size = readdir(sizes)) {
    unsigned long pages = 0;
    FILE* const file = fopen((root + size->d_name + "/nr_hugepages").c_str(), "re");
    if (file == nullptr) continue;
    if (fscanf(file, "%lu", &pages) == 1 && pages > 0) facts.has_huge_pages = true;
    fclose(file);
  }
  closedir(sizes);
  return facts;
}

bool is_pci_device(const std::string& device) {
  const std::string name = device.substr(0, device.find(','));
  return !name.empty() && name.find(':') != std::string::npos &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isxdigit(c) || c == ':' || c == '.'; });
}

Result<std::vector<std::string>> eal_arguments(const BootConfig& config, const MachineFacts& machine) {
  if (auto checked = check_arguments(config, machine); !checked) return tl::unexpected(checked.error());
  std::vector<std::string> arguments{"sluiced", "--lcores", lcore_map(config, machine)};
  add_memory_arguments(config, arguments);
  if (!given(config.eal, {"--telemetry"})) arguments.push_back("--no-telemetry");
  bool any_pci = given(config.eal, {"-a", "--allow", "-b", "--block", "--no-pci"});
  for (const PortConfig& port : config.ports) {
    if (!is_pci_device(port.device)) continue;
    arguments.insert(arguments.end(), {"-a", port.device});
    any_pci = true;
  }
  if (!any_pci) arguments.push_back("--no-pci");  // leaves other people's devices alone
  arguments.insert(arguments.end(), config.eal.begin(), config.eal.end());
  return arguments;
}

Result<void> start_eal(const BootConfig& config) {
  const auto arguments = eal_arguments(config, read_machine_facts());
  if (!arguments) return tl::unexpected(arguments.error());
  std::vector<std::string> copies = *arguments;  // EAL permutes the pointers and keeps some
  std::vector<char*> argv;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);

  cpu_set_t affinity;
  const bool known = sched_getaffinity(0, sizeof affinity, &affinity) == 0;
  StandardStreams streams;
  const int result = rte_eal_init(static_cast<int>(argv.size()) - 1, argv.data());
  const std::string complaint = streams.restore();
  if (known) sched_setaffinity(0, sizeof affinity, &affinity);
  if (result >= 0) {
    if (known) confine_threads(affinity, cpus_beside_workers(affinity, config));
    return {};
  }

  std::string reason = take_eal_error();
  if (!complaint.empty()) reason = complaint;
  if (reason.empty()) reason = rte_strerror(rte_errno);
  if (rte_errno == EACCES || rte_errno == EPERM)
    reason += " (it needs root, or CAP_SYS_ADMIN and CAP_IPC_LOCK)";
  if (rte_errno == ENOMEM) reason += " (check the free huge pages and \"-m\" in gateway.eal)";
  return fail("DPDK does not start: " + reason, "/gateway/eal");
}

void stop_eal() {
  rte_eal_cleanup();
}

}  // namespace sluice::dataplane

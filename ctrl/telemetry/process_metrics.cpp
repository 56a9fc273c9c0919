#include "ctrl/telemetry/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include "ctrl/telemetry/metric_family.h"

namespace sluice::ctrl {
namespace {

/// Fields of proc_pid_stat(5) from the third on, by their number there.
class ProcessStat {
 public:
  ProcessStat() {
    std::ifstream file("/proc/self/stat");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    // The second is the program's name in parentheses, which may hold anything.
    std::istringstream rest(text.substr(std::min(text.rfind(')') + 1, text.size())));
    for (std::string field; rest >> field;) fields_.push_back(std::move(field));
  }
  std::optional<double> field(size_t number) const {
    const size_t index = number - 3;
    return index < fields_.size() ? std::optional(std::stod(fields_[index])) : std::nullopt;
  }

 private:
  std::vector<std::string> fields_;
};

double ticks_per_second() {
  return static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::optional<double> cpu_seconds() {
  const ProcessStat stat;
  const auto user = stat.field(14);
  const auto system = stat.field(15);
  return user && system ? std::optional((*user + *system) / ticks_per_second()) : std::nullopt;
}

std::optional<double> resident_bytes() {
  const auto pages = ProcessStat().field(24);
  return pages ? std::optional(*pages * static_cast<double>(::sysconf(_SC_PAGESIZE))) : std::nullopt;
}

std::optional<double> virtual_bytes() {
  return ProcessStat().field(23);
}

std::optional<double> threads() {
  return ProcessStat().field(20);
}

std::optional<double> start_time() {
  std::ifstream file("/proc/stat");
  const auto since_boot = ProcessStat().field(22);
  for (std::string word; since_boot && file >> word;) {
    double boot = 0;
    if (word == "btime" && file >> boot) return boot + *since_boot / ticks_per_second();
  }
  return std::nullopt;
}

std::optional<double> open_descriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/self/fd", error);
  if (error) return std::nullopt;
  return static_cast<double>(std::distance(begin(all), end(all))) - 1;  // but for the one that lists them
}

std::optional<double> most_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

struct Family {
  MetricRow row;
  std::optional<double> (*read)();
};

constexpr std::array kFamilies = {
    Family{metric("process_cpu_seconds_total"), cpu_seconds},
    Family{metric("process_resident_memory_bytes"), resident_bytes},
    Family{metric("process_virtual_memory_bytes"), virtual_bytes},
    Family{metric("process_open_fds"), open_descriptors},
    Family{metric("process_max_fds"), most_descriptors},
    Family{metric("process_threads"), threads},
    Family{metric("process_start_time_seconds"), start_time},
};

}  // namespace

void add_process_series(std::vector<MetricSource>& sources) {
  for (const Family& each : kFamilies) {
    sources.push_back(whole(each.row, [read = each.read](auto add) {
      if (const auto value = read()) add(*value, {});
    }));
  }
}

}  // namespace sluice::ctrl

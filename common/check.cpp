#include "common/check.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sluice {
namespace {

constexpr int kMostLine = 512;

/// The line goes out by one call, so that no other thread's is mixed into it.
[[noreturn]] void end(const char* line, int size) {
  const auto bytes = static_cast<size_t>(std::clamp(size, 0, kMostLine - 1));
  [[maybe_unused]] const auto written = write(STDERR_FILENO, line, bytes);
  std::abort();
}

}  // namespace

void end_broken(const char* invariant, std::source_location where) {
  char line[kMostLine];
  end(line, std::snprintf(line, sizeof line, "broken invariant: %s (%s:%u, %s)\n", invariant,
                          where.file_name(), where.line(), where.function_name()));
}

void end_out_of_range(const char* index_of, uint64_t index, uint64_t size, std::source_location where) {
  char line[kMostLine];
  end(line, std::snprintf(
                line, sizeof line, "broken invariant: the number %llu of a %s is below %llu (%s:%u, %s)\n",
                static_cast<unsigned long long>(index), index_of, static_cast<unsigned long long>(size),
                where.file_name(), where.line(), where.function_name()));
}

}  // namespace sluice

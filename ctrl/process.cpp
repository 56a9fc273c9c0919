#include "ctrl/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string_view>

namespace sluice::ctrl {
namespace {

void leave_at_once(int) {
  constexpr std::string_view kWords = "sluiced: stopped while it was starting\n";
  (void)!::write(STDERR_FILENO, kWords.data(), kWords.size());
  ::_exit(0);
}

}  // namespace

size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void leave_at_once_on_signals() {
  for (const int stop : {SIGTERM, SIGINT}) std::signal(stop, leave_at_once);
}

}  // namespace sluice::ctrl

#include "ctrl/daemon/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string_view>
#include <utility>

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
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;
  return limit.rlim_cur;
}

void leave_at_once_on_signals() {
  for (const int stop : {SIGTERM, SIGINT}) std::signal(stop, leave_at_once);
}

}  // namespace sluice::ctrl

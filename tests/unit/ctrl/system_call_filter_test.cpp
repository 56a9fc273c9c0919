#include "ctrl/daemon/system_call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <thread>

namespace sluice::ctrl {
namespace {

/// Whether all of `holds` does in a process of its own that has the filter.
bool with_filter(const std::function<bool()>& holds) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(filter_system_calls() && holds() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool is_refused(long result) {
  return result == -1 && errno == EPERM;
}

TEST(SystemCallFilter, LetsAServiceWork) {
  EXPECT_TRUE(with_filter([] {
    const int file = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int waiting = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    const timespec at_once{};
    if (::epoll_pwait2(waiting, &event, 1, &at_once, nullptr) != 0) return false;
    bool has_run = false;
    std::thread([&has_run] { has_run = true; }).join();
    return file >= 0 && socket >= 0 && has_run;
  }));
}

TEST(SystemCallFilter, RefusesProgramsProcessesAndTheSystem) {
  EXPECT_TRUE(with_filter([] {
    char* const arguments[] = {const_cast<char*>("true"), nullptr};
    return is_refused(::execve("/bin/true", arguments, nullptr));
  }));
  EXPECT_TRUE(with_filter([] { return is_refused(::fork()); }));
  EXPECT_TRUE(with_filter([] { return is_refused(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr)); }));
  EXPECT_TRUE(with_filter([] { return is_refused(::unshare(CLONE_NEWUSER)); }));
  for (const long call : {SYS_mount, SYS_bpf, SYS_process_vm_readv, SYS_keyctl, SYS_setuid, SYS_init_module,
                          SYS_clock_settime, SYS_userfaultfd, SYS_io_uring_setup, SYS_perf_event_open}) {
    EXPECT_TRUE(with_filter([call] { return is_refused(::syscall(call, 0, 0, 0, 0, 0)); })) << call;
  }
}

TEST(SystemCallFilter, SaysOfYoungerCallsThatThereAreNone) {
  EXPECT_TRUE(with_filter([] { return ::syscall(1000) == -1 && errno == ENOSYS; }));
}

TEST(SystemCallFilter, HoldsForThreadsThatRunAlready) {
  EXPECT_TRUE(with_filter([] { return true; }));
  const pid_t child = ::fork();
  if (child == 0) {
    int state = 0;
    bool refused = false;
    std::thread earlier([&] {
      while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 0) ::sched_yield();
      refused = is_refused(::syscall(SYS_setuid, 0));
    });
    const bool is_set = filter_system_calls().has_value();
    __atomic_store_n(&state, 1, __ATOMIC_RELEASE);
    earlier.join();
    ::_exit(is_set && refused ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace sluice::ctrl

#include "ctrl/daemon/system_call_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::ctrl {
namespace {

/// What a service with files, sockets, threads, timers and memory of its own needs (as systemd's
/// @system-service has it), and DPDK (memory policy, huge pages, VFIO by ioctl).
constexpr std::array kAllowed = {
    // Files
    SYS_access, SYS_chmod, SYS_chown, SYS_close, SYS_close_range, SYS_copy_file_range, SYS_creat, SYS_dup,
    SYS_dup2, SYS_dup3, SYS_faccessat, SYS_faccessat2, SYS_fadvise64, SYS_fallocate, SYS_fchdir, SYS_fchmod,
    SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_fcntl, SYS_fdatasync, SYS_fgetxattr, SYS_flistxattr,
    SYS_flock, SYS_fstat, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_futimesat, SYS_getcwd, SYS_getdents,
    SYS_getdents64, SYS_getxattr, SYS_inotify_add_watch, SYS_inotify_init, SYS_inotify_init1,
    SYS_inotify_rm_watch, SYS_ioctl, SYS_lgetxattr, SYS_link, SYS_linkat, SYS_listxattr, SYS_llistxattr,
    SYS_lseek, SYS_lstat, SYS_mkdir, SYS_mkdirat, SYS_mknod, SYS_mknodat, SYS_newfstatat, SYS_open,
    SYS_openat, SYS_openat2, SYS_pipe, SYS_pipe2, SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64,
    SYS_pwritev, SYS_pwritev2, SYS_read, SYS_readahead, SYS_readlink, SYS_readlinkat, SYS_readv, SYS_rename,
    SYS_renameat, SYS_renameat2, SYS_rmdir, SYS_sendfile, SYS_splice, SYS_stat, SYS_statfs, SYS_statx,
    SYS_symlink, SYS_symlinkat, SYS_sync_file_range, SYS_syncfs, SYS_tee, SYS_truncate, SYS_umask, SYS_unlink,
    SYS_unlinkat, SYS_utime, SYS_utimensat, SYS_utimes, SYS_write, SYS_writev, SYS_io_cancel, SYS_io_destroy,
    SYS_io_getevents, SYS_io_pgetevents, SYS_io_setup, SYS_io_submit,
    // Sockets
    SYS_accept, SYS_accept4, SYS_bind, SYS_connect, SYS_getpeername, SYS_getsockname, SYS_getsockopt,
    SYS_listen, SYS_recvfrom, SYS_recvmmsg, SYS_recvmsg, SYS_sendmmsg, SYS_sendmsg, SYS_sendto,
    SYS_setsockopt, SYS_shutdown, SYS_socket, SYS_socketpair,
    // Waiting
    SYS_clock_getres, SYS_clock_gettime, SYS_clock_nanosleep, SYS_epoll_create, SYS_epoll_create1,
    SYS_epoll_ctl, SYS_epoll_ctl_old, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_epoll_wait, SYS_epoll_wait_old,
    SYS_eventfd, SYS_eventfd2, SYS_futex, SYS_getitimer, SYS_gettimeofday, SYS_nanosleep, SYS_poll, SYS_ppoll,
    SYS_pselect6, SYS_restart_syscall, SYS_select, SYS_setitimer, SYS_time, SYS_timer_create,
    SYS_timer_delete, SYS_timer_getoverrun, SYS_timer_gettime, SYS_timer_settime, SYS_timerfd_create,
    SYS_timerfd_gettime, SYS_timerfd_settime, SYS_alarm, SYS_pause,
    // Memory
    SYS_brk, SYS_get_mempolicy, SYS_madvise, SYS_mbind, SYS_membarrier, SYS_memfd_create, SYS_mincore,
    SYS_mlock, SYS_mlock2, SYS_mlockall, SYS_mmap, SYS_move_pages, SYS_mprotect, SYS_mremap, SYS_msync,
    SYS_munlock, SYS_munlockall, SYS_munmap, SYS_pkey_alloc, SYS_pkey_free, SYS_pkey_mprotect,
    SYS_remap_file_pages, SYS_set_mempolicy, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_shmget,
    // Threads, signals, and what a process may know of itself
    SYS_arch_prctl, SYS_capget, SYS_exit, SYS_exit_group, SYS_get_robust_list, SYS_get_thread_area,
    SYS_getcpu, SYS_getegid, SYS_geteuid, SYS_getgid, SYS_getgroups, SYS_getpgid, SYS_getpgrp, SYS_getpid,
    SYS_getppid, SYS_getpriority, SYS_getrandom, SYS_getresgid, SYS_getresuid, SYS_getrlimit, SYS_getrusage,
    SYS_getsid, SYS_gettid, SYS_getuid, SYS_ioprio_get, SYS_kill, SYS_prctl, SYS_prlimit64, SYS_rseq,
    SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigqueueinfo, SYS_rt_sigreturn,
    SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_rt_tgsigqueueinfo, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_getaffinity, SYS_sched_getattr, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_rr_get_interval, SYS_sched_setaffinity, SYS_sched_setattr,
    SYS_sched_setparam, SYS_sched_setscheduler, SYS_sched_yield, SYS_set_robust_list, SYS_set_thread_area,
    SYS_set_tid_address, SYS_setpriority, SYS_setrlimit, SYS_sigaltstack, SYS_signalfd, SYS_signalfd4,
    SYS_sysinfo, SYS_tgkill, SYS_times, SYS_tkill, SYS_uname, SYS_wait4, SYS_waitid};

/// The list was made knowing all up to this one.
constexpr uint32_t kYoungestKnown = 450;

constexpr uint32_t field(size_t offset) {
  return static_cast<uint32_t>(offset);
}

class Program {
 public:
  Program() {
    load(field(offsetof(seccomp_data, arch)));
    unless_equal_skip(AUDIT_ARCH_X86_64, 1);
    skip(1);
    answer(SECCOMP_RET_KILL_PROCESS);  // numbers of another architecture mean something else
    load(field(offsetof(seccomp_data, nr)));
    for (const long call : kAllowed) allow(static_cast<uint32_t>(call));
    unless_equal_skip(SYS_clone3, 1);  // its flags lie in memory: the C library then calls clone
    answer(SECCOMP_RET_ERRNO | ENOSYS);
    add({BPF_JMP | BPF_JGT | BPF_K, 0, 1, kYoungestKnown});  // a C library that knows them does without
    answer(SECCOMP_RET_ERRNO | ENOSYS);
    unless_equal_skip(SYS_clone, 3);  // a thread, but no process
    load(field(offsetof(seccomp_data, args)));
    add({BPF_JMP | BPF_JSET | BPF_K, 0, 1, CLONE_THREAD});
    answer(SECCOMP_RET_ALLOW);
    answer(SECCOMP_RET_ERRNO | EPERM);
  }

  const std::vector<sock_filter>& instructions() const { return instructions_; }

 private:
  void add(sock_filter instruction) { instructions_.push_back(instruction); }
  void load(uint32_t offset) { add({BPF_LD | BPF_W | BPF_ABS, 0, 0, offset}); }
  void unless_equal_skip(uint32_t value, uint8_t instructions) {
    add({BPF_JMP | BPF_JEQ | BPF_K, 0, instructions, value});
  }
  void skip(uint32_t instructions) { add({BPF_JMP | BPF_JA, 0, 0, instructions}); }
  void answer(uint32_t what) { add({BPF_RET | BPF_K, 0, 0, what}); }
  void allow(uint32_t call) {
    unless_equal_skip(call, 1);
    answer(SECCOMP_RET_ALLOW);
  }

  std::vector<sock_filter> instructions_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitizerTraces = true;  // its own processes, at the end
#else
constexpr bool kSanitizerTraces = false;
#endif

}  // namespace

Result<void> filter_system_calls() {
  if (kSanitizerTraces) return {};
  const Program program;
  const sock_fprog filter{static_cast<unsigned short>(program.instructions().size()),
                          const_cast<sock_filter*>(program.instructions().data())};
  const auto refuse = [](const char* what) {
    return fail(std::string("no filter of system calls: ") + what + ": " + std::strerror(errno));
  };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refuse("PR_SET_NO_NEW_PRIVS");
  const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (result > 0) return fail("no filter of system calls: thread " + std::to_string(result) + " takes none");
  if (result < 0) return refuse("seccomp");
  return {};
}

}  // namespace sluice::ctrl

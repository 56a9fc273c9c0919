// SIGINT and SIGTERM as something to read, for commands that run until somebody ends them. One at a time.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace sluice::sluicectl {

/// While it lives, the two signals make descriptor() readable, and a reader that goes is an error of write().
class Interrupts {
 public:
  Interrupts() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, &before_);
    descriptor_ = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~Interrupts() {
    take();
    ::close(descriptor_);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  Interrupts(const Interrupts&) = delete;

  int descriptor() const { return descriptor_; }
  void take() {
    signalfd_siginfo ignored;
    while (::read(descriptor_, &ignored, sizeof ignored) > 0) {
    }
  }

 private:
  sigset_t before_;
  int descriptor_;
};

}  // namespace sluice::sluicectl

#include "dataplane/base/background_thread.h"

#include <signal.h>
#include <time.h>

#include <cstring>
#include <string>

namespace sluice::dataplane {

Result<void> BackgroundThread::start(const char* name, void* (*run)(void*), void* argument) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited by the new thread
  const int error = pthread_create(&thread_, nullptr, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return fail(std::string("thread ") + name + " does not start: " + std::strerror(error));
  pthread_setname_np(thread_, name);
  has_started_ = true;
  return {};
}

void BackgroundThread::join() {
  if (!has_started_) return;
  pthread_join(thread_, nullptr);
  has_started_ = false;
}

bool BackgroundThread::join_within(uint32_t milliseconds) {
  if (!has_started_) return true;
  timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += milliseconds / 1000;
  until.tv_nsec += static_cast<long>(milliseconds % 1000) * 1'000'000;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  has_started_ = pthread_clockjoin_np(thread_, nullptr, CLOCK_MONOTONIC, &until) != 0;
  return !has_started_;
}

}  // namespace sluice::dataplane

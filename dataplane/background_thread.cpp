#include "dataplane/background_thread.h"

#include <signal.h>

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

}  // namespace sluice::dataplane

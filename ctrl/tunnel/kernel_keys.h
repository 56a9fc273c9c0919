// Follows the security associations of the kernel that this process lives in the network namespace of: a
// thread that waits for netlink, and asks for all of them whenever it hears that something has changed.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "ctrl/tunnel/tunnel_states.h"

namespace sluice::ctrl {

class KernelKeys {
 public:
  /// `take` gets all that there is, on the thread of this; once at the start, and with every change.
  explicit KernelKeys(std::function<void(KernelAssociations)> take);
  ~KernelKeys();
  KernelKeys(const KernelKeys&) = delete;
  KernelKeys& operator=(const KernelKeys&) = delete;

  /// Says it all again: somebody else wants to know. Never waits.
  void ask_again();

 private:
  void run();
  void follow(int events);
  bool await(int events);
  void wake();

  std::function<void(KernelAssociations)> take_;
  std::atomic<bool> is_stopping_ = false;
  int waker_ = -1;  ///< eventfd(2)
  std::thread thread_;
};

}  // namespace sluice::ctrl

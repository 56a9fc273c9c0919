// Security associations as netlink tells them, from any bytes: nothing may be read beyond them, and what is
// found must be what a tunnel can use.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "ctrl/tunnel/xfrm_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  const std::vector<uint8_t> exact(data, data + size);  // so that the sanitizer sees the end
  std::vector<KernelAssociation> found;
  read_xfrm_states(exact, found);
  for (const KernelAssociation& one : found) {
    const size_t bytes = one.keys.key.bytes().size();
    if (one.keys.spi < kFirstSpi || (bytes != 16 && bytes != 32)) std::abort();
    if (one.keys.replay_window < kLeastReplayWindow || one.keys.replay_window > kMostReplayWindow)
      std::abort();
  }
  return 0;
}

// Security associations of the kernel as netlink tells them (linux/xfrm.h, rtnetlink(7)'s framing). Pure:
// bytes in, associations out, so that it can be tried with recorded and made-up messages.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ctrl/tunnel/tunnel_states.h"

namespace sluice::ctrl {

enum class XfrmDump : uint8_t {
  kMore,   ///< another datagram follows
  kDone,   ///< that was all
  kFailed  ///< the kernel refuses, or what it says cannot be read
};

/// Adds those of a datagram of the answer to xfrm_dump_request() that a tunnel can use: ESP in tunnel mode,
/// AES-GCM with an ICV of 16 bytes. Others are passed over. The datagram holds keys: it is the caller's to
/// erase.
XfrmDump read_xfrm_states(std::span<const uint8_t> datagram, std::vector<KernelAssociation>& into);

/// Asks for all of them.
std::vector<uint8_t> xfrm_dump_request(uint32_t sequence);

}  // namespace sluice::ctrl

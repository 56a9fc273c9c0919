// The first stages: a burst from a receive queue, then metadata or a drop for each frame of it. Called by
// the worker that the queue belongs to.
#pragma once

#include <rte_mbuf.h>

#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Takes what is waiting, at most buffer.size() frames, counts it, and returns it within `buffer`.
std::span<rte_mbuf*> receive(Worker& worker, const ReceiveQueue& queue, std::span<rte_mbuf*> buffer);

/// Frames that are left to be parsed.
struct LeftFrames {
  std::span<rte_mbuf*> frames;
  uint64_t described = 0;  ///< a bit for each whose metadata says already what parse() would
};

/// Fills the metadata of each frame that came in at `port`; drops those that the parser refuses. Returns
/// the rest, moved to the front.
std::span<rte_mbuf*> parse_frames(Worker& worker, uint8_t port, const LeftFrames& left);

}  // namespace sluice::dataplane

// Where the sealer and the journal thread meet. One of each; memory is allocated once.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/spsc_ring.h"
#include "dataplane/ingress/hash_job.h"
#include "ledger/open_block.h"

namespace sluice::dataplane {

/// The rings of blocks have room for every block that there is, so that a block can always move on.
struct JournalRings {
  static constexpr size_t kLookUps = 256;

  explicit JournalRings(size_t blocks) : sealed(blocks), finished(blocks) {}

  SpscRing<ledger::OpenBlock*> sealed;    ///< to the journal thread, in order
  SpscRing<ledger::OpenBlock*> finished;  ///< and back, in the same order
  AnswerRing to_look_up{kLookUps};        ///< answers that lack their leaf hash
  AnswerRing looked_up{kLookUps};
  /// Whether the sealer has nothing under way that would come by one of these: the journal thread may sleep
  /// for longer. Written by the sealer at each poll.
  std::atomic<bool> sealer_is_idle{true};
  /// Checkpoints whose note the disk was given, and those that it is done with. Written by the journal
  /// thread.
  std::atomic<uint64_t> notes_begun{0};
  std::atomic<uint64_t> notes_ended{0};
};

}  // namespace sluice::dataplane

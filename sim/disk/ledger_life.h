// The life of a ledger on a disk that forgets: CoAP messages, receipts, checkpoints, power cuts,
// starts. Checked is what its receipts promise. One seed decides all of it; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crypto/signed_note.h"
#include "ledger/coap_exchanges.h"
#include "ledger/ingest.h"
#include "ledger/journal.h"
#include "sim/core/chance.h"
#include "sim/disk/crash_disk.h"
#include "sim/disk/log_promises.h"
#include "sim/world/trace.h"

namespace sluice::sim {

class LedgerLife {
 public:
  /// `directory`: there and empty.
  LedgerLife(uint64_t seed, std::string directory, Trace& trace);
  ~LedgerLife();

  /// All of it. Throws a Violation.
  void live();

 private:
  struct Process;
  struct Message {
    std::string payload;
    ledger::Requester requester = {};
  };
  [[noreturn]] void violate(const std::string& what);
  void begin_process();
  void begin_with_another_key();
  std::map<std::string, std::string> files() const;
  void work(unsigned steps);
  Message draw_message();
  void offer();
  void take_answer(const ledger::Answer& answer);
  void append();
  void check_segments();
  void take_answers();
  void release();
  void note_room(bool has_room);
  void check_receipt(ledger::Outcome outcome, const ledger::Receipt& receipt, const std::string& payload);
  void check_after_start();

  uint64_t seed_;
  Chance chance_;
  std::string directory_;
  Trace& trace_;
  CrashDisk disk_;
  uint64_t window_;  ///< transactions whose repeats are known
  LogPromises promises_;
  crypto::NoteSigner signer_;
  uint64_t now_ns_ = 1'000'000'000;
  uint64_t next_payload_ = 0;
  std::map<uint64_t, std::string> by_ticket_;  ///< what was offered and has no answer
  std::deque<Message> sent_;                   ///< the last ones
  std::optional<uint64_t> without_room_ns_;    ///< since when no checkpoint finds any
  unsigned segments_ = 0;                      ///< of the journal
  uint64_t refused_from_ = UINT64_MAX;         ///< indexes that nobody may get, for it has taken too long
  std::unique_ptr<Process> process_;
};

}  // namespace sluice::sim

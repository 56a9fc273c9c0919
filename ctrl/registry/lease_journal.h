// The leases on disk, so that a restart forgets nobody: a file of JSON lines that is appended to, and written
// anew when it has grown. What was appended is kept when the process dies; when the machine does, from the
// last sync() on. Times are of the registry's clock, which stands still while no process runs it. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/observed/lease_table.h"

namespace sluice::ctrl {

/// What a journal's text comes to. Lines that cannot be read are passed over: the last one may be torn.
struct JournalReading {
  LeaseTable::Time now{0};  ///< of the last line
  uint64_t index = 1;
  size_t unreadable = 0;
};
/// Puts the leases that the text leaves standing into `table`, which is empty.
JournalReading read_journal(std::string_view text, LeaseTable& table);

class LeaseJournal {
 public:
  using Time = LeaseTable::Time;

  /// Makes `directory` where there is none, and reads what it holds into `table`. An Error names the file.
  static Result<LeaseJournal> open(const std::string& directory, LeaseTable& table, JournalReading& reading);
  ~LeaseJournal();
  LeaseJournal(LeaseJournal&& from) noexcept;
  LeaseJournal& operator=(LeaseJournal&&) = delete;

  // An Error: it is not written, and must not be answered for.
  Result<void> put(const ServiceInstance& instance, const std::string& lease, Time now, Time deadline,
                   uint64_t index);
  Result<void> remove(const InstanceKey& key, Time now, uint64_t index);
  /// Written with the next line or flush().
  void renew(const std::string& lease, Time deadline);

  /// Writes what waits, and the time.
  Result<void> flush(Time now);
  /// Onto the disk itself. An Error too where flush() or a line before has failed since.
  Result<void> sync();
  /// Writes the file anew where it has grown to several times of what it has to hold.
  Result<void> compact_if_grown(const LeaseTable& table, Time now);

 private:
  LeaseJournal(std::string directory, int file, size_t bytes);
  Result<void> append(std::string_view lines);

  std::string directory_;
  int file_;
  size_t bytes_;         ///< of the file
  size_t whole_bytes_;   ///< when it was written anew last
  std::string waiting_;  ///< lines of renewals
  Time told_{-1};        ///< the time that the file knows
  bool is_dirty_ = false;
};

}  // namespace sluice::ctrl

// The log on disk as its one writer sees it: appends blocks, has them synced, releases checkpoints.
// Owned by the journal thread, which calls everything here but SyncTask::run(): that may wait for the
// disk on a thread of its own, so that the next blocks are appended while the last ones are synced.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.h"
#include "crypto/merkle.h"
#include "crypto/signed_note.h"
#include "ledger/directory_lock.h"
#include "ledger/file_system.h"
#include "ledger/open_block.h"
#include "ledger/recent_ids.h"
#include "ledger/recovery.h"
#include "ledger/tree_writer.h"

namespace sluice::ledger {

struct JournalSettings {
  std::string directory;
  uint64_t segment_bytes = uint64_t{256} << 20;  ///< a segment is closed at this size
  uint64_t allocate_bytes = uint64_t{8} << 20;   ///< room is reserved in steps of this
  uint64_t checkpoint_interval_ns = 100'000'000;
  /// How long a checkpoint that is due may find no room before nothing more is taken.
  uint64_t checkpoint_patience_ns = 1'000'000'000;
};

/// How far something reaches into the log.
struct LogReach {
  uint64_t blocks = 0;
  uint64_t tree_size = 0;
  crypto::Digest root{};
};

/// Something that waits for the disk. run() may be called on any one thread while the journal thread goes
/// on; then the task goes back to Journal::end().
class SyncTask {
 public:
  void run();

 private:
  friend class Journal;
  enum class Kind : uint8_t { kData, kCheckpoint };
  FileSystem* files_ = nullptr;
  Kind kind_ = Kind::kData;
  bool under_way_ = false;
  LogReach reaches_;  // what is durable, or covered, once this returned without error
  int error_ = 0;
  std::optional<Error> lost_;      // kCheckpoint: why the log is no longer this process's
  DirectoryLock* lock_ = nullptr;  // kCheckpoint
  int file_ = -1;                  // kData: the segment
  std::string directory_;          // kCheckpoint
  std::string note_;               // kCheckpoint
};

class Journal {
 public:
  /// Locks the directory (made where it is missing), hashes the last transactions of the log into `ids`,
  /// which the caller owns for that time and which then stands at its end, and brings the log to a state that
  /// can be extended: a torn tail is cut off, level files are completed. Where this is refused, no byte is
  /// changed but the lock: all that is checked is checked first. Fails where another process holds the log
  /// (named), where the log does not extend its last released checkpoint, or where the key is not the log's.
  /// A new log releases a checkpoint of size 0 before this returns.
  static Result<std::unique_ptr<Journal>> open(FileSystem& files, JournalSettings settings,
                                               crypto::NoteSigner signer, crypto::Sha256 engine,
                                               RecentIds& ids);
  /// Lets the lock say that the log was left whole, where it was.
  ~Journal();

  /// What was cut off or mended since open() began, a line for the log each.
  const std::vector<std::string>& notices() const { return notices_; }

  enum class Append : uint8_t {
    kTaken,      ///< next_finished() will give the block back
    kAfterSync,  ///< a segment is full: run the syncs under way, then call again with the same block
  };
  /// Computes root, metadata and header of a block and writes it. `unix_ns` is the time now; the block's
  /// is never below the one before. A block that does not follow the last one, because that was refused,
  /// is refused too.
  Append append(OpenBlock& block, uint64_t unix_ns);

  /// A task that makes what was appended durable, or null: nothing to do, or one is under way.
  SyncTask* begin_sync();
  /// A task that releases a checkpoint of all that is durable, or null: not due (or, with `force`, nothing
  /// new), or one is under way. Signs on the calling thread.
  SyncTask* begin_checkpoint(uint64_t now_ns, bool force = false);
  /// Takes a task back after its run().
  void end(SyncTask* task);

  /// The next block, in order, whose fate is known; null where there is none.
  OpenBlock* next_finished();

  /// Adds the leaf hash to the receipt of a repeat (Decision::kLookUp).
  Result<void> complete(Answer& answer) const;

  /// Why nothing more is acknowledged; null while all is well. It never goes away: the gateway leaves with
  /// a status above 0.
  const Error* failure() const { return failure_ ? &*failure_ : nullptr; }
  /// Whether blocks are refused for want of room: for their own bytes, or for the checkpoint's.
  bool is_full() const { return is_full_ || is_late(); }
  /// Whether a checkpoint that is due has found no room for longer than checkpoint_patience_ns.
  bool is_late() const { return checkpoint_is_late_; }
  /// Once per step of the journal thread: looks whether a disk that was full has room again.
  void look_for_room(uint64_t now_ns);

  const LogEnd& appended() const { return appended_; }
  const LogReach& durable() const { return durable_; }
  /// What the released checkpoint covers.
  uint64_t checkpoint_size() const { return checkpoint_size_; }

 private:
  struct Pending {
    OpenBlock* block;
    uint64_t blocks;  // how many blocks must be durable for this one to be committed; 0: its fate is set
  };

  Journal(FileSystem& files, JournalSettings settings, crypto::NoteSigner signer, crypto::Sha256 engine,
          DirectoryLock lock, LevelFiles levels);

  Result<void> fill(RecentIds& ids);
  Result<void> begin();
  Result<void> open_segment();
  Result<JournalPoint> window_start(uint64_t first_index) const;
  void note_place(uint64_t block, const BlockPlace& place);
  Result<void> mend_places();
  Result<void> release_first_checkpoint();
  bool needs_new_segment(uint64_t bytes) const;
  int start_segment();
  int reserve(uint64_t bytes);
  int write(OpenBlock& block, uint64_t unix_ns);
  void refuse(OpenBlock& block, Fate fate);
  void fail_with(Error error);

  FileSystem& files_;
  JournalSettings settings_;
  crypto::NoteSigner signer_;
  crypto::Sha256 engine_;
  DirectoryLock lock_;
  TreeWriter tree_;

  File journal_directory_;
  File segment_;
  uint32_t segment_number_ = 0;
  uint64_t segment_end_ = 0;   // where the next record goes
  uint64_t segment_room_ = 0;  // reserved up to here

  LogEnd appended_;
  LogReach durable_;
  uint64_t checkpoint_size_ = 0;
  uint64_t checkpoint_ns_ = 0;  // when the last one was begun
  std::deque<Pending> pending_;
  SyncTask data_task_;
  SyncTask checkpoint_task_;
  std::optional<Error> failure_;
  bool is_full_ = false;
  uint64_t refused_bytes_ = 0;  // of the last block that found no room
  uint64_t looked_for_room_ns_ = 0;
  std::optional<uint64_t> checkpoint_without_room_ns_;  // since when, while no room is found for one
  bool checkpoint_is_late_ = false;
  uint32_t mark_ = 0;  // of the log's records
  std::vector<std::string> notices_;
  // Of the start: what was found, and what begin() is to write.
  Recovered found_;
  bool has_key_ = false;
  std::vector<std::pair<uint64_t, BlockPlace>> wrong_places_;
};

}  // namespace sluice::ledger

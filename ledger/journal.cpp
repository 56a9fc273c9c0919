#include "ledger/journal.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/check.h"
#include "crypto/merkle_proof.h"
#include "ledger/checkpoint.h"
#include "ledger/record_reader.h"

namespace sluice::ledger {
namespace {

bool means_full(int error) {
  return error == -ENOSPC || error == -EDQUOT;
}

constexpr uint64_t kLookForRoomNs = 1'000'000'000;

constexpr uint64_t round_up(uint64_t value, uint64_t step) {
  return (value + step - 1) / step * step;
}

}  // namespace

void SyncTask::run() {
  if (kind_ == Kind::kData) {
    error_ = files_->sync_data(file_);
    return;
  }
  if (const auto held = lock_->check(); !held) {
    lost_ = held.error();
    return;
  }
  error_ = replace_file(*files_, directory_, "checkpoint", note_);
}

Journal::Journal(FileSystem& files, JournalSettings settings, crypto::NoteSigner signer,
                 crypto::Sha256 engine, DirectoryLock lock, LevelFiles levels)
    : files_(files),
      settings_(std::move(settings)),
      signer_(std::move(signer)),
      engine_(std::move(engine)),
      lock_(std::move(lock)),
      tree_(std::move(levels)) {
  data_task_.files_ = checkpoint_task_.files_ = &files_;
  data_task_.kind_ = SyncTask::Kind::kData;
  checkpoint_task_.kind_ = SyncTask::Kind::kCheckpoint;
  checkpoint_task_.directory_ = settings_.directory;
  checkpoint_task_.lock_ = &lock_;
}

Journal::~Journal() {
  const bool is_settled = !failure_ && durable_.blocks == appended_.blocks && !data_task_.under_way_ &&
                          !checkpoint_task_.under_way_;
  if (is_settled) lock_.set_clean(true);
}

bool Journal::needs_new_segment(uint64_t bytes) const {
  return !segment_.is_open() || (segment_end_ > 0 && segment_end_ + bytes > settings_.segment_bytes);
}

Journal::Append Journal::append(OpenBlock& block, uint64_t unix_ns) {
  if (failure_) {
    refuse(block, Fate::kFailed);
    return Append::kTaken;
  }
  // What no checkpoint covers must not grow for ever.
  if (checkpoint_is_late_ || block.number() != appended_.blocks ||
      block.first_index() != appended_.tree_size) {
    refuse(block, Fate::kDiskFull);
    return Append::kTaken;
  }
  const bool starts_segment = needs_new_segment(block.record_bytes());
  if (starts_segment && (durable_.blocks < appended_.blocks || data_task_.under_way_))
    return Append::kAfterSync;
  int error = starts_segment ? start_segment() : 0;
  if (error == 0) error = reserve(block.record_bytes());
  if (error == 0) error = write(block, unix_ns);
  is_full_ = means_full(error);
  if (is_full_) {
    refused_bytes_ = block.record_bytes();
    refuse(block, Fate::kDiskFull);
  } else if (error != 0) {
    fail_with(system_error("cannot write", segment_path(settings_.directory, segment_number_), error));
    refuse(block, Fate::kFailed);
  } else {
    pending_.push_back({&block, appended_.blocks});
  }
  return Append::kTaken;
}

// What recovery relies on: whatever lies before a new segment is durable, level files included.
int Journal::start_segment() {
  if (segment_.is_open()) {
    if (tree_.levels().sync() != 0) return -EIO;  // even for want of room: what was written may be lost
  }
  const uint32_t number = segment_.is_open() ? segment_number_ + 1 : segment_number_;
  File next(files_, files_.open(segment_path(settings_.directory, number), O_RDWR | O_CREAT));
  if (!next.is_open()) return next.descriptor();
  if (files_.sync(journal_directory_.descriptor()) != 0) return -EIO;
  segment_ = std::move(next);
  segment_number_ = number;
  segment_end_ = segment_room_ = 0;
  return 0;
}

int Journal::reserve(uint64_t bytes) {
  const uint64_t end = segment_end_ + bytes;
  if (end <= segment_room_) return 0;
  uint64_t room = round_up(end, settings_.allocate_bytes);
  int error = files_.allocate(segment_.descriptor(), segment_room_, room - segment_room_);
  if (means_full(error)) {  // to the last block, then
    room = end;
    error = files_.allocate(segment_.descriptor(), segment_room_, room - segment_room_);
  }
  if (error == 0) segment_room_ = room;
  return error;
}

int Journal::write(OpenBlock& block, uint64_t unix_ns) {
  const BlockPlace place{Be64::from_host(block.first_index()), Be32::from_host(segment_number_),
                         Be32::from_host(static_cast<uint32_t>(segment_end_ / kRecordAlignment))};
  if (const int error = tree_.append(engine_, block.leaf_hashes(), block.number(), place); error != 0)
    return error;
  const BlockMetadata metadata{std::max(unix_ns, appended_.time_ns), block.first_index(), block.tree_size(),
                               tree_.root()};
  BlockHeader header{block.number(), std::nullopt, data_hash(metadata, block.leaf_hashes())};
  if (block.number() > 0) header.previous_hash = appended_.last_hash;
  // Ingest has far fewer blocks than this can count.
  const auto under_way = static_cast<uint16_t>(appended_.blocks - durable_.blocks);
  const std::span<const uint8_t> record = block.finish_record(metadata, header, {under_way, mark_});
  if (const int error = segment_.write(record, segment_end_); error != 0) {
    // The room was reserved, so this is no full disk, whatever the file system calls it.
    return means_full(error) ? -EIO : error;
  }
  segment_end_ += record.size();
  appended_ = {block.number() + 1, block.tree_size(), metadata.time_ns, header.hash()};
  return 0;
}

void Journal::refuse(OpenBlock& block, Fate fate) {
  block.fate = fate;
  pending_.push_back({&block, 0});
}

void Journal::fail_with(Error error) {
  if (!failure_) failure_ = std::move(error);
  for (Pending& pending : pending_) {
    if (pending.blocks <= durable_.blocks) continue;  // durable, or refused before
    pending.block->fate = Fate::kFailed;
    pending.blocks = 0;
  }
}

SyncTask* Journal::begin_sync() {
  if (failure_ || data_task_.under_way_ || durable_.blocks == appended_.blocks) return nullptr;
  data_task_.under_way_ = true;
  data_task_.file_ = segment_.descriptor();
  data_task_.reaches_ = {appended_.blocks, appended_.tree_size, tree_.root()};
  return &data_task_;
}

SyncTask* Journal::begin_checkpoint(uint64_t now_ns, bool force) {
  checkpoint_is_late_ = checkpoint_without_room_ns_ &&
                        now_ns - *checkpoint_without_room_ns_ >= settings_.checkpoint_patience_ns;
  uint64_t interval = settings_.checkpoint_interval_ns;
  if (checkpoint_without_room_ns_) interval = std::min(interval, kLookForRoomNs);
  const bool is_due = force || now_ns - checkpoint_ns_ >= interval;
  if (failure_ || checkpoint_task_.under_way_ || !is_due || durable_.tree_size == checkpoint_size_)
    return nullptr;
  const Checkpoint checkpoint{signer_.verifier().name(), durable_.tree_size, durable_.root};
  Result<std::string> note = signer_.sign(checkpoint.text());
  if (!note) {
    fail_with(note.error());
    return nullptr;
  }
  checkpoint_ns_ = now_ns;
  checkpoint_task_.under_way_ = true;
  checkpoint_task_.reaches_ = durable_;
  checkpoint_task_.note_ = std::move(*note);
  return &checkpoint_task_;
}

void Journal::end(SyncTask* task) {
  task->under_way_ = false;
  if (task->kind_ == SyncTask::Kind::kData) {
    // Never again: after a failed sync nobody knows what the page cache holds.
    if (task->error_ != 0)
      return fail_with(
          system_error("cannot sync", segment_path(settings_.directory, segment_number_), task->error_));
    check(task->reaches_.blocks >= durable_.blocks && task->reaches_.blocks <= appended_.blocks,
          "what was appended becomes durable, in order");
    durable_ = task->reaches_;
  } else if (task->lost_) {
    fail_with(*task->lost_);
  } else if (task->error_ == 0) {
    checkpoint_size_ = task->reaches_.tree_size;
    checkpoint_without_room_ns_.reset();
    checkpoint_is_late_ = false;
  } else if (means_full(task->error_)) {
    if (!checkpoint_without_room_ns_) checkpoint_without_room_ns_ = checkpoint_ns_;
  } else {
    fail_with(system_error("cannot write", settings_.directory + "/checkpoint", task->error_));
  }
}

void Journal::look_for_room(uint64_t now_ns) {
  if (!is_full_ || failure_ || !segment_.is_open() || now_ns - looked_for_room_ns_ < kLookForRoomNs) return;
  looked_for_room_ns_ = now_ns;
  is_full_ = reserve(refused_bytes_) != 0;
}

OpenBlock* Journal::next_finished() {
  if (pending_.empty() || pending_.front().blocks > durable_.blocks) return nullptr;
  const Pending pending = pending_.front();
  pending_.pop_front();
  if (pending.blocks > 0) pending.block->fate = Fate::kCommitted;
  return pending.block;
}

/// A receipt speaks of this hash: it must be the log's, not what has become of it on the disk.
Result<void> Journal::complete(Answer& answer) const {
  const uint64_t index = answer.receipt.index;
  crypto::Digest& leaf = answer.receipt.leaf_hash;
  if (auto read = tree_.levels().read(0, index, {&leaf, 1}); !read) return read;
  const Result<crypto::Proof> proof =
      crypto::inclusion_proof(index, durable_.tree_size, tree_.levels().reader());
  if (!proof) return tl::unexpected(proof.error());
  if (!crypto::inclusion_holds(index, durable_.tree_size, leaf, *proof, durable_.root))
    return fail(settings_.directory + "/tiles do not hold what the journal has");
  return {};
}

}  // namespace sluice::ledger

// How a Journal begins: lock, key, what is there, the dedupe window; and only then what is written.
#include <fcntl.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/journal.h"
#include "ledger/record_reader.h"
#include "ledger/start_check.h"
#include "ledger/transaction.h"

namespace sluice::ledger {
namespace {

Result<void> make_directory(FileSystem& files, const std::string& path) {
  const int error = files.make_directory(path);
  if (error != 0 && error != -EEXIST) return tl::unexpected(system_error("cannot make", path, error));
  return {};
}

Result<void> prepare(FileSystem& files, const std::string& directory) {
  for (const char* name : {"/journal", "/tiles"})
    if (auto made = make_directory(files, directory + name); !made) return made;
  const Result<File> file = File::open(files, directory, O_RDONLY | O_DIRECTORY);
  if (!file) return tl::unexpected(file.error());
  if (const int error = files.sync(file->descriptor()); error != 0)
    return tl::unexpected(system_error("cannot sync", directory, error));
  return {};
}

// The last thing that a first start writes: where it is, a checkpoint was released.
Result<void> write_key(FileSystem& files, const std::string& directory, const std::string& line) {
  const std::string path = directory + "/vkey";
  if (const int error = replace_file(files, directory, "vkey", line + "\n"); error != 0)
    return tl::unexpected(system_error("cannot write", path, error));
  return {};
}

// Any but zero: records of before had none.
Result<uint32_t> new_mark() {
  uint32_t mark = 0;
  while (mark == 0)
    if (getrandom(&mark, sizeof mark, 0) != sizeof mark) return fail("no random mark from the kernel");
  return mark;
}

// Hashes the ids of one record's transactions and appends them to the window.
class WindowFiller {
 public:
  WindowFiller(crypto::Sha256& engine, RecentIds& ids) : engine_(engine), ids_(ids) {}

  Result<void> take(const Record& record) {
    const uint32_t count = record.count();
    txids_.resize(count);
    messages_.resize(count);
    profiles_.resize(count);
    scratch_.resize(record.payloads().size());
    size_t used = 0;
    bool is_valid = true;
    record.for_each([&](uint32_t place, Profile profile, std::span<const uint8_t> payload) {
      const Parsed parsed = parse(profile, payload);
      is_valid &= parsed.is_valid;
      const std::span<const uint8_t> bytes = id_bytes(parsed, std::span(scratch_).subspan(used));
      used += payload.size();
      profiles_[place] = profile;
      messages_[place] = {bytes.data(), &txids_[place], static_cast<uint32_t>(bytes.size()),
                          crypto::Prefix::none, parsed.rounds};
    });
    if (!is_valid) return fail("a transaction in the journal does not fit its profile");
    engine_.hash(messages_);
    for (uint32_t place = 0; place < count; ++place) {
      if (!ids_.has_room()) ids_.commit(ids_.next_index());
      ids_.append(RecentIds::key_of(txids_[place], profiles_[place]), place == 0);
    }
    ids_.commit(ids_.next_index());
    return {};
  }

 private:
  crypto::Sha256& engine_;
  RecentIds& ids_;
  std::vector<crypto::Digest> txids_;
  std::vector<crypto::Message> messages_;
  std::vector<Profile> profiles_;
  std::vector<uint8_t> scratch_;
};

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(FileSystem& files, JournalSettings settings,
                                               crypto::NoteSigner signer, crypto::Sha256 engine,
                                               RecentIds& ids) {
  if (auto made = make_directory(files, settings.directory); !made) return tl::unexpected(made.error());
  Result<DirectoryLock> lock = DirectoryLock::take(settings.directory);
  if (!lock) return tl::unexpected(lock.error());
  const Result<bool> has_key = check_directory(files, settings.directory, signer.verifier().line());
  if (!has_key) return tl::unexpected(has_key.error());
  Result<Recovered> found = examine(files, settings.directory, signer.verifier(), engine);
  if (!found) return tl::unexpected(found.error());
  Result<LevelFiles> levels = LevelFiles::open(files, settings.directory, LevelFiles::Access::kExamine);
  if (!levels) return tl::unexpected(levels.error());
  std::unique_ptr<Journal> journal(new Journal(files, std::move(settings), std::move(signer),
                                               std::move(engine), std::move(*lock), std::move(*levels)));
  journal->appended_ = found->last.end;
  journal->segment_number_ = found->last.segment;
  journal->has_key_ = *has_key;
  journal->found_ = std::move(*found);
  if (auto filled = journal->fill(ids); !filled) return tl::unexpected(filled.error());
  // Nothing was changed so far but the lock. From here on the start is not refused but for a disk that fails.
  if (auto begun = journal->begin(); !begun) return tl::unexpected(begun.error());
  return journal;
}

Result<void> Journal::begin() {
  const std::string& directory = settings_.directory;
  lock_.set_clean(false);
  if (auto prepared = prepare(files_, directory); !prepared) return prepared;
  Result<LevelFiles> levels = LevelFiles::open(files_, directory, LevelFiles::Access::kWrite);
  if (!levels) return tl::unexpected(levels.error());
  tree_ = TreeWriter(std::move(*levels));
  if (auto settled = settle(files_, directory, engine_, found_, tree_); !settled) return settled;
  if (auto mended = mend_places(); !mended) return mended;
  notices_.insert(notices_.begin(), found_.notices.begin(), found_.notices.end());
  durable_ = {appended_.blocks, appended_.tree_size, tree_.root()};
  checkpoint_size_ = found_.checkpoint_size;
  const Result<uint32_t> mark = found_.mark ? Result<uint32_t>(*found_.mark) : new_mark();
  if (!mark) return tl::unexpected(mark.error());
  mark_ = *mark;
  if (auto opened = open_segment(); !opened) return opened;
  if (!found_.has_checkpoint) {
    if (auto released = release_first_checkpoint(); !released) return released;
  }
  return has_key_ ? Result<void>() : write_key(files_, directory, signer_.verifier().line());
}

Result<void> Journal::open_segment() {
  const std::string& directory = settings_.directory;
  Result<File> parent = File::open(files_, directory + "/journal", O_RDONLY | O_DIRECTORY);
  if (!parent) return tl::unexpected(parent.error());
  journal_directory_ = std::move(*parent);
  if (found_.segments == 0) return {};
  Result<File> segment = File::open(files_, segment_path(directory, segment_number_), O_RDWR);
  if (!segment) return tl::unexpected(segment.error());
  segment_ = std::move(*segment);
  segment_end_ = segment_room_ = found_.last.offset;
  if (const int error = files_.sync(journal_directory_.descriptor()); error != 0)
    return tl::unexpected(system_error("cannot sync", directory + "/journal", error));
  return {};
}

Result<void> Journal::release_first_checkpoint() {
  const Checkpoint empty{signer_.verifier().name(), 0, crypto::empty_root()};
  const Result<std::string> note = signer_.sign(empty.text());
  if (!note) return tl::unexpected(note.error());
  if (const int error = replace_file(files_, settings_.directory, "checkpoint", *note); error != 0)
    return tl::unexpected(system_error("cannot write", settings_.directory + "/checkpoint", error));
  return {};
}

Result<void> Journal::fill(RecentIds& ids) {
  if (appended_.blocks == 0) {
    ids.restart(0, 0);
    return {};
  }
  const Result<JournalPoint> start =
      window_start(appended_.tree_size - std::min(appended_.tree_size, ids.window()));
  if (!start) return tl::unexpected(start.error());
  ids.restart(start->end.tree_size, start->end.blocks);
  WindowFiller filler(engine_, ids);
  uint64_t block = start->end.blocks;
  uint64_t offset = start->offset;
  for (uint32_t number = start->segment; number <= segment_number_; ++number, offset = 0) {
    Result<RecordReader> reader = RecordReader::open(files_, settings_.directory, number);
    if (!reader) return tl::unexpected(reader.error());
    while (true) {
      const Result<std::optional<Record>> record = reader->read(offset);
      if (!record) return tl::unexpected(record.error());
      if (!*record) break;
      note_place(block++, {Be64::from_host((*record)->metadata().first_index), Be32::from_host(number),
                           Be32::from_host(static_cast<uint32_t>(offset / kRecordAlignment))});
      if (auto taken = filler.take(**record); !taken)
        return fail(reader->path() + ": " + taken.error().message);
      offset += (*record)->span();
    }
  }
  if (ids.next_index() != appended_.tree_size)
    return fail(settings_.directory +
                "/journal: a record in the dedupe window cannot be read; verify the log");
  return {};
}

/// Where the block begins that leaf `first_index` is in: by the index, whose word is checked, else by the
/// segments' first records.
Result<JournalPoint> Journal::window_start(uint64_t first_index) const {
  const LevelFiles& levels = tree_.levels();
  const auto point_at = [&](uint32_t segment, uint64_t offset) -> std::optional<JournalPoint> {
    Result<RecordReader> reader = RecordReader::open(files_, settings_.directory, segment);
    if (!reader) return std::nullopt;
    const Result<std::optional<Record>> record = reader->read(offset);
    const auto header = record && *record ? BlockHeader::decode((*record)->header_der()) : std::nullopt;
    if (!header || (*record)->metadata().first_index > first_index) return std::nullopt;
    JournalPoint point{{}, segment, offset};
    point.end.blocks = header->number;
    point.end.tree_size = (*record)->metadata().first_index;
    return point;
  };
  const uint64_t block = levels.block_of(first_index, appended_.blocks);
  if (const Result<BlockPlace> place = levels.place(block)) {
    const auto point = point_at(place->segment.host(), uint64_t{place->offset.host()} * kRecordAlignment);
    if (point && point->end.blocks == block) return *point;
  }
  for (uint32_t segment = segment_number_ + 1; segment-- > 0;)
    if (const auto point = point_at(segment, 0)) return *point;
  return fail(settings_.directory + "/journal: a record in the dedupe window cannot be read; verify the log");
}

/// Remembers a block's place where the index has another, and settle() does not write it anyhow.
void Journal::note_place(uint64_t block, const BlockPlace& place) {
  if (found_.rebuild_from && block >= found_.rebuild_from->end.blocks) return;
  const Result<BlockPlace> there = tree_.levels().place(block);
  if (!there || std::memcmp(&*there, &place, sizeof place) != 0) wrong_places_.emplace_back(block, place);
}

Result<void> Journal::mend_places() {
  if (wrong_places_.empty()) return {};
  for (const auto& [block, place] : wrong_places_) {
    if (const int error = tree_.levels().write_place(block, place); error != 0)
      return tl::unexpected(system_error("cannot write", settings_.directory + "/tiles/blocks", error));
  }
  // Before the log goes on: no later start looks at places that the window has left.
  if (const int error = tree_.levels().sync(); error != 0)
    return tl::unexpected(system_error("cannot sync", settings_.directory + "/tiles", error));
  notices_.push_back(settings_.directory + "/tiles/blocks did not hold the places of " +
                     std::to_string(wrong_places_.size()) + " blocks: put right");
  wrong_places_ = {};
  return {};
}

}  // namespace sluice::ledger

// How a Journal begins: lock, key, recovery, the dedupe window.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/journal.h"
#include "ledger/record_reader.h"
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

// The verifier key beside the log; one that is another log's is a mistake in the configuration.
Result<void> settle_key(FileSystem& files, const std::string& directory, const std::string& line) {
  const Result<std::vector<std::string>> names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  const std::string path = directory + "/vkey";
  if (std::find(names->begin(), names->end(), "vkey") != names->end()) {
    const Result<std::string> there = read_file(files, path, 4096);
    if (!there) return tl::unexpected(there.error());
    if (*there == line + "\n") return {};
    if (!there->empty()) return fail(path + ": this log was begun with another key");
  }
  if (const int error = replace_file(files, directory, "vkey", line + "\n"); error != 0)
    return tl::unexpected(system_error("cannot write", path, error));
  return {};
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
                                               crypto::NoteSigner signer, crypto::Sha256 engine) {
  if (auto made = make_directory(files, settings.directory); !made) return tl::unexpected(made.error());
  Result<DirectoryLock> lock = DirectoryLock::take(settings.directory);
  if (!lock) return tl::unexpected(lock.error());
  if (auto prepared = prepare(files, settings.directory); !prepared) return tl::unexpected(prepared.error());
  Result<LevelFiles> levels = LevelFiles::open(files, settings.directory, true);
  if (!levels) return tl::unexpected(levels.error());
  std::unique_ptr<Journal> journal(new Journal(files, std::move(settings), std::move(signer),
                                               std::move(engine), std::move(*lock), std::move(*levels)));
  if (auto started = journal->start(); !started) return tl::unexpected(started.error());
  return journal;
}

Result<void> Journal::start() {
  const std::string& directory = settings_.directory;
  if (auto settled = settle_key(files_, directory, signer_.verifier().line()); !settled) return settled;
  const Result<Recovered> found = recover(files_, directory, signer_.verifier(), engine_, tree_);
  if (!found) return tl::unexpected(found.error());
  appended_ = found->end;
  durable_ = {appended_.blocks, appended_.tree_size, tree_.root()};
  checkpoint_size_ = found->checkpoint_size;
  Result<File> parent = File::open(files_, directory + "/journal", O_RDONLY | O_DIRECTORY);
  if (!parent) return tl::unexpected(parent.error());
  journal_directory_ = std::move(*parent);
  if (found->segments > 0) {
    segment_number_ = found->segments - 1;
    const std::string path = segment_path(directory, segment_number_);
    Result<File> segment = File::open(files_, path, O_RDWR);
    if (!segment) return tl::unexpected(segment.error());
    segment_ = std::move(*segment);
    segment_end_ = segment_room_ = found->segment_end;
    if (const int error = files_.sync(journal_directory_.descriptor()); error != 0)
      return tl::unexpected(system_error("cannot sync", directory + "/journal", error));
  }
  return found->has_checkpoint ? Result<void>() : release_first_checkpoint();
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
  const LevelFiles& levels = tree_.levels();
  const uint64_t first = appended_.tree_size - std::min(appended_.tree_size, ids.window());
  const Result<uint64_t> first_block = levels.block_of(first, appended_.blocks);
  if (!first_block) return tl::unexpected(first_block.error());
  const Result<BlockPlace> start = levels.place(*first_block);
  if (!start) return tl::unexpected(start.error());
  ids.restart(start->first_index.host(), *first_block);
  WindowFiller filler(engine_, ids);
  uint64_t offset = uint64_t{start->offset.host()} * kRecordAlignment;
  for (uint32_t number = start->segment.host(); number <= segment_number_; ++number, offset = 0) {
    Result<RecordReader> reader = RecordReader::open(files_, settings_.directory, number);
    if (!reader) return tl::unexpected(reader.error());
    while (true) {
      const Result<std::optional<Record>> record = reader->read(offset);
      if (!record) return tl::unexpected(record.error());
      if (!*record) break;
      if (auto taken = filler.take(**record); !taken)
        return fail(segment_path(settings_.directory, number) + ": " + taken.error().message);
      offset += (*record)->span();
    }
  }
  if (ids.next_index() != appended_.tree_size)
    return fail(settings_.directory +
                "/journal: a record in the dedupe window cannot be read; verify the log");
  return {};
}

}  // namespace sluice::ledger

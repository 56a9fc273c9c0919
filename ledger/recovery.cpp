#include "ledger/recovery.h"

#include <fcntl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/record_reader.h"

namespace sluice::ledger {
namespace {

constexpr size_t kMostNote = 65536;

class Recovery {
 public:
  Recovery(FileSystem& files, const std::string& directory, crypto::Sha256& engine, TreeWriter& tree)
      : files_(files), directory_(directory), engine_(engine), tree_(tree) {}

  Result<Recovered> run(const crypto::NoteVerifier& verifier) {
    if (auto read = read_checkpoint(verifier); !read) return tl::unexpected(read.error());
    const Result<uint32_t> segments = count_segments(files_, directory_);
    if (!segments) return tl::unexpected(segments.error());
    found_.segments = *segments;
    if (*segments > 0 && !checkpoint_)
      return fail(directory_ +
                  "/checkpoint is missing, but there is a journal: the log cannot be trusted to extend "
                  "what was released");
    if (auto replayed = replay(); !replayed) return tl::unexpected(replayed.error());
    if (auto extends = check_extends(); !extends) return tl::unexpected(extends.error());
    if (auto settled = settle(); !settled) return tl::unexpected(settled.error());
    found_.end = end_;
    return found_;
  }

 private:
  Result<void> read_checkpoint(const crypto::NoteVerifier& verifier) {
    const Result<std::vector<std::string>> names = files_.list(directory_);
    if (!names) return tl::unexpected(names.error());
    if (std::find(names->begin(), names->end(), "checkpoint") == names->end()) return {};
    const std::string path = directory_ + "/checkpoint";
    const Result<std::string> note = read_file(files_, path, kMostNote);
    if (!note) return tl::unexpected(note.error());
    const Result<std::string_view> text = crypto::open_note(*note, {&verifier, 1});
    if (!text) return fail(path + ": " + text.error().message);
    Result<Checkpoint> checkpoint = Checkpoint::parse(*text);
    if (!checkpoint) return fail(path + ": " + checkpoint.error().message);
    if (checkpoint->origin != verifier.name())
      return fail(path + " is of the log " + checkpoint->origin + ", not " + verifier.name());
    checkpoint_ = std::move(*checkpoint);
    found_.has_checkpoint = true;
    found_.checkpoint_size = checkpoint_->size;
    return {};
  }

  Result<void> replay() {
    if (found_.segments == 0) return tree_.resume(0, 0);
    uint32_t first = found_.segments - 1;
    if (first > 0 && !resume_before(first)) first = 0;
    if (first == 0) {
      end_ = {};
      if (auto resumed = tree_.resume(0, 0); !resumed) return resumed;
    }
    for (uint32_t segment = first; segment < found_.segments; ++segment)
      if (auto replayed = replay_segment(segment); !replayed) return replayed;
    return {};
  }

  // Whether the level files are right up to the start of `segment`; then the tree stands there.
  bool resume_before(uint32_t segment) {
    Result<uint64_t> blocks = tree_.levels().blocks();
    if (!blocks) return false;
    for (; *blocks > 0; --*blocks) {
      const Result<BlockPlace> place = tree_.levels().place(*blocks - 1);
      if (!place) return false;
      if (place->segment.host() >= segment) continue;
      return resume_after(*blocks - 1, *place);
    }
    return false;
  }

  bool resume_after(uint64_t block, const BlockPlace& place) {
    Result<RecordReader> reader = RecordReader::open(files_, directory_, place.segment.host());
    if (!reader) return false;
    const Result<std::optional<Record>> record =
        reader->read(uint64_t{place.offset.host()} * kRecordAlignment);
    if (!record || !*record) return false;
    const std::optional<BlockHeader> header = BlockHeader::decode((*record)->header_der());
    const BlockMetadata metadata = (*record)->metadata();
    if (!header || header->number != block || !tree_.resume(metadata.tree_size, block + 1)) return false;
    if (tree_.root() != metadata.root) return false;
    end_ = {block + 1, metadata.tree_size, metadata.time_ns, header->hash()};
    return true;
  }

  Result<void> replay_segment(uint32_t segment) {
    Result<RecordReader> reader = RecordReader::open(files_, directory_, segment);
    if (!reader) return tl::unexpected(reader.error());
    uint64_t offset = 0;
    while (offset < reader->size()) {
      const Result<std::optional<Record>> record = reader->read(offset);
      if (!record) return tl::unexpected(record.error());
      if (!*record && segment + 1 < found_.segments && !is_zero_from(*reader, offset))
        return fail(segment_path(directory_, segment) + ": byte " + std::to_string(offset) +
                    ": no whole record, and only the newest segment may be torn");
      if (!*record) break;
      if (auto taken = take(**record, segment, offset); !taken) return taken;
      offset += (*record)->span();
    }
    found_.segment_end = offset;
    return {};
  }

  // The room that was reserved behind a segment's last record.
  bool is_zero_from(RecordReader& reader, uint64_t offset) {
    const Result<bool> is_zero = reader.is_zero_from(offset);
    return is_zero && *is_zero;
  }

  Result<void> take(const Record& record, uint32_t segment, uint64_t offset) {
    const auto wrong = [&](const std::string& what) {
      return fail(segment_path(directory_, segment) + ": byte " + std::to_string(offset) + ": " + what);
    };
    const BlockMetadata metadata = record.metadata();
    const std::optional<BlockHeader> header = BlockHeader::decode(record.header_der());
    if (!header || header->number != end_.blocks || metadata.first_index != end_.tree_size ||
        metadata.tree_size != end_.tree_size + record.count())
      return wrong("block " + std::to_string(end_.blocks) + " should be here");
    if (end_.blocks > 0 && header->previous_hash != end_.last_hash)
      return wrong("the block does not follow the last");
    hash_leaves(record);
    const BlockPlace place{Be64::from_host(metadata.first_index), Be32::from_host(segment),
                           Be32::from_host(static_cast<uint32_t>(offset / kRecordAlignment))};
    if (const int error = tree_.append(engine_, leaves_, end_.blocks, place); error != 0)
      return tl::unexpected(system_error("cannot write", directory_ + "/tiles", error));
    if (tree_.root() != metadata.root || data_hash(metadata, leaves_) != header->data_hash)
      return wrong("the block's hashes are not those of its transactions");
    end_ = {end_.blocks + 1, metadata.tree_size, metadata.time_ns, header->hash()};
    return {};
  }

  void hash_leaves(const Record& record) {
    leaves_.resize(record.count());
    messages_.resize(record.count());
    record.for_each([&](uint32_t place, Profile, std::span<const uint8_t> payload) {
      messages_[place] = {payload.data(), &leaves_[place], static_cast<uint32_t>(payload.size()),
                          crypto::Prefix::leaf, crypto::Rounds::once};
    });
    engine_.hash(messages_);
  }

  Result<void> check_extends() {
    if (!checkpoint_) return {};
    if (end_.tree_size < checkpoint_->size)
      return fail("the journal in " + directory_ + " ends after " + std::to_string(end_.tree_size) +
                  " transactions, but the released checkpoint covers " + std::to_string(checkpoint_->size));
    const Result<crypto::Digest> root = crypto::tree_root(checkpoint_->size, tree_.levels().reader());
    if (!root) return tl::unexpected(root.error());
    if (*root != checkpoint_->root)
      return fail("the journal in " + directory_ +
                  " does not extend the released checkpoint: another root at size " +
                  std::to_string(checkpoint_->size));
    return {};
  }

  // Cuts what lies behind the last record. What a killed process wrote may still be in memory alone.
  Result<void> settle() {
    if (found_.segments == 0) return {};
    const std::string path = segment_path(directory_, found_.segments - 1);
    const Result<File> file = File::open(files_, path, O_RDWR);
    if (!file) return tl::unexpected(file.error());
    int error = file->size() > static_cast<int64_t>(found_.segment_end)
                    ? files_.truncate(file->descriptor(), found_.segment_end)
                    : 0;
    if (error == 0) error = files_.sync_data(file->descriptor());
    if (error != 0) return tl::unexpected(system_error("cannot settle", path, error));
    return {};
  }

  FileSystem& files_;
  const std::string& directory_;
  crypto::Sha256& engine_;
  TreeWriter& tree_;
  Recovered found_;
  LogEnd end_;
  std::optional<Checkpoint> checkpoint_;
  std::vector<crypto::Digest> leaves_;
  std::vector<crypto::Message> messages_;
};

}  // namespace

Result<Recovered> recover(FileSystem& files, const std::string& directory,
                          const crypto::NoteVerifier& verifier, crypto::Sha256& engine, TreeWriter& tree) {
  return Recovery(files, directory, engine, tree).run(verifier);
}

}  // namespace sluice::ledger

#include "ledger/recovery.h"

#include <algorithm>
#include <memory>

#include "ledger/checkpoint.h"
#include "ledger/journal_tail.h"
#include "ledger/leaf_hasher.h"
#include "ledger/level_check.h"
#include "ledger/record_reader.h"
#include "ledger/verify_note.h"

namespace sluice::ledger {
namespace {

constexpr uint64_t kHashesChecked = uint64_t{1} << 20;  // of each level, at each start
constexpr uint64_t kPlacesChecked = uint64_t{1} << 22;  // of blocks, at each start
constexpr unsigned kPlacesTried = 8;                    // to go on from, before all is read

std::string place_of(const std::string& path, uint64_t offset) {
  return path + ": byte " + std::to_string(offset) + ": ";
}

class Examination {
 public:
  Examination(FileSystem& files, const std::string& directory, crypto::Sha256& engine, LevelFiles levels)
      : files_(files),
        directory_(directory),
        engine_(engine),
        hasher_(engine),
        levels_(std::move(levels)),
        edge_(std::make_unique<crypto::RightEdge>()) {}

  Result<Recovered> run(const crypto::NoteVerifier& verifier) {
    if (auto read = read_checkpoint(verifier); !read) return tl::unexpected(read.error());
    const Result<uint32_t> segments = count_segments(files_, directory_);
    if (!segments) return tl::unexpected(segments.error());
    found_.segments = *segments;
    if (*segments > 0 && !checkpoint_)
      return fail(directory_ +
                  "/checkpoint is missing, but there is a journal: the log cannot be trusted to extend "
                  "what was released");
    if (auto walked = walk_from(find_start()); !walked) return tl::unexpected(walked.error());
    if (auto extends = check_extends(); !extends) return tl::unexpected(extends.error());
    if (found_.rebuild_from)
      note(directory_ + "/tiles did not hold what the journal has from transaction " +
           std::to_string(found_.rebuild_from->end.tree_size) + " on: rebuilt from there");
    return std::move(found_);
  }

 private:
  void note(std::string line) { found_.notices.push_back(std::move(line)); }

  /// By the verifier's own rule, so that no start releases under a checkpoint that it refuses.
  Result<void> read_checkpoint(const crypto::NoteVerifier& verifier) {
    const Result<std::vector<std::string>> names = files_.list(directory_);
    if (!names) return tl::unexpected(names.error());
    if (std::find(names->begin(), names->end(), "checkpoint") == names->end()) return {};
    const std::string path = directory_ + "/checkpoint";
    const Result<std::string> text = read_file(files_, path, kMostNote);
    if (!text) return tl::unexpected(text.error());
    const auto key = read_verify_key(verifier.line() + "\n", "the key");
    if (!key) return fail(key.error().to_string());
    const auto checkpoint = read_verify_checkpoint(*text, *key);
    if (!checkpoint)
      return fail(place_of(path, checkpoint.error().place) + checkpoint.error().what +
                  ", so this is no checkpoint of the log " + verifier.name());
    checkpoint_ = *checkpoint;
    found_.has_checkpoint = true;
    found_.checkpoint_size = checkpoint_->size;
    return {};
  }

  /// The last block before the newest segment that the level files are right up to.
  JournalPoint find_start() {
    const Result<uint64_t> entries = levels_.blocks();
    if (found_.segments < 2 || !entries) return {};
    uint64_t block = *entries;
    for (; block > 0; --block) {
      const Result<BlockPlace> place = levels_.place(block - 1);
      if (place && place->segment.host() + 1 < found_.segments) break;
    }
    const std::optional<JournalPoint> last = last_point(block);
    if (!last) return {};
    // A start whose rebuilding was cut off leaves holes in the index: either of the two may be what is wrong.
    const auto disorder = first_disorder(levels_, last->end.blocks, kPlacesChecked);
    uint64_t right = disorder ? *disorder - std::min<uint64_t>(*disorder, 1) : last->end.blocks;
    const auto leaf = first_contradiction(levels_, engine_, last->end.tree_size, kHashesChecked);
    if (leaf) right = levels_.block_of(*leaf, right);
    if (right == last->end.blocks) return *last;
    return last_point(right).value_or(JournalPoint{});
  }

  /// Behind the last of the first `blocks` blocks that can be gone on from.
  std::optional<JournalPoint> last_point(uint64_t blocks) {
    for (unsigned tried = 0; blocks > 0 && tried < kPlacesTried; --blocks, ++tried)
      if (auto point = point_behind(blocks - 1)) return point;
    return std::nullopt;
  }

  std::optional<JournalPoint> point_behind(uint64_t block) {
    const Result<BlockPlace> place = levels_.place(block);
    if (!place || place->segment.host() >= found_.segments) return std::nullopt;
    Result<RecordReader> reader = RecordReader::open(files_, directory_, place->segment.host());
    if (!reader) return std::nullopt;
    const uint64_t offset = uint64_t{place->offset.host()} * kRecordAlignment;
    const Result<std::optional<Record>> record = reader->read(offset);
    if (!record || !*record) return std::nullopt;
    const std::optional<BlockHeader> header = BlockHeader::decode((*record)->header_der());
    const BlockMetadata metadata = (*record)->metadata();
    if (!header || header->number != block) return std::nullopt;
    const Result<crypto::RightEdge> edge = edge_of(levels_, metadata.tree_size);
    if (!edge || edge->root() != metadata.root) return std::nullopt;
    found_.mark = (*record)->mark();
    return JournalPoint{{block + 1, metadata.tree_size, metadata.time_ns, header->hash()},
                        place->segment.host(),
                        offset + (*record)->span()};
  }

  /// Walks from there; from the journal's start where the level files do not tell the checkpoint's root.
  Result<void> walk_from(const JournalPoint& start) {
    if (checkpoint_ && checkpoint_->size <= start.end.tree_size && start.end.blocks > 0) {
      const Result<crypto::Digest> root = crypto::tree_root(checkpoint_->size, levels_.reader());
      if (!root || *root != checkpoint_->root) return walk({});
      checkpoint_is_met_ = true;
    }
    return walk(start);
  }

  Result<void> walk(const JournalPoint& start) {
    point_ = start;
    Result<crypto::RightEdge> edge = edge_of(levels_, start.end.tree_size);
    if (!edge) return tl::unexpected(edge.error());
    *edge_ = *edge;
    if (auto met = meet_checkpoint(); !met) return met;
    for (; point_.segment < found_.segments; ++point_.segment, point_.offset = 0) {
      if (auto walked = walk_segment(); !walked) return walked;
      if (point_.segment + 1 == found_.segments) break;
    }
    found_.last = point_;
    return {};
  }

  Result<void> walk_segment() {
    Result<RecordReader> reader = RecordReader::open(files_, directory_, point_.segment);
    if (!reader) return tl::unexpected(reader.error());
    while (point_.offset < reader->size()) {
      const Result<std::optional<Record>> record = reader->read(point_.offset);
      if (!record) return tl::unexpected(record.error());
      if (!*record) return take_tail(*reader);
      if (auto taken = take(**record, reader->path()); !taken) return taken;
      const uint64_t end = point_.offset + (*record)->span();
      if (!(*record)->is_padded_with_zeros()) add_padding(*reader, **record);
      point_.offset = end;
    }
    return {};
  }

  void add_padding(const RecordReader& reader, const Record& record) {
    const uint64_t end = point_.offset + record.bytes();
    const uint64_t bytes = record.span() - record.bytes();
    found_.stains.push_back({point_.segment, end, bytes});
    note(place_of(reader.path(), end) + "made " + std::to_string(bytes) +
         " bytes behind a record zero again, 0 records among them");
  }

  Result<void> take_tail(RecordReader& reader) {
    const auto wrong = [&](const std::string& what) {
      return fail(place_of(reader.path(), point_.offset) + what);
    };
    const Result<JournalTail> tail = read_tail(reader, point_.offset, point_.end.blocks, found_.mark);
    if (!tail) return tl::unexpected(tail.error());
    if (tail->bytes == 0) return {};
    if (point_.segment + 1 < found_.segments)
      return wrong("no whole record, and only the newest segment may be torn");
    if (tail->proof)
      return wrong(
          "the record of block " + std::to_string(point_.end.blocks) + " is damaged, and the one at byte " +
          std::to_string(*tail->proof) +
          " says that it was durable, so that what follows cannot be cut off as a torn tail; verify the "
          "log, and restore this file from a copy");
    note(place_of(reader.path(), point_.offset) + "cut off a torn tail of " + std::to_string(tail->bytes) +
         " bytes, " + std::to_string(tail->records) +
         " records among them, none of them known to be durable");
    return {};
  }

  Result<void> take(const Record& record, const std::string& path) {
    const auto wrong = [&](const std::string& what) { return fail(place_of(path, point_.offset) + what); };
    if (record.version() > RecordHead::kVersion) return wrong("a later version of Sluice has written this");
    const BlockMetadata metadata = record.metadata();
    const std::optional<BlockHeader> header = BlockHeader::decode(record.header_der());
    const LogEnd& end = point_.end;
    if (!header || header->number != end.blocks || metadata.first_index != end.tree_size ||
        metadata.tree_size != end.tree_size + record.count())
      return wrong("block " + std::to_string(end.blocks) + " should be here");
    if (end.blocks > 0 && header->previous_hash != end.last_hash)
      return wrong("the block does not follow the last");
    const std::span<const crypto::Digest> leaves = hasher_.hash(record);
    const bool is_rebuilt = found_.rebuild_from.has_value();
    const bool is_in_levels = add(leaves, end.tree_size) && !is_rebuilt && is_indexed(metadata.first_index);
    if (!is_met_) return tl::unexpected(no_extension());
    if (edge_->root() != metadata.root || data_hash(metadata, leaves) != header->data_hash)
      return wrong("the block's hashes are not those of its transactions");
    if (!is_in_levels && !is_rebuilt) found_.rebuild_from = point_;
    if (record.mark()) found_.mark = record.mark();
    point_.end = {end.blocks + 1, metadata.tree_size, metadata.time_ns, header->hash()};
    return {};
  }

  /// Adds leaves to the tree, in two parts where the checkpoint ends among them. Whether the level files have
  /// them.
  bool add(std::span<const crypto::Digest> leaves, uint64_t first) {
    bool is_there = true;
    if (checkpoint_ && !checkpoint_is_met_ && checkpoint_->size < first + leaves.size()) {
      const size_t covered = checkpoint_->size - first;
      is_there = add_part(leaves.first(covered), first);
      leaves = leaves.subspan(covered);
      first += covered;
    }
    return add_part(leaves, first) && is_there;
  }

  bool add_part(std::span<const crypto::Digest> leaves, uint64_t first) {
    finished_.resize(crypto::RightEdge::most_finished(leaves.size()));
    const size_t count = edge_->append(engine_, leaves, finished_);
    is_met_ = is_met_ && meet_checkpoint().has_value();
    bool is_there = matches(0, first, leaves);
    std::array<uint64_t, LevelFiles::kLevels> next;
    for (unsigned level = 0; level < LevelFiles::kLevels; ++level)
      next[level] = first >> (level * crypto::kTileHeight);
    for (const crypto::FinishedSubtree& subtree : std::span(finished_).first(count)) {
      const unsigned level = subtree.height / crypto::kTileHeight;
      is_there = is_there && matches(level, next[level]++, {&subtree.root, 1});
    }
    return is_there;
  }

  bool matches(unsigned level, uint64_t index, std::span<const crypto::Digest> hashes) {
    in_levels_.resize(hashes.size());
    return levels_.read(level, index, in_levels_).has_value() &&
           std::equal(hashes.begin(), hashes.end(), in_levels_.begin());
  }

  bool is_indexed(uint64_t first_index) {
    const Result<BlockPlace> place = levels_.place(point_.end.blocks);
    return place && place->first_index.host() == first_index && place->segment.host() == point_.segment &&
           uint64_t{place->offset.host()} * kRecordAlignment == point_.offset;
  }

  /// Where the tree has the checkpoint's size, its root must be the checkpoint's.
  Result<void> meet_checkpoint() {
    if (!checkpoint_ || checkpoint_is_met_ || edge_->size() != checkpoint_->size) return {};
    if (edge_->root() != checkpoint_->root) return tl::unexpected(no_extension());
    checkpoint_is_met_ = true;
    return {};
  }

  Error no_extension() const {
    return {"the journal in " + directory_ +
            " does not extend the released checkpoint: another root at size " +
            std::to_string(checkpoint_->size)};
  }

  Result<void> check_extends() {
    if (!checkpoint_ || checkpoint_is_met_) return {};
    return fail("the journal in " + directory_ + " ends after " + std::to_string(point_.end.tree_size) +
                " transactions, but the released checkpoint covers " + std::to_string(checkpoint_->size));
  }

  FileSystem& files_;
  const std::string& directory_;
  crypto::Sha256& engine_;
  LeafHasher hasher_;
  LevelFiles levels_;
  std::unique_ptr<crypto::RightEdge> edge_;  // large: it holds its scratch
  Recovered found_;
  JournalPoint point_;
  std::optional<VerifyCheckpoint> checkpoint_;
  bool checkpoint_is_met_ = false;
  bool is_met_ = true;  // false: the tree had the checkpoint's size, and another root
  std::vector<crypto::FinishedSubtree> finished_;
  std::vector<crypto::Digest> in_levels_;
};

}  // namespace

Result<Recovered> examine(FileSystem& files, const std::string& directory,
                          const crypto::NoteVerifier& verifier, crypto::Sha256& engine) {
  Result<LevelFiles> levels = LevelFiles::open(files, directory, LevelFiles::Access::kExamine);
  if (!levels) return tl::unexpected(levels.error());
  return Examination(files, directory, engine, std::move(*levels)).run(verifier);
}

}  // namespace sluice::ledger

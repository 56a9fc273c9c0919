// The second half of recovery: what was found is written.
#include <fcntl.h>

#include <algorithm>
#include <array>

#include "ledger/leaf_hasher.h"
#include "ledger/record_reader.h"
#include "ledger/recovery.h"

namespace sluice::ledger {
namespace {

/// Writes what the journal has from there on into the level files, in place: a reader meanwhile finds what
/// was there, or what is right.
class Rebuild {
 public:
  Rebuild(FileSystem& files, const std::string& directory, crypto::Sha256& engine, TreeWriter& tree)
      : files_(files), directory_(directory), engine_(engine), tree_(tree), hasher_(engine) {}

  Result<void> run(const JournalPoint& from, const JournalPoint& to) {
    if (auto resumed = tree_.resume(from.end.tree_size); !resumed) return resumed;
    uint64_t block = from.end.blocks;
    uint64_t offset = from.offset;
    for (uint32_t segment = from.segment; block < to.end.blocks; ++segment, offset = 0) {
      Result<RecordReader> reader = RecordReader::open(files_, directory_, segment);
      if (!reader) return tl::unexpected(reader.error());
      while (block < to.end.blocks) {
        const Result<std::optional<Record>> record = reader->read(offset);
        if (!record) return tl::unexpected(record.error());
        if (!*record) break;
        if (auto written = write(**record, block++, segment, offset); !written) return written;
        offset += (*record)->span();
      }
    }
    if (const int error = tree_.levels().sync(); error != 0)
      return tl::unexpected(system_error("cannot sync", directory_ + "/tiles", error));
    return {};
  }

 private:
  Result<void> write(const Record& record, uint64_t block, uint32_t segment, uint64_t offset) {
    const BlockPlace place{Be64::from_host(record.metadata().first_index), Be32::from_host(segment),
                           Be32::from_host(static_cast<uint32_t>(offset / kRecordAlignment))};
    if (const int error = tree_.append(engine_, hasher_.hash(record), block, place); error != 0)
      return tl::unexpected(system_error("cannot write", directory_ + "/tiles", error));
    return {};
  }

  FileSystem& files_;
  const std::string& directory_;
  crypto::Sha256& engine_;
  TreeWriter& tree_;
  LeafHasher hasher_;
};

/// Pads of records; none is as long as kRecordAlignment.
Result<void> clean(FileSystem& files, const std::string& directory, const Recovered::Stain& stain) {
  static constexpr std::array<uint8_t, kRecordAlignment> kZeros{};
  const std::string path = segment_path(directory, stain.segment);
  const Result<File> file = File::open(files, path, O_RDWR);
  if (!file) return tl::unexpected(file.error());
  int error = file->write(std::span(kZeros).first(stain.bytes), stain.offset);
  if (error == 0) error = files.sync_data(file->descriptor());
  if (error != 0) return tl::unexpected(system_error("cannot mend", path, error));
  return {};
}

/// Cuts what lies behind the last record. What a killed process wrote may still be in memory alone, so that
/// this syncs all the same.
Result<void> cut(FileSystem& files, const std::string& directory, const JournalPoint& last) {
  const std::string path = segment_path(directory, last.segment);
  const Result<File> file = File::open(files, path, O_RDWR);
  if (!file) return tl::unexpected(file.error());
  int error =
      file->size() > static_cast<int64_t>(last.offset) ? files.truncate(file->descriptor(), last.offset) : 0;
  if (error == 0) error = files.sync(file->descriptor());  // the new size too
  if (error != 0) return tl::unexpected(system_error("cannot settle", path, error));
  return {};
}

}  // namespace

Result<void> settle(FileSystem& files, const std::string& directory, crypto::Sha256& engine,
                    const Recovered& found, TreeWriter& tree) {
  for (const Recovered::Stain& stain : found.stains)
    if (auto cleaned = clean(files, directory, stain); !cleaned) return cleaned;
  if (found.segments > 0)
    if (auto done = cut(files, directory, found.last); !done) return done;
  const LogEnd& end = found.last.end;
  auto filled = found.rebuild_from
                    ? Rebuild(files, directory, engine, tree).run(*found.rebuild_from, found.last)
                    : tree.resume(end.tree_size);
  if (!filled) return filled;
  return tree.levels().truncate(end.tree_size, end.blocks);
}

}  // namespace sluice::ledger

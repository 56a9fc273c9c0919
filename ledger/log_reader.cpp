#include "ledger/log_reader.h"

#include <algorithm>
#include <array>

#include "crypto/encoding.h"
#include "crypto/merkle.h"
#include "crypto/sha256_openssl.h"
#include "ledger/checkpoint.h"
#include "ledger/record_reader.h"
#include "ledger/tile_check.h"

namespace sluice::ledger {
namespace {

using crypto::kTileWidth;

Error unreadable(const std::string& directory, uint64_t block) {
  return {"block " + std::to_string(block) + " of the log in " + directory +
          " is neither where tiles/blocks says nor behind the block before it; verify the log"};
}

Error wrong_tiles(const std::string& directory, const std::string& name) {
  return {directory + "/tiles/" + name +
          " does not hold what the checkpoint covers. It can be rebuilt: stop the gateway, remove " +
          directory + "/tiles, start again"};
}

void append_entry(std::string& bundle, std::span<const uint8_t> payload) {
  const auto size = Be16::from_host(static_cast<uint16_t>(payload.size()));
  bundle.append(reinterpret_cast<const char*>(&size), sizeof size);
  bundle.append(reinterpret_cast<const char*>(payload.data()), payload.size());
}

// Hashes again what a block's payloads are: the leaf hashes of the level file are for proofs.
std::vector<crypto::Digest> leaf_hashes_of(const Record& record) {
  std::vector<crypto::Digest> hashes;
  hashes.reserve(record.count());
  record.for_each([&](uint32_t, Profile, std::span<const uint8_t> payload) {
    hashes.push_back(crypto::sha256_leaf(payload));
  });
  return hashes;
}

}  // namespace

Result<LogReader> LogReader::open(FileSystem& files, std::string directory) {
  Result<LevelFiles> levels = LevelFiles::open(files, directory, LevelFiles::Access::kRead);
  if (!levels) return tl::unexpected(levels.error());
  return LogReader(files, std::move(directory), std::move(*levels));
}

Result<std::string> LogReader::checkpoint() {
  return read_file(*files_, directory_ + "/checkpoint", kMostNote);
}

Result<Checkpoint> LogReader::parsed_checkpoint() {
  const Result<std::string> note = checkpoint();
  if (!note) return tl::unexpected(note.error());
  return Checkpoint::parse(*note);
}

Result<uint64_t> LogReader::size() {
  const Result<Checkpoint> released = parsed_checkpoint();
  if (!released) return tl::unexpected(released.error());
  return released->size;
}

Result<std::optional<std::string>> LogReader::tile(const TilePath& path) {
  const Result<Checkpoint> released = parsed_checkpoint();
  if (!released) return tl::unexpected(released.error());
  if (path.level >= LevelFiles::kLevels) return std::nullopt;
  const uint64_t available = released->size >> (path.level * 8u);
  if (path.index > available / kTileWidth || path.index * kTileWidth + path.width > available)
    return std::nullopt;
  const uint64_t first = path.index * kTileWidth;
  if (path.is_entries) return entries(first, path.width);
  std::array<crypto::Digest, kTileWidth> buffer;
  const auto hashes = std::span(buffer).first(std::min(kTileWidth, available - first));
  if (auto read = levels_.read(path.level, first, hashes); !read) return tl::unexpected(read.error());
  if (!is_tile_of(levels_, released->size, released->root, path.level, path.index, hashes))
    return tl::unexpected(wrong_tiles(directory_, std::to_string(path.level)));
  return std::string(reinterpret_cast<const char*>(hashes.data()), path.width * sizeof(crypto::Digest));
}

/// The record of a block that the index has: where it says, else behind the record of the block before.
Result<LogReader::Found> LogReader::find(uint64_t block) {
  if (const auto place = levels_.place(block)) {
    auto found = find_at(block, place->segment.host(), uint64_t{place->offset.host()} * kRecordAlignment);
    if (found) return std::move(*found);
  }
  std::optional<Found> found;
  const auto before = block > 0 ? levels_.place(block - 1) : Result<BlockPlace>(BlockPlace{});
  if (block == 0) {
    const auto place = levels_.place(0);
    const bool was_tried = place && place->segment.host() == 0 && place->offset.host() == 0;
    if (!was_tried) found = find_at(0, 0, 0);
  } else if (before) {
    const uint32_t segment = before->segment.host();
    const uint64_t offset = uint64_t{before->offset.host()} * kRecordAlignment;
    const std::optional<Found> last = find_at(block - 1, segment, offset);
    if (last) found = find_at(block, segment, offset + last->record.span());
    if (last && !found) found = find_at(block, segment + 1, 0);
  }
  if (!found) return tl::unexpected(unreadable(directory_, block));
  return std::move(*found);
}

std::optional<LogReader::Found> LogReader::find_at(uint64_t block, uint32_t segment, uint64_t offset) {
  Result<RecordReader> reader = RecordReader::open(*files_, directory_, segment);
  if (!reader) return std::nullopt;
  const Result<std::optional<Record>> record = reader->read(offset);
  if (!record || !*record) return std::nullopt;
  const auto header = BlockHeader::decode((*record)->header_der());
  if (!header || header->number != block) return std::nullopt;
  return Found{std::move(*reader), **record, *header};
}

Result<std::string> LogReader::entries(uint64_t first, uint64_t count) {
  const Result<uint64_t> blocks = levels_.blocks();
  if (!blocks) return tl::unexpected(blocks.error());
  std::string bundle;
  uint64_t next = first;  // the leaf that is wanted next
  for (uint64_t block = levels_.block_of(first, *blocks); next < first + count; ++block) {
    const Result<Found> found = find(block);
    if (!found) return tl::unexpected(found.error());
    const uint64_t here = found->record.metadata().first_index;
    // A rotten entry of the index has misled the search: what the record says counts.
    if (next < here || next >= here + found->record.count())
      return tl::unexpected(wrong_tiles(directory_, "blocks"));
    found->record.for_each([&](uint32_t at, Profile, std::span<const uint8_t> payload) {
      if (here + at != next || next == first + count) return;
      append_entry(bundle, payload);
      ++next;
    });
  }
  return bundle;
}

Result<std::optional<BlockView>> LogReader::block(uint64_t number) {
  const Result<uint64_t> covered = size();
  if (!covered) return tl::unexpected(covered.error());
  const Result<uint64_t> blocks = levels_.blocks();
  if (!blocks) return tl::unexpected(blocks.error());
  if (number >= *blocks) return std::nullopt;
  // A block that no checkpoint covers is not looked for: its record may be under way.
  const Result<BlockPlace> before = levels_.place(number > 0 ? number - 1 : 0);
  if (number > 0 && before && before->first_index.host() >= *covered) return std::nullopt;
  const Result<Found> found = find(number);
  if (!found) {
    const Result<BlockPlace> place = levels_.place(number);
    if (place && place->first_index.host() >= *covered) return std::nullopt;
    return tl::unexpected(found.error());
  }
  const BlockMetadata metadata = found->record.metadata();
  if (metadata.tree_size > *covered) return std::nullopt;
  const std::span<const uint8_t> der = found->record.header_der();
  return BlockView{number,
                   metadata,
                   found->header,
                   found->header.hash(),
                   {der.begin(), der.end()},
                   leaf_hashes_of(found->record)};
}

Result<std::optional<std::string>> LogReader::proof(uint64_t index) {
  const Result<std::string> note = checkpoint();
  if (!note) return tl::unexpected(note.error());
  const Result<Checkpoint> released = Checkpoint::parse(*note);
  if (!released) return tl::unexpected(released.error());
  if (index >= released->size) return std::nullopt;
  crypto::Digest leaf;
  if (auto read = levels_.read(0, index, {&leaf, 1}); !read) return tl::unexpected(read.error());
  const Result<crypto::Proof> hashes = crypto::inclusion_proof(index, released->size, levels_.reader());
  if (!hashes) return tl::unexpected(hashes.error());
  if (!crypto::inclusion_holds(index, released->size, leaf, *hashes, released->root))
    return tl::unexpected(wrong_tiles(directory_, "*"));
  std::string text = "c2sp.org/tlog-proof@v1\nindex " + std::to_string(index) + "\n";
  for (const crypto::Digest& hash : *hashes) text += crypto::to_base64(hash) + "\n";
  return text + "\n" + *note;
}

}  // namespace sluice::ledger

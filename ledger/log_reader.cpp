#include "ledger/log_reader.h"

#include <array>

#include "crypto/encoding.h"
#include "crypto/sha256_openssl.h"
#include "ledger/record_reader.h"

namespace sluice::ledger {
namespace {

constexpr size_t kMostNote = 65536;
constexpr uint64_t kTileWidth = 256;

Error unreadable(const std::string& directory, uint64_t block) {
  return {"block " + std::to_string(block) + " of the log in " + directory +
          " cannot be read; verify the log"};
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
  Result<LevelFiles> levels = LevelFiles::open(files, directory, false);
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
  const Result<uint64_t> covered = size();
  if (!covered) return tl::unexpected(covered.error());
  if (path.level >= LevelFiles::kLevels) return std::nullopt;
  const uint64_t available = *covered >> (path.level * 8u);
  if (path.index > available / kTileWidth || path.index * kTileWidth + path.width > available)
    return std::nullopt;
  const uint64_t first = path.index * kTileWidth;
  if (path.is_entries) return entries(first, path.width);
  std::array<crypto::Digest, kTileWidth> hashes;
  if (auto read = levels_.read(path.level, first, std::span(hashes).first(path.width)); !read)
    return tl::unexpected(read.error());
  return std::string(reinterpret_cast<const char*>(hashes.data()), path.width * sizeof(crypto::Digest));
}

Result<std::string> LogReader::entries(uint64_t first, uint64_t count) {
  const Result<uint64_t> blocks = levels_.blocks();
  if (!blocks) return tl::unexpected(blocks.error());
  const Result<uint64_t> start = levels_.block_of(first, *blocks);
  if (!start) return tl::unexpected(start.error());
  std::string bundle;
  uint64_t next = first;  // the leaf that is wanted next
  for (uint64_t block = *start; next < first + count; ++block) {
    const Result<BlockPlace> place = levels_.place(block);
    if (!place) return tl::unexpected(place.error());
    Result<RecordReader> reader = RecordReader::open(*files_, directory_, place->segment.host());
    if (!reader) return tl::unexpected(reader.error());
    const Result<std::optional<Record>> record =
        reader->read(uint64_t{place->offset.host()} * kRecordAlignment);
    if (!record) return tl::unexpected(record.error());
    const uint64_t here = place->first_index.host();
    if (!*record || next < here || next >= here + (*record)->count())
      return tl::unexpected(unreadable(directory_, block));
    (*record)->for_each([&](uint32_t at, Profile, std::span<const uint8_t> payload) {
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
  const Result<BlockPlace> place = levels_.place(number);
  if (!place) return tl::unexpected(place.error());
  if (place->first_index.host() >= *covered) return std::nullopt;
  Result<RecordReader> reader = RecordReader::open(*files_, directory_, place->segment.host());
  if (!reader) return tl::unexpected(reader.error());
  const Result<std::optional<Record>> record =
      reader->read(uint64_t{place->offset.host()} * kRecordAlignment);
  if (!record) return tl::unexpected(record.error());
  const auto header = *record ? BlockHeader::decode((*record)->header_der()) : std::nullopt;
  if (!header || header->number != number) return tl::unexpected(unreadable(directory_, number));
  const std::span<const uint8_t> der = (*record)->header_der();
  return BlockView{number,         (*record)->metadata(),    *header,
                   header->hash(), {der.begin(), der.end()}, leaf_hashes_of(**record)};
}

Result<std::optional<std::string>> LogReader::proof(uint64_t index) {
  const Result<std::string> note = checkpoint();
  if (!note) return tl::unexpected(note.error());
  const Result<Checkpoint> released = Checkpoint::parse(*note);
  if (!released) return tl::unexpected(released.error());
  if (index >= released->size) return std::nullopt;
  const Result<crypto::Proof> hashes = crypto::inclusion_proof(index, released->size, levels_.reader());
  if (!hashes) return tl::unexpected(hashes.error());
  std::string text = "c2sp.org/tlog-proof@v1\nindex " + std::to_string(index) + "\n";
  for (const crypto::Digest& hash : *hashes) text += crypto::to_base64(hash) + "\n";
  return text + "\n" + *note;
}

}  // namespace sluice::ledger

#include "ledger/level_files.h"

#include <fcntl.h>

#include <cerrno>

#include "crypto/sha256_openssl.h"

namespace sluice::ledger {
namespace {

constexpr unsigned kTileHeight = 8;

std::span<const uint8_t> bytes_of(std::span<const crypto::Digest> hashes) {
  return {reinterpret_cast<const uint8_t*>(hashes.data()), hashes.size_bytes()};
}

}  // namespace

Result<LevelFiles> LevelFiles::open(FileSystem& files, const std::string& directory, Access access) {
  LevelFiles levels;
  levels.files_ = &files;
  levels.directory_ = directory + "/tiles";
  const int flags = access == Access::kWrite ? O_RDWR | O_CREAT : O_RDONLY;
  const auto open_one = [&](File& file, const std::string& name) -> Result<void> {
    const std::string path = levels.directory_ + "/" + name;
    const int descriptor = files.open(path, flags);
    if (descriptor == -ENOENT && access == Access::kExamine) return {};
    if (descriptor < 0) return tl::unexpected(system_error("cannot open", path, descriptor));
    file = File(files, descriptor);
    return {};
  };
  for (unsigned level = 0; level < kLevels; ++level) {
    if (auto opened = open_one(levels.levels_[level], std::to_string(level)); !opened)
      return tl::unexpected(opened.error());
  }
  if (auto opened = open_one(levels.blocks_, "blocks"); !opened) return tl::unexpected(opened.error());
  return levels;
}

int LevelFiles::write(unsigned level, uint64_t index, std::span<const crypto::Digest> hashes) {
  return levels_[level].write(bytes_of(hashes), index * sizeof(crypto::Digest));
}

int LevelFiles::write_place(uint64_t block, const BlockPlace& place) {
  return blocks_.write({reinterpret_cast<const uint8_t*>(&place), sizeof place}, block * sizeof place);
}

Result<void> LevelFiles::read(unsigned level, uint64_t index, std::span<crypto::Digest> hashes) const {
  if (hashes.empty()) return {};
  const std::string path = directory_ + "/" + std::to_string(level);
  if (level >= kLevels) return fail(path + ": there is no such level");
  if (!levels_[level].is_open()) return fail(path + " is missing");
  const std::span bytes(reinterpret_cast<uint8_t*>(hashes.data()), hashes.size_bytes());
  const int64_t got = levels_[level].read(bytes, index * sizeof(crypto::Digest));
  if (got < 0) return tl::unexpected(system_error("cannot read", path, got));
  if (static_cast<size_t>(got) < bytes.size()) return fail(path + " ends too early");
  return {};
}

Result<BlockPlace> LevelFiles::place(uint64_t block) const {
  BlockPlace place;
  if (auto read = places(block, {&place, 1}); !read) return tl::unexpected(read.error());
  return place;
}

Result<void> LevelFiles::places(uint64_t block, std::span<BlockPlace> places) const {
  if (!blocks_.is_open()) return fail(directory_ + "/blocks is missing");
  const std::span bytes(reinterpret_cast<uint8_t*>(places.data()), places.size_bytes());
  const int64_t got = blocks_.read(bytes, block * sizeof(BlockPlace));
  if (got < 0) return tl::unexpected(system_error("cannot read", directory_ + "/blocks", got));
  if (static_cast<size_t>(got) < bytes.size()) return fail(directory_ + "/blocks ends too early");
  return {};
}

Result<uint64_t> LevelFiles::blocks() const {
  if (!blocks_.is_open()) return 0;
  const int64_t size = blocks_.size();
  if (size < 0) return tl::unexpected(system_error("cannot read", directory_ + "/blocks", size));
  return static_cast<uint64_t>(size) / sizeof(BlockPlace);
}

uint64_t LevelFiles::block_of(uint64_t index, uint64_t blocks) const {
  uint64_t low = 0;  // its first index is not above `index`
  uint64_t high = blocks;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    const Result<BlockPlace> found = place(middle);  // none: a start has cut what no block followed
    (found && found->first_index.host() <= index ? low : high) = middle;
  }
  return low;
}

Result<void> LevelFiles::truncate(uint64_t tree_size, uint64_t blocks) {
  const auto cut = [&](const File& file, const std::string& name, uint64_t size) -> Result<void> {
    const int64_t now = file.size();
    const int error = now > static_cast<int64_t>(size) ? files_->truncate(file.descriptor(), size) : 0;
    if (error != 0) return tl::unexpected(system_error("cannot cut", directory_ + "/" + name, error));
    return {};
  };
  for (unsigned level = 0; level < kLevels; ++level) {
    const uint64_t hashes = tree_size >> (level * kTileHeight);
    if (auto done = cut(levels_[level], std::to_string(level), hashes * sizeof(crypto::Digest)); !done)
      return done;
  }
  return cut(blocks_, "blocks", blocks * sizeof(BlockPlace));
}

int LevelFiles::sync() {
  for (const File& file : levels_)
    if (const int error = files_->sync_data(file.descriptor()); error != 0) return error;
  return files_->sync_data(blocks_.descriptor());
}

Result<crypto::Digest> LevelFiles::node(unsigned height, uint64_t index) const {
  std::array<crypto::Digest, size_t{1} << (kTileHeight - 1)> hashes;
  const unsigned below = height % kTileHeight;
  size_t width = size_t{1} << below;
  if (auto done = read(height / kTileHeight, index << below, std::span(hashes).first(width)); !done)
    return tl::unexpected(done.error());
  for (; width > 1; width /= 2)
    for (size_t i = 0; i < width / 2; ++i) hashes[i] = crypto::sha256_node(hashes[2 * i], hashes[2 * i + 1]);
  return hashes[0];
}

crypto::NodeReader LevelFiles::reader() const {
  return [this](unsigned height, uint64_t index) { return node(height, index); };
}

}  // namespace sluice::ledger

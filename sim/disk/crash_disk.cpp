#include "sim/disk/crash_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <utility>

namespace sluice::sim {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSector = 512;  ///< written as a whole, or not at all

}  // namespace

CrashDisk::CrashDisk(std::string directory, Chance chance)
    : directory_(std::move(directory)), chance_(chance) {}

/// Whether this call is one that no power is left for.
bool CrashDisk::fails() {
  if (calls_left_ == 0) return true;
  if (calls_left_ != UINT64_MAX) --calls_left_;
  return calls_left_ == 0;
}

void CrashDisk::apply(Bytes& content, const Operation& operation) {
  if (operation.kind == Operation::Kind::kSize) {
    if (!operation.only_grows || operation.offset > content.size()) content.resize(operation.offset);
    return;
  }
  content.resize(std::max<uint64_t>(content.size(), operation.offset + operation.data.size()));
  std::ranges::copy(operation.data, content.begin() + static_cast<std::ptrdiff_t>(operation.offset));
}

void CrashDisk::settle(Node& node) {
  for (const Operation& operation : node.pending) apply(node.durable, operation);
  node.pending.clear();
}

/// All of it, nothing, the sectors up to some one, or some of them, where others may hold anything.
void CrashDisk::apply_in_part(Bytes& content, const Operation& operation) {
  const auto how = chance_.below(4);
  if (how == 0) return apply(content, operation);
  if (how == 1 || operation.kind == Operation::Kind::kSize) return;
  const uint64_t begin = operation.offset, end = begin + operation.data.size();
  const uint64_t last = how == 2 ? chance_.between(begin, end) : end;
  for (uint64_t at = begin; at < end;) {
    const uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    const bool is_kept = how == 2 ? next <= last : chance_.happens(500);
    const auto from = operation.data.begin() + static_cast<std::ptrdiff_t>(at - begin);
    Bytes sector(from, from + static_cast<std::ptrdiff_t>(next - at));
    const bool is_garbage = how == 3 && !is_kept && chance_.happens(300);
    if (is_garbage) std::ranges::generate(sector, [&] { return static_cast<uint8_t>(chance_.next()); });
    if (is_kept || is_garbage) apply(content, {Operation::Kind::kWrite, at, std::move(sector)});
    at = next;
  }
}

void CrashDisk::name(const std::string& path, std::shared_ptr<Node> node) {
  pending_names_.push_back({path, node});
  node ? void(names_[path] = std::move(node)) : void(names_.erase(path));
}

CrashDisk::Node* CrashDisk::node_of(int file) {
  const auto found = nodes_.find(file);
  return found == nodes_.end() ? nullptr : found->second.get();
}

int CrashDisk::open(const std::string& path, int flags) {
  const bool is_made = (flags & O_CREAT) != 0 && !names_.contains(path);
  if (is_made && fails()) return -EIO;
  if (is_made && (is_full_ || refuses_files_)) return -ENOSPC;
  const int file = files_.open(path, flags);
  if (file < 0) return file;
  open_[file] = path;
  if (is_made) name(path, std::make_shared<Node>());
  const auto found = names_.find(path);
  if (found != names_.end() && found->second) nodes_[file] = found->second;
  if ((flags & O_TRUNC) != 0 && node_of(file) != nullptr) {
    node_of(file)->pending.push_back({Operation::Kind::kSize, 0, {}});
  }
  return file;
}

void CrashDisk::close(int file) {
  open_.erase(file);
  nodes_.erase(file);
  files_.close(file);
}

int CrashDisk::write(int file, std::span<const uint8_t> data, uint64_t offset) {
  Node* const node = node_of(file);
  const bool had_power = !is_cut();
  if (fails()) {  // in the midst of it
    if (node && had_power)
      node->pending.push_back({Operation::Kind::kWrite, offset, Bytes(data.begin(), data.end())});
    return -EIO;
  }
  if (is_full_ && offset + data.size() > static_cast<uint64_t>(std::max<int64_t>(size(file), 0)))
    return -ENOSPC;
  if (node) node->pending.push_back({Operation::Kind::kWrite, offset, Bytes(data.begin(), data.end())});
  return files_.write(file, data, offset);
}

int CrashDisk::allocate(int file, uint64_t offset, uint64_t size) {
  if (fails()) return -EIO;
  if (is_full_) return -ENOSPC;
  if (Node* const node = node_of(file)) {
    node->pending.push_back({Operation::Kind::kSize, offset + size, {}, true});
  }
  return files_.allocate(file, offset, size);
}

int CrashDisk::truncate(int file, uint64_t size) {
  if (fails()) return -EIO;
  if (Node* const node = node_of(file)) node->pending.push_back({Operation::Kind::kSize, size, {}});
  return files_.truncate(file, size);
}

size_t CrashDisk::pending_writes(const std::string& path) const {
  const auto found = names_.find(path);
  return found == names_.end() ? 0 : found->second->pending.size();
}

bool CrashDisk::is_pending(std::span<const uint8_t> bytes) const {
  return std::ranges::any_of(names_, [&](const auto& named) {
    return std::ranges::any_of(named.second->pending, [&](const Operation& operation) {
      return !std::ranges::search(operation.data, bytes).empty();
    });
  });
}

int CrashDisk::sync_data(int file) {
  if (fails() || std::exchange(fails_next_sync_, false)) return -EIO;
  if (Node* const node = node_of(file)) settle(*node);
  return 0;  // nothing reads these files from a disk
}

int CrashDisk::sync(int file) {
  if (fails()) return -EIO;
  if (Node* const node = node_of(file)) {
    settle(*node);
  } else {
    sync_names(open_[file]);
  }
  return 0;
}

void CrashDisk::sync_names(const std::string& directory) {
  std::erase_if(pending_names_, [&](const Naming& naming) {
    if (fs::path(naming.path).parent_path() != fs::path(directory)) return false;
    naming.node ? void(durable_names_[naming.path] = naming.node) : void(durable_names_.erase(naming.path));
    return true;
  });
}

int CrashDisk::rename(const std::string& from, const std::string& to) {
  if (fails()) return -EIO;
  const int result = files_.rename(from, to);
  if (result != 0) return result;
  const auto found = names_.find(from);
  if (found == names_.end()) return 0;
  const auto node = found->second;
  name(to, node);
  name(from, nullptr);
  return 0;
}

int CrashDisk::make_directory(const std::string& path) {
  return fails() ? -EIO : files_.make_directory(path);
}

void CrashDisk::restore() {
  const auto reached = static_cast<size_t>(chance_.between(0, pending_names_.size()));
  for (size_t i = 0; i < reached; ++i) {
    const Naming& naming = pending_names_[i];
    naming.node ? void(durable_names_[naming.path] = naming.node) : void(durable_names_.erase(naming.path));
  }
  pending_names_.clear();
  for (const auto& [path, node] : names_) {
    if (!durable_names_.contains(path)) fs::remove(path);
  }
  names_ = durable_names_;
  for (const auto& [path, node] : names_) {
    for (const Operation& operation : node->pending) apply_in_part(node->durable, operation);
    node->pending.clear();
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(node->durable.data()),
               static_cast<std::streamsize>(node->durable.size()));
  }
  calls_left_ = UINT64_MAX;
  is_full_ = refuses_files_ = fails_next_sync_ = false;
}

}  // namespace sluice::sim

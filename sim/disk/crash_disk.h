// A disk that forgets. What is written goes to real files, as the page cache would show it; beside them it
// keeps what is durable, and what is not yet: at a power cut each write that nobody has synced is there, is
// not, or is there in part, with garbage in the rest, and names that were made or changed are there in their
// order up to some one. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ledger/file_system.h"
#include "sim/core/chance.h"

namespace sluice::sim {

class CrashDisk final : public ledger::FileSystem {
 public:
  /// `directory`: there, empty, and its own.
  CrashDisk(std::string directory, Chance chance);

  /// The power goes with the call after so many: that one and all after it fail, and change nothing.
  void cut_after(uint64_t calls) { calls_left_ = calls; }
  bool is_cut() const { return calls_left_ == 0; }
  /// Writes and room fail with ENOSPC from now on, or no more.
  void set_full(bool is_full) { is_full_ = is_full; }
  /// There is room, but for files that are not there yet.
  void refuse_files(bool refuses) { refuses_files_ = refuses; }
  /// The next sync of data fails, and nobody knows what of it is there; or no more.
  void fail_next_sync(bool fails) { fails_next_sync_ = fails; }
  /// How many writes to a file are not durable.
  size_t pending_writes(const std::string& path) const;
  /// Whether these bytes are in what was written and is not durable.
  bool is_pending(std::span<const uint8_t> bytes) const;
  /// The power is back: real files are what may have been left.
  void restore();

  int open(const std::string& path, int flags) override;
  void close(int file) override;
  int write(int file, std::span<const uint8_t> data, uint64_t offset) override;
  int allocate(int file, uint64_t offset, uint64_t size) override;
  int truncate(int file, uint64_t size) override;
  int sync_data(int file) override;
  int sync(int file) override;
  int rename(const std::string& from, const std::string& to) override;
  int make_directory(const std::string& path) override;
  // What only reads is as it is on real files.
  int64_t read(int file, std::span<uint8_t> data, uint64_t offset) override {
    return files_.read(file, data, offset);
  }
  int64_t size(int file) override { return files_.size(file); }
  uint64_t data_from(int file, uint64_t offset) override { return files_.data_from(file, offset); }
  Result<std::vector<std::string>> list(const std::string& path) override { return files_.list(path); }

 private:
  using Bytes = std::vector<uint8_t>;
  struct Operation {
    enum class Kind : uint8_t { kWrite, kSize } kind;
    uint64_t offset;  ///< kSize: the size
    Bytes data;
    bool only_grows = false;
  };
  struct Node {
    Bytes durable;
    std::vector<Operation> pending;
  };
  /// A name that came to stand for something, or for nothing.
  struct Naming {
    std::string path;
    std::shared_ptr<Node> node;  ///< null: no more
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  bool fails();
  static void apply(Bytes& content, const Operation& operation);
  static void settle(Node& node);
  void apply_in_part(Bytes& content, const Operation& operation);
  void sync_names(const std::string& directory);
  void name(const std::string& path, std::shared_ptr<Node> node);
  Node* node_of(int file);

  ledger::PosixFileSystem files_;
  std::string directory_;
  Chance chance_;
  uint64_t calls_left_ = UINT64_MAX;
  bool is_full_ = false;
  bool refuses_files_ = false;
  bool fails_next_sync_ = false;
  Names names_;          ///< now
  Names durable_names_;  ///< for certain
  std::vector<Naming> pending_names_;
  std::map<int, std::string> open_;  ///< the paths by which they were opened
  std::map<int, std::shared_ptr<Node>> nodes_;
};

}  // namespace sluice::sim

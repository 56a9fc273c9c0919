// What of ESP sequence numbers outlives the process: one file in the directory `tunnel_state`, a record for
// each key and direction, found by a digest of the key.
//
// A record says up to which number all may have been used, written before any is (`reserved`); which was the
// highest that was accepted, kept up by the workers themselves in the file's mapped memory, so that the end
// of the process loses nothing (`highest`); and, once nobody uses it any more, how far it really came. After
// the machine itself went down, `reserved` counts. docs/decisions/0041-sequence-numbers-on-disk.md
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"

namespace sluice::ctrl {

/// A digest of a key, and of what else makes numbers' use of it separate.
using KeyId = std::array<uint8_t, 16>;

enum class SequenceUse : uint32_t { kOut = 1, kIn = 2 };

/// One thread at a time, but for highest().
class SequenceFile {
 public:
  /// Opens, or makes, `sequences` in the directory, which is made too. Fails where another process has it, or
  /// what it holds is none of it.
  static Result<std::shared_ptr<SequenceFile>> open(const std::string& directory);
  ~SequenceFile();
  SequenceFile(const SequenceFile&) = delete;
  SequenceFile& operator=(const SequenceFile&) = delete;

  /// The record of a key; a new one where there was none.
  Result<size_t> find(SequenceUse use, const KeyId& key);
  /// The highest number that may have been used, as the record stood when it was found.
  uint64_t used(size_t record) const;
  /// Says that all numbers up to `number` may be used from now on; with sync().
  void reserve(size_t record, uint64_t number);
  /// Where the highest number used is noted, as long as this lives.
  std::atomic<uint64_t>& highest(size_t record);
  /// Nobody uses it any more: what highest() says is exact.
  void close(size_t record);
  /// Puts all that was said on stable storage.
  Result<void> sync();

 private:
  struct Header;
  struct Record;
  SequenceFile(int file, std::string path) : file_(file), path_(std::move(path)) {}
  Result<void> load();
  Result<void> grow(size_t records);
  Record& at(size_t record) const;
  Header& header() const;

  static constexpr size_t kMostRecords = size_t{1} << 20;
  const int file_;
  const std::string path_;
  uint8_t* mapped_ = nullptr;
  size_t capacity_ = 0;  ///< records that the file has room for
  size_t count_ = 0;
  bool is_same_boot_ = false;  ///< the mapped memory of before was not lost
};

}  // namespace sluice::ctrl

// Reads records back from a segment: for recovery and for readers of the log. One thread; owns its buffer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/block.h"
#include "ledger/file_system.h"
#include "ledger/transaction.h"

namespace sluice::ledger {

/// `<directory>/journal/<number, eight digits>`.
std::string segment_path(const std::string& directory, uint32_t number);

/// The numbers of the segments in `directory`, which must follow each other from 0; how many there are. None
/// where `journal/` is missing.
Result<uint32_t> count_segments(FileSystem& files, const std::string& directory);

/// A record whose checksum and sizes are right. Lies in its RecordReader.
class Record {
 public:
  /// Nothing where `bytes` do not begin with a whole record.
  static std::optional<Record> parse(std::span<const uint8_t> bytes);

  uint64_t bytes() const { return bytes_.size(); }
  uint64_t span() const { return record_span(bytes_.size()); }
  uint32_t count() const { return head_.count.host(); }
  uint8_t version() const { return head_.version; }
  /// Nothing in a record of version 0.
  std::optional<uint32_t> mark() const;
  /// How many blocks of the log were durable when block `number`, which is this one, was written.
  uint64_t durable_before(uint64_t number) const;
  /// Whether all that was read between the record's end and the next multiple of kRecordAlignment is zero.
  bool is_padded_with_zeros() const;
  BlockMetadata metadata() const { return BlockMetadata::decode(head_.metadata); }
  std::span<const uint8_t> header_der() const {
    return std::span(head_.header).first(head_.header_bytes.host());
  }
  std::span<const uint8_t> payloads() const {
    return bytes_.subspan(sizeof(RecordHead), head_.payload_bytes.host());
  }
  RecordEntry entry(uint32_t place) const {
    return load<RecordEntry>(bytes_.data() + sizeof(RecordHead) + head_.payload_bytes.host() +
                             place * sizeof(RecordEntry));
  }
  /// Calls visit(place, profile, payload) for each transaction.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    std::span<const uint8_t> left = payloads();
    for (uint32_t place = 0; place < count(); ++place) {
      const RecordEntry entry_here = entry(place);
      const size_t size = entry_here.size.host();
      visit(place, static_cast<Profile>(entry_here.profile), left.first(size));
      left = left.subspan(size);
    }
  }

 private:
  RecordHead head_;
  std::span<const uint8_t> bytes_;  // as long as the record says
  std::span<const uint8_t> padding_;
};

class RecordReader {
 public:
  /// Opens segment `number`.
  static Result<RecordReader> open(FileSystem& files, const std::string& directory, uint32_t number);

  /// The record at `offset`, valid until the next call; nothing where no whole one is there.
  Result<std::optional<Record>> read(uint64_t offset);
  /// The head of a record at `offset` whose sizes fit each other and the file; nothing where none is. Its
  /// checksum is not looked at.
  Result<std::optional<RecordHead>> head(uint64_t offset);
  /// The first byte from `offset` on that a file system does not know to be zero.
  uint64_t data_from(uint64_t offset) const { return file_.data_from(offset); }
  /// The byte behind the last one from `offset` on that is not zero; `offset` where all are.
  Result<uint64_t> end_of_data(uint64_t offset);
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  RecordReader(File file, std::string path, uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}

  File file_;
  std::string path_;
  uint64_t size_;
  std::vector<uint8_t> buffer_;  // never larger than a record may be, nor than the file
};

}  // namespace sluice::ledger

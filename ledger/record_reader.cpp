#include "ledger/record_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace sluice::ledger {
namespace {

std::string segment_name(uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "%08u", number);
  return name;
}

// Whether the sizes in a record's head fit each other and `available` bytes.
bool is_plausible(const RecordHead& head, uint64_t available) {
  const uint64_t length = head.length.host();
  const uint64_t parts = sizeof(RecordHead) + uint64_t{head.payload_bytes.host()} +
                         uint64_t{head.count.host()} * sizeof(RecordEntry);
  return head.magic.host() == RecordHead::kMagic && length <= available && length <= kMostRecordBytes &&
         length == parts && head.count.host() > 0 && head.header_bytes.host() <= BlockHeader::kMostBytes;
}

}  // namespace

std::string segment_path(const std::string& directory, uint32_t number) {
  return directory + "/journal/" + segment_name(number);
}

Result<uint32_t> count_segments(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/journal";
  if (const File there(files, files.open(path, O_RDONLY | O_DIRECTORY)); there.descriptor() == -ENOENT)
    return 0;
  const Result<std::vector<std::string>> names = files.list(path);
  if (!names) return tl::unexpected(names.error());
  for (uint32_t i = 0; i < names->size(); ++i) {
    if ((*names)[i] != segment_name(i))
      return fail(path + ": " + (*names)[i] + " where segment " + segment_name(i) + " should be");
  }
  return static_cast<uint32_t>(names->size());
}

std::optional<Record> Record::parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < sizeof(RecordHead)) return std::nullopt;
  Record record;
  record.head_ = load<RecordHead>(bytes.data());
  if (!is_plausible(record.head_, bytes.size())) return std::nullopt;
  record.bytes_ = bytes.first(record.head_.length.host());
  record.padding_ = bytes.first(std::min<size_t>(bytes.size(), record.span())).subspan(record.bytes_.size());
  if (record_checksum(record.bytes_) != record.head_.crc.host()) return std::nullopt;
  uint64_t payload_bytes = 0;
  for (uint32_t place = 0; place < record.count(); ++place) {
    const RecordEntry entry = record.entry(place);
    if (entry.size.host() == 0 || entry.profile >= profile_names().size() || entry.zero != 0)
      return std::nullopt;
    payload_bytes += entry.size.host();
  }
  if (payload_bytes != record.head_.payload_bytes.host()) return std::nullopt;
  return record;
}

std::optional<uint32_t> Record::mark() const {
  return version() == 0 ? std::nullopt : std::optional(head_.mark.host());
}

uint64_t Record::durable_before(uint64_t number) const {
  // What wrote version 0 had at most that many blocks under way.
  constexpr uint64_t kMostUnderWay = 8;
  const uint64_t under_way = version() == 0 ? kMostUnderWay : head_.under_way.host();
  return number - std::min(number, under_way);
}

bool Record::is_padded_with_zeros() const {
  return std::all_of(padding_.begin(), padding_.end(), [](uint8_t byte) { return byte == 0; });
}

Result<RecordReader> RecordReader::open(FileSystem& files, const std::string& directory, uint32_t number) {
  const std::string path = segment_path(directory, number);
  Result<File> file = File::open(files, path, O_RDONLY);
  if (!file) return tl::unexpected(file.error());
  const int64_t size = file->size();
  if (size < 0) return tl::unexpected(system_error("cannot read", path, size));
  return RecordReader(std::move(*file), path, static_cast<uint64_t>(size));
}

Result<std::optional<Record>> RecordReader::read(uint64_t offset) {
  // Most of a small record comes with its head.
  size_t wanted = kRecordAlignment;
  for (int pass = 0; pass < 2; ++pass) {
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    const int64_t got = file_.read(std::span(buffer_).first(wanted), offset);
    if (got < 0) return tl::unexpected(system_error("cannot read", path_, got));
    const auto bytes = std::span(buffer_).first(static_cast<size_t>(got));
    if (bytes.size() < sizeof(RecordHead)) return std::nullopt;
    const auto head = load<RecordHead>(bytes.data());
    if (!is_plausible(head, size_ > offset ? size_ - offset : 0)) return std::nullopt;
    if (head.length.host() <= bytes.size()) return Record::parse(bytes);
    wanted = record_span(head.length.host());
  }
  return std::nullopt;  // the segment was cut meanwhile
}

Result<std::optional<RecordHead>> RecordReader::head(uint64_t offset) {
  std::array<uint8_t, sizeof(RecordHead)> bytes;
  const int64_t got = file_.read(bytes, offset);
  if (got < 0) return tl::unexpected(system_error("cannot read", path_, got));
  if (static_cast<size_t>(got) < bytes.size()) return std::nullopt;
  const auto head = load<RecordHead>(bytes.data());
  return is_plausible(head, size_ - offset) ? std::optional(head) : std::nullopt;
}

Result<uint64_t> RecordReader::end_of_data(uint64_t offset) {
  constexpr size_t kPiece = 65536;
  if (buffer_.size() < kPiece) buffer_.resize(kPiece);
  uint64_t end = offset;
  for (uint64_t at = file_.data_from(offset); at < size_; at = file_.data_from(at)) {
    const int64_t got = file_.read(std::span(buffer_).first(kPiece), at);
    if (got < 0) return tl::unexpected(system_error("cannot read", path_, got));
    if (got == 0) break;
    for (auto left = static_cast<size_t>(got); left > 0; --left) {
      if (buffer_[left - 1] == 0) continue;
      end = at + left;
      break;
    }
    at += static_cast<uint64_t>(got);
  }
  return end;
}

}  // namespace sluice::ledger

#include "ledger/journal_tail.h"

namespace sluice::ledger {
namespace {

/// The end of a record that lost something, where its head is still there: what lies before is its payload.
uint64_t end_of_torn(const std::optional<RecordHead>& head, uint64_t offset, std::optional<uint32_t> mark) {
  const bool is_ours = head && mark && head->version != 0 && head->mark.host() == *mark;
  return offset + (is_ours ? record_span(head->length.host()) : kRecordAlignment);
}

bool may_be_ours(const RecordHead& head, std::optional<uint32_t> mark) {
  return !mark || head.version == 0 || head.mark.host() == *mark;
}

}  // namespace

Result<JournalTail> read_tail(RecordReader& reader, uint64_t offset, uint64_t number,
                              std::optional<uint32_t> mark) {
  JournalTail tail;
  const Result<uint64_t> end = reader.end_of_data(offset);
  if (!end) return tl::unexpected(end.error());
  tail.bytes = *end - offset;
  if (tail.bytes == 0) return tail;
  const Result<std::optional<RecordHead>> torn = reader.head(offset);
  if (!torn) return tl::unexpected(torn.error());
  if (*torn) ++tail.records;
  // Records do not overlap: those that are read can together be no longer than the tail, damaged ones aside.
  uint64_t budget = 2 * tail.bytes + 2 * kMostRecordBytes;
  for (uint64_t at = end_of_torn(*torn, offset, mark); at < *end;) {
    const uint64_t data = reader.data_from(at) / kRecordAlignment * kRecordAlignment;
    if (data > at) {
      at = data;
      continue;
    }
    const Result<std::optional<RecordHead>> head = reader.head(at);
    if (!head) return tl::unexpected(head.error());
    if (!*head || !may_be_ours(**head, mark)) {
      at += kRecordAlignment;
      continue;
    }
    const uint64_t span = record_span((*head)->length.host());
    if (span > budget)
      return fail(reader.path() + ": byte " + std::to_string(offset) +
                  ": no whole record, and too much behind it looks like one to tell what was durable");
    budget -= span;
    const Result<std::optional<Record>> record = reader.read(at);
    if (!record) return tl::unexpected(record.error());
    const auto header = *record ? BlockHeader::decode((*record)->header_der()) : std::nullopt;
    if (!header) {
      at += kRecordAlignment;
      continue;
    }
    ++tail.records;
    if (!tail.proof && (*record)->durable_before(header->number) > number) tail.proof = at;
    at += span;
  }
  return tail;
}

}  // namespace sluice::ledger

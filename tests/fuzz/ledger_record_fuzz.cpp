// The reader of journal records on any bytes, once as they are and once with the checksum put right, so that
// what lies behind it is reached too; and the readers of headers, checkpoints and tile paths.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "ledger/checkpoint.h"
#include "ledger/record_reader.h"
#include "ledger/tile_path.h"

namespace sluice::ledger {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check_record(std::span<const uint8_t> bytes) {
  const std::optional<Record> record = Record::parse(bytes);
  if (!record) return;
  size_t payload_bytes = 0;
  uint32_t count = 0;
  record->for_each([&](uint32_t place, Profile profile, std::span<const uint8_t> payload) {
    require(place == count++ && !payload.empty() && !name_of(profile).empty());
    payload_bytes += payload.size();
    require(payload.data() >= bytes.data() && payload.data() + payload.size() <= bytes.data() + bytes.size());
  });
  require(count == record->count() && payload_bytes == record->payloads().size());
  require(record->version() != 0 || !record->mark());
  require(record->durable_before(5) <= 5 && record->span() >= record->bytes());
  (void)record->is_padded_with_zeros();
  (void)BlockHeader::decode(record->header_der());
}

void check(std::vector<uint8_t> bytes) {
  check_record(bytes);
  if (bytes.size() >= sizeof(RecordHead)) {
    const auto length = load<RecordHead>(bytes.data()).length.host();
    if (length >= sizeof(RecordHead) && length <= bytes.size()) {
      const uint32_t crc = record_checksum(std::span(bytes).first(length));
      store(bytes.data() + offsetof(RecordHead, crc), Be32::from_host(crc));
      check_record(bytes);
    }
  }
  if (const auto header = BlockHeader::decode(bytes)) {
    std::array<uint8_t, BlockHeader::kMostBytes> again;
    require(header->encode(again) == bytes.size());
  }
  const std::string text(bytes.begin(), bytes.end());
  if (const auto checkpoint = Checkpoint::parse(text)) require(text.starts_with(checkpoint->text()));
  if (const auto path = TilePath::parse(text)) require(path->to_string() == text);
}

}  // namespace
}  // namespace sluice::ledger

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::ledger::check({data, data + size});
  return 0;
}

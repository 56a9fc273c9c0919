#include "ledger/bitcoin.h"

#include "common/bytes.h"

namespace sluice::ledger {
namespace {

// Reads forward and remembers a fault: after one, everything reads as zero and has_failed() is true.
class Cursor {
 public:
  explicit Cursor(std::span<const uint8_t> data) : at_(data.data()), end_(data.data() + data.size()) {}

  const uint8_t* at() const { return at_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }
  bool has_failed() const { return failed_; }

  void skip(uint64_t bytes) {
    if (bytes > left()) return fail();
    at_ += bytes;
  }
  uint8_t peek(size_t offset) const { return offset < left() ? at_[offset] : 0; }

  // A CompactSize, refused where a shorter form would do.
  uint64_t count() {
    const uint8_t head = peek(0);
    skip(1);
    if (head < 0xfd) return head;
    if (head == 0xfd) return extended<uint16_t>(0xfd);
    if (head == 0xfe) return extended<uint32_t>(uint64_t{UINT16_MAX} + 1);
    return extended<uint64_t>(uint64_t{UINT32_MAX} + 1);
  }
  // A count, then as many bytes.
  void skip_string() { skip(count()); }

 private:
  void fail() {
    failed_ = true;
    at_ = end_;
  }
  template <typename T>
  uint64_t extended(uint64_t least) {
    const uint8_t* number = at_;
    skip(sizeof(T));
    if (failed_) return 0;
    const uint64_t value = load<T>(number);
    if (value < least) fail();
    return value;
  }

  const uint8_t* at_;
  const uint8_t* end_;
  bool failed_ = false;
};

constexpr size_t kVersionBytes = 4;
constexpr size_t kLockTimeBytes = 4;
constexpr size_t kOutpointBytes = 36;
constexpr size_t kSequenceBytes = 4;
constexpr size_t kAmountBytes = 8;

uint64_t read_inputs(Cursor& cursor) {
  const uint64_t inputs = cursor.count();
  for (uint64_t i = 0; i < inputs && !cursor.has_failed(); ++i) {
    cursor.skip(kOutpointBytes);
    cursor.skip_string();
    cursor.skip(kSequenceBytes);
  }
  return inputs;
}

void read_outputs(Cursor& cursor) {
  const uint64_t outputs = cursor.count();
  for (uint64_t i = 0; i < outputs && !cursor.has_failed(); ++i) {
    cursor.skip(kAmountBytes);
    cursor.skip_string();
  }
}

// Whether any input has a witness: BIP-144 wants the plain form where none has.
bool read_witnesses(Cursor& cursor, uint64_t inputs) {
  bool has_any = false;
  for (uint64_t i = 0; i < inputs && !cursor.has_failed(); ++i) {
    const uint64_t items = cursor.count();
    has_any |= items != 0;
    for (uint64_t item = 0; item < items && !cursor.has_failed(); ++item) cursor.skip_string();
  }
  return has_any;
}

}  // namespace

Parsed parse_bitcoin(std::span<const uint8_t> payload) {
  Cursor cursor(payload);
  cursor.skip(kVersionBytes);
  // No transaction has no input, so a zero here is BIP-144's marker.
  const bool has_witness = cursor.peek(0) == 0 && cursor.peek(1) == 1;
  if (has_witness) cursor.skip(2);
  const uint8_t* const body = cursor.at();
  const uint64_t inputs = read_inputs(cursor);
  read_outputs(cursor);
  const uint8_t* const body_end = cursor.at();
  if (inputs == 0 || (has_witness && !read_witnesses(cursor, inputs))) return {};
  cursor.skip(kLockTimeBytes);
  if (cursor.has_failed() || cursor.left() != 0) return {};
  if (!has_witness) return {true, crypto::Rounds::twice, {payload, {}, {}}};
  return {true,
          crypto::Rounds::twice,
          {payload.first(kVersionBytes), std::span(body, body_end), payload.last(kLockTimeBytes)}};
}

}  // namespace sluice::ledger

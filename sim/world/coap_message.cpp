#include "sim/world/coap_message.h"

#include <algorithm>
#include <span>

namespace sluice::sim {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr uint8_t kVersion = 0x40, kNonConfirmable = 0x10, kAcknowledgement = 0x20, kTokenBytes = 4;
constexpr uint8_t kPost = 2, kPathOption = 11, kFormatOption = 12, kCbor = 60, kMarker = 0xff;
constexpr size_t kHeader = 4;

/// A CBOR head of that major type, in its shortest form; takes it off.
std::optional<uint64_t> take_head(Bytes& bytes, uint8_t major) {
  if (bytes.empty() || bytes[0] >> 5 != major) return std::nullopt;
  const unsigned low = bytes[0] & 31;
  if (low < 24) return bytes = bytes.subspan(1), low;
  if (low > 27) return std::nullopt;
  const size_t count = size_t{1} << (low - 24);
  if (bytes.size() < 1 + count) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 1; i <= count; ++i) value = value << 8 | bytes[i];
  const uint64_t least = low == 24 ? 24 : uint64_t{1} << (4 * count);
  if (value < least) return std::nullopt;
  bytes = bytes.subspan(1 + count);
  return value;
}

bool take_digest(Bytes& bytes, crypto::Digest& digest) {
  if (take_head(bytes, 2) != digest.size() || bytes.size() < digest.size()) return false;
  std::ranges::copy(bytes.first(digest.size()), digest.begin());
  bytes = bytes.subspan(digest.size());
  return true;
}

bool take_number(Bytes& bytes, uint64_t& number) {
  const auto value = take_head(bytes, 0);
  if (value) number = *value;
  return value.has_value();
}

std::optional<ToldReceipt> read_receipt(Bytes bytes) {
  ToldReceipt receipt;
  const auto is_key = [&](uint64_t key) { return take_head(bytes, 0) == key; };
  const bool is_whole = take_head(bytes, 5) == 5 && is_key(1) && take_digest(bytes, receipt.txid) &&
                        is_key(2) && take_number(bytes, receipt.index) && is_key(3) &&
                        take_digest(bytes, receipt.leaf_hash) && is_key(4) &&
                        take_number(bytes, receipt.block) && is_key(5) &&
                        take_number(bytes, receipt.tree_size) && bytes.empty();
  return is_whole ? std::optional(receipt) : std::nullopt;
}

}  // namespace

std::vector<uint8_t> write_coap(const CoapRequest& request) {
  const uint8_t type = request.is_confirmable ? 0 : kNonConfirmable;
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(kVersion | type | kTokenBytes), kPost,
                                static_cast<uint8_t>(request.message_id >> 8),
                                static_cast<uint8_t>(request.message_id)};
  for (unsigned i = kTokenBytes; i-- > 0;) bytes.push_back(static_cast<uint8_t>(request.token >> (8 * i)));
  bytes.insert(bytes.end(), {kPathOption << 4 | 2, 't', 'x', kMarker});
  bytes.insert(bytes.end(), request.payload.begin(), request.payload.end());
  return bytes;
}

std::optional<CoapAnswer> read_coap(const std::vector<uint8_t>& datagram) {
  if (datagram.size() < kHeader + kTokenBytes) return std::nullopt;
  CoapAnswer answer;
  answer.is_acknowledgement = datagram[0] == (kVersion | kAcknowledgement | kTokenBytes);
  if (!answer.is_acknowledgement && datagram[0] != (kVersion | kNonConfirmable | kTokenBytes))
    return std::nullopt;
  answer.code = 100 * (datagram[1] >> 5) + (datagram[1] & 31);
  answer.message_id = static_cast<uint16_t>(datagram[2] << 8 | datagram[3]);
  for (unsigned i = 0; i < kTokenBytes; ++i) answer.token = answer.token << 8 | datagram[kHeader + i];
  if (answer.code != 201) return answer;
  const Bytes rest = Bytes(datagram).subspan(kHeader + kTokenBytes);
  const bool is_cbor =
      rest.size() > 3 && rest[0] == (kFormatOption << 4 | 1) && rest[1] == kCbor && rest[2] == kMarker;
  if (is_cbor) answer.receipt = read_receipt(rest.subspan(3));
  return answer.receipt ? std::optional(answer) : std::nullopt;
}

}  // namespace sluice::sim

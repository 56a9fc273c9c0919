#include "ledger/block.h"

#include <algorithm>
#include <bit>

#include "crypto/sha256_openssl.h"
#include "ledger/crc32c.h"

namespace sluice::ledger {
namespace {

constexpr uint8_t kDerInteger = 0x02;
constexpr uint8_t kDerOctetString = 0x04;
constexpr uint8_t kDerSequence = 0x30;

// Every length here is below 128, so it takes one byte.
uint8_t* put_head(uint8_t* at, uint8_t tag, size_t length) {
  at[0] = tag;
  at[1] = static_cast<uint8_t>(length);
  return at + 2;
}

// The bytes of a non-negative INTEGER: as few as keep its sign bit clear (X.690, 8.3.2).
size_t integer_bytes(uint64_t number) {
  return static_cast<size_t>(std::bit_width(number)) / 8 + 1;
}

uint8_t* put_integer(uint8_t* at, uint64_t number) {
  size_t bytes = integer_bytes(number);
  at = put_head(at, kDerInteger, bytes);
  if (bytes == 9) {
    *at++ = 0;
    --bytes;
  }
  for (; bytes > 0; --bytes) *at++ = static_cast<uint8_t>(number >> (8 * (bytes - 1)));
  return at;
}

}  // namespace

std::array<uint8_t, BlockMetadata::kBytes> BlockMetadata::encode() const {
  std::array<uint8_t, kBytes> bytes;
  store(&bytes[0], Be64::from_host(time_ns));
  store(&bytes[8], Be64::from_host(first_index));
  store(&bytes[16], Be64::from_host(tree_size));
  std::copy(root.begin(), root.end(), &bytes[24]);
  return bytes;
}

BlockMetadata BlockMetadata::decode(std::span<const uint8_t, kBytes> bytes) {
  return {load<Be64>(&bytes[0]).host(), load<Be64>(&bytes[8]).host(), load<Be64>(&bytes[16]).host(),
          load<crypto::Digest>(&bytes[24])};
}

size_t BlockHeader::encode(std::span<uint8_t, kMostBytes> out) const {
  const size_t previous_bytes = previous_hash ? previous_hash->size() : 0;
  const size_t content = 2 + integer_bytes(number) + 2 + previous_bytes + 2 + data_hash.size();
  uint8_t* at = put_head(out.data(), kDerSequence, content);
  at = put_integer(at, number);
  at = put_head(at, kDerOctetString, previous_bytes);
  if (previous_hash) at = std::copy(previous_hash->begin(), previous_hash->end(), at);
  at = put_head(at, kDerOctetString, data_hash.size());
  at = std::copy(data_hash.begin(), data_hash.end(), at);
  return static_cast<size_t>(at - out.data());
}

std::optional<BlockHeader> BlockHeader::decode(std::span<const uint8_t> der) {
  // Sizes are checked by writing what was read again: here it is enough to stay inside.
  if (der.size() < 2 + 3 + 2 + 2 + 32 || der.size() > kMostBytes) return std::nullopt;
  const size_t number_bytes = der[3];
  if (number_bytes == 0 || number_bytes > 9 || der.size() < 4 + number_bytes + 2 + 2 + 32)
    return std::nullopt;
  BlockHeader header;
  for (size_t i = 0; i < number_bytes; ++i) header.number = header.number << 8 | der[4 + i];
  if (der[4 + number_bytes + 1] == 32) {
    if (der.size() < 4 + number_bytes + 2 + 32 + 2 + 32) return std::nullopt;
    header.previous_hash = load<crypto::Digest>(&der[4 + number_bytes + 2]);
  }
  header.data_hash = load<crypto::Digest>(&der[der.size() - 32]);
  std::array<uint8_t, kMostBytes> again;
  const std::span written = std::span(again).first(header.encode(again));
  if (!std::equal(written.begin(), written.end(), der.begin(), der.end())) return std::nullopt;
  return header;
}

crypto::Digest BlockHeader::hash() const {
  std::array<uint8_t, kMostBytes> der;
  return crypto::sha256(std::span(der).first(encode(der)));
}

crypto::Digest data_hash(const BlockMetadata& metadata, std::span<const crypto::Digest> leaf_hashes) {
  crypto::Sha256Stream stream;
  stream.update(metadata.encode());
  stream.update({reinterpret_cast<const uint8_t*>(leaf_hashes.data()), leaf_hashes.size_bytes()});
  return stream.finish();
}

uint32_t record_checksum(std::span<const uint8_t> record) {
  return crc32c(record.subspan(offsetof(RecordHead, length)));
}

}  // namespace sluice::ledger

#include "ctrl/wire/protobuf.h"

namespace sluice::ctrl {

std::optional<uint64_t> ProtobufReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return std::nullopt;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<std::string_view> ProtobufReader::take(uint64_t size) {
  if (size > rest_.size()) return std::nullopt;
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

std::optional<ProtobufReader::Field> ProtobufReader::next() {
  if (rest_.empty() || is_faulty_) return std::nullopt;
  is_faulty_ = true;  // until the field is whole
  const auto tag = varint();
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1fffffff) return std::nullopt;
  Field field;
  field.number = static_cast<uint32_t>(*tag >> 3);
  field.type = static_cast<Type>(*tag & 7);
  switch (*tag & 7) {
    case 0: {
      const auto value = varint();
      if (!value) return std::nullopt;
      field.integer = *value;
      break;
    }
    case 1:
    case 5: {
      const auto bytes = take((*tag & 7) == 1 ? 8 : 4);
      if (!bytes) return std::nullopt;
      for (size_t i = bytes->size(); i-- > 0;) {
        field.integer = field.integer << 8 | static_cast<uint8_t>((*bytes)[i]);
      }
      break;
    }
    case 2: {
      const auto size = varint();
      const auto bytes = size ? take(*size) : std::nullopt;
      if (!bytes) return std::nullopt;
      field.bytes = *bytes;
      break;
    }
    default:  // groups, which proto3 does not have
      return std::nullopt;
  }
  is_faulty_ = false;
  return field;
}

void ProtobufWriter::varint(uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void ProtobufWriter::present_integer(uint32_t number, uint64_t value) {
  varint(uint64_t{number} << 3);
  varint(value);
}

void ProtobufWriter::fixed64(uint32_t number, uint64_t value) {
  varint(uint64_t{number} << 3 | 1);
  for (unsigned shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(value >> shift));
}

void ProtobufWriter::message(uint32_t number, std::string_view value) {
  varint(uint64_t{number} << 3 | 2);
  varint(value.size());
  bytes_ += value;
}

}  // namespace sluice::ctrl

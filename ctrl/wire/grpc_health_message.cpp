#include "ctrl/wire/grpc_health_message.h"

#include <array>

namespace sluice::ctrl {
namespace {

constexpr size_t kPrefix = 5;  // whether compressed, and the length in network order

void put_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
}

/// Reads Protocol Buffers' wire format, forwards.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  bool is_done() const { return rest_.empty(); }

  std::optional<uint64_t> varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return std::nullopt;
      const uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }
  bool skip(uint64_t bytes) {
    if (bytes > rest_.size()) return false;
    rest_ = rest_.subspan(bytes);
    return true;
  }

 private:
  std::span<const uint8_t> rest_;
};

/// Passes over a field's value by its wire type.
bool skip_field(Reader& reader, unsigned wire_type) {
  switch (wire_type) {
    case 0:
      return reader.varint().has_value();
    case 1:
      return reader.skip(8);
    case 2: {
      const auto size = reader.varint();
      return size && reader.skip(*size);
    }
    case 5:
      return reader.skip(4);
    default:
      return false;
  }
}

std::optional<ServingStatus> parse_response(std::span<const uint8_t> message) {
  constexpr uint64_t kStatus = 1 << 3;  // field 1, a varint
  Reader reader(message);
  uint64_t status = 0;
  while (!reader.is_done()) {
    const auto tag = reader.varint();
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    if (*tag != kStatus) {
      if (!skip_field(reader, *tag & 7)) return std::nullopt;
      continue;
    }
    const auto value = reader.varint();
    if (!value) return std::nullopt;
    status = *value;
  }
  return status <= 3 ? static_cast<ServingStatus>(status) : ServingStatus::kUnknown;
}

}  // namespace

std::string grpc_health_request(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message.push_back(1 << 3 | 2);  // field 1, bytes
    put_varint(message, service.size());
    message += service;
  }
  std::string bytes(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(message.size() >> shift));
  return bytes + message;
}

std::optional<ServingStatus> grpc_health_response(std::span<const uint8_t> bytes) {
  if (bytes.size() < kPrefix || bytes[0] != 0) return std::nullopt;
  const uint32_t size =
      uint32_t{bytes[1]} << 24 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 8 | bytes[4];
  if (size != bytes.size() - kPrefix) return std::nullopt;
  return parse_response(bytes.subspan(kPrefix));
}

const char* name_of(ServingStatus status) {
  constexpr std::array kNames = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  return kNames[static_cast<size_t>(status)];
}

std::string_view name_of_grpc_status(unsigned code) {
  constexpr std::array<std::string_view, 17> kNames = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return code < kNames.size() ? kNames[code] : std::string_view();
}

}  // namespace sluice::ctrl

#include "ctrl/wire/grpc_message.h"

#include <array>

namespace sluice::ctrl {
namespace {

constexpr size_t kPrefix = 5;  // whether compressed, and the length in network order

}  // namespace

std::string_view name_of_grpc_status(unsigned code) {
  constexpr std::array<std::string_view, 17> kNames = {
      "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
      "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
      "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
      "DATA_LOSS", "UNAUTHENTICATED"};
  return code < kNames.size() ? kNames[code] : std::string_view();
}

std::string grpc_framed(std::string_view message) {
  std::string bytes(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(message.size() >> shift));
  bytes += message;
  return bytes;
}

std::string grpc_status_text(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string result;
  for (const char character : text) {
    const auto byte = static_cast<uint8_t>(character);
    if (byte >= ' ' && byte <= '~' && byte != '%') {
      result += character;
    } else {
      result += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return result;
}

void GrpcMessages::put(std::string_view bytes) {
  if (fault_ == Fault::kNone) pending_ += bytes;
}

std::optional<std::string> GrpcMessages::next() {
  if (fault_ != Fault::kNone || pending_.size() < kPrefix) return std::nullopt;
  size_t size = 0;
  for (size_t i = 1; i < kPrefix; ++i) size = size << 8 | static_cast<uint8_t>(pending_[i]);
  if (pending_[0] != 0) fault_ = Fault::kCompressed;
  if (size > most_bytes_) fault_ = Fault::kTooLarge;
  if (fault_ != Fault::kNone) {
    pending_ = {};
    return std::nullopt;
  }
  if (pending_.size() - kPrefix < size) return std::nullopt;
  std::string message = pending_.substr(kPrefix, size);
  pending_.erase(0, kPrefix + size);
  return message;
}

}  // namespace sluice::ctrl

// gRPC's messages as they lie in the data of an HTTP/2 stream: five bytes, then the message. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::ctrl {

/// gRPC's status codes that are spoken of here.
enum class GrpcStatus : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kNotFound = 5,
  kResourceExhausted = 8,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kUnauthenticated = 16,
};

/// `UNIMPLEMENTED` of gRPC's status codes; empty where there is no such code.
std::string_view name_of_grpc_status(unsigned code);

/// A message, uncompressed, with the bytes before it.
std::string grpc_framed(std::string_view message);

/// The value of `grpc-message`: percent-encoded as gRPC over HTTP/2 has it.
std::string grpc_status_text(std::string_view text);

/// Takes the messages out of a stream's bytes as they come.
class GrpcMessages {
 public:
  enum class Fault : uint8_t { kNone, kTooLarge, kCompressed };

  explicit GrpcMessages(size_t most_bytes) : most_bytes_(most_bytes) {}

  void put(std::string_view bytes);
  /// The next whole message.
  std::optional<std::string> next();
  /// What follows cannot be taken: nothing comes any more.
  Fault fault() const { return fault_; }
  /// Some bytes of a message have come, and not all.
  bool has_part() const { return !pending_.empty(); }

 private:
  size_t most_bytes_;
  std::string pending_;
  Fault fault_ = Fault::kNone;
};

}  // namespace sluice::ctrl

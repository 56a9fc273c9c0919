// Bytes to and from a checked backend, over TCP itself or over TLS. Control loop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::ctrl {

/// Members throw CheckFailed or CheckImpossible, at the latest when the check's time is over.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  /// 0: the peer has ended.
  virtual boost::asio::awaitable<size_t> read_some(std::span<uint8_t> bytes) = 0;
  virtual boost::asio::awaitable<void> write(std::span<const uint8_t> bytes) = 0;
};

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline std::string_view text_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace sluice::ctrl

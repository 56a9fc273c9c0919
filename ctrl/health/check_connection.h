// What a check speaks with a backend by, whichever way its packets go. Every wait ends by the check's
// deadline, and what the backend did wrong is told from what this host could not do. Control loop; one
// coroutine at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "ctrl/net/byte_stream.h"
#include "ctrl/net/faults.h"

namespace sluice::ctrl {

/// The backend failed the check; what() says how, for people.
using CheckFailed = PeerFault;

/// The check could not be made by this host, so nothing is known of the backend; what() says why.
using CheckImpossible = HostFault;

/// All members throw CheckFailed or CheckImpossible.
class CheckConnection : public ByteStream {
 public:
  enum class Kind : uint8_t { kStream, kDatagram };

  /// Before all else.
  virtual boost::asio::awaitable<void> connect() = 0;
  /// One datagram, which may be empty.
  virtual boost::asio::awaitable<void> send_datagram(std::span<const uint8_t> bytes) = 0;
};

/// Ends a check whose `timeout` is over, noticed by its loop so `late`: what a loop that was late itself
/// finds, or what is wrong on this side, is not the backend's.
[[noreturn]] void end_timed_out(std::chrono::milliseconds timeout, std::chrono::steady_clock::duration late,
                                const std::optional<std::string>& problem);

}  // namespace sluice::ctrl

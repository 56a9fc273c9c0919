// The protocol of NATS, as a client that publishes speaks it (docs.nats.io, "Client Protocol"): what the
// server says, cut out of its stream, and what is said to it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"

namespace sluice::ctrl::nats {

struct Message {
  enum class Kind : uint8_t {
    kInfo,  ///< `text` is its JSON
    kPing,  ///< to be answered by kPong
    kPong,
    kOk,
    kError,  ///< `text` says what is wrong
  };
  Kind kind;
  std::string text = {};
};

/// Cuts a server's stream into messages. A publisher subscribes to nothing: what else a server may say is an
/// Error, and so is a line beyond kMostBytes. After an Error the stream cannot be read on.
class Reader {
 public:
  static constexpr size_t kMostBytes = size_t{64} << 10;

  void put(std::string_view bytes) { unread_ += bytes; }
  /// Whether bytes have come that next() has not handed out.
  bool has_unread() const { return start_ < unread_.size(); }
  /// The next whole message; nothing: more bytes are needed.
  Result<std::optional<Message>> next();

 private:
  std::string unread_;
  size_t start_ = 0;  ///< of what has not been handed out
};

/// What of INFO a publisher needs.
struct ServerInfo {
  uint64_t most_payload = uint64_t{1} << 20;
  bool needs_tls = false;
  bool has_tls = false;
  std::string nonce = {};   ///< to be signed by who has a key; empty: nobody is asked to
  bool is_leaving = false;  ///< lame duck mode: clients are to go elsewhere
};
Result<ServerInfo> parse_info(std::string_view text);

/// What a client says of itself; what is empty is not said.
struct Hello {
  std::string_view name;
  bool is_secure = false;
  std::string_view user, password, token;
  std::string_view nkey = {}, signature = {};  ///< as nkey.h writes them
};
/// CONNECT, and a PING whose PONG says that the server has taken it.
std::string hello(const Hello& client);
inline constexpr std::string_view kPing = "PING\r\n";
inline constexpr std::string_view kPong = "PONG\r\n";
std::string publication(std::string_view subject, std::string_view payload);

/// A subject's token: what has a meaning in subjects, or no place there, becomes `_`.
std::string token(std::string_view name);

}  // namespace sluice::ctrl::nats

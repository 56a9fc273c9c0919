// One HTTP/2 connection (RFC 9113) on a connected stream, as a client or as a server, by nghttp2, which sends
// and receives nothing itself. One thread. What the peer can make it hold is bounded: streams, header bytes,
// and bytes that wait to be sent only as far as this side has queued them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctrl/net/byte_stream.h"
#include "ctrl/net/stop_signal.h"

namespace sluice::ctrl {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

/// The value of the field `name`, which is in lower case; empty where there is none.
std::string_view field_in(const HttpFields& fields, std::string_view name);

/// What happens on a connection. Called by Http2Connection::run(); may call the connection, but not end it.
class Http2Events {
 public:
  virtual ~Http2Events() = default;
  /// The header of a request or an answer; or trailers, where a header has come before.
  virtual void fields(int32_t stream, HttpFields fields) = 0;
  virtual void data(int32_t stream, std::string_view bytes) = 0;
  /// The peer sends no more on this stream.
  virtual void ended(int32_t stream) = 0;
  /// Nothing goes either way any more; `error` is RFC 9113's code, 0 where all is well.
  virtual void closed(int32_t stream, uint32_t error) = 0;
  /// All data that was given to send() is on its way.
  virtual void drained(int32_t stream) = 0;
};

/// A stream, and what closes it. Shared by the coroutines of its connection, which may be destroyed in any
/// order.
struct Http2Link {
  StopSignal stop;
  std::unique_ptr<ByteStream> stream;
};

class Http2Connection {
 public:
  enum class Side : uint8_t { kClient, kServer };
  struct Limits {
    uint32_t streams = 128;           ///< that the peer may have open
    size_t header_bytes = 16384;      ///< of one header
    uint32_t window_bytes = 1 << 16;  ///< that the peer may send ahead on a stream
    /// After so long a silence the peer is asked whether it is there, and after as long again it is not;
    /// 0: never.
    std::chrono::milliseconds silence{0};
  };

  Http2Connection(boost::asio::io_context& io, Side side, const Limits& limits, Http2Events& events);
  ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  /// Until the peer ends, something fails (PeerFault, HostFault), or link->stop is stopped, which must close
  /// the stream; it is stopped upon return.
  boost::asio::awaitable<void> run(std::shared_ptr<Http2Link> link);

  // What follows does nothing for a stream that is closed.
  /// Begins a request whose body send() gives; the number of its stream, or -1: the connection takes no more.
  int32_t request(const HttpFields& fields);
  void answer(int32_t stream, const HttpFields& fields);
  /// An answer that is nothing but a header.
  void answer_whole(int32_t stream, const HttpFields& fields);
  void send(int32_t stream, std::string_view bytes);
  /// Nothing more is to be sent, but for `trailers`.
  void end(int32_t stream, const HttpFields& trailers = {});
  void reset(int32_t stream);
  /// How many bytes wait to be sent.
  size_t waiting(int32_t stream) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::ctrl

// The small HTTP server of monitoring and of the log: GET and HEAD of fixed paths and of trees, on the
// control loop. Bounded in connections, header bytes and time. Control thread; nothing blocks.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "ctrl/access/peer.h"
#include "ctrl/wire/http_message.h"

namespace sluice::ctrl {

inline constexpr const char* kPlainText = "text/plain; charset=utf-8";

/// What a page answers.
struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = kPlainText;
  std::string body;
  std::string cache_control = "no-store";
  std::string gzip_body = {};  ///< the body compressed, for peers that accept that; empty: there is none
  std::vector<HttpField> fields = {};  ///< of the head, beyond those that the server writes by itself
  /// Where set, the body is what this puts into its argument until it returns false, and `body` is unused.
  /// One call at a time, by Site::make_pieces.
  std::function<bool(std::string&)> pieces = {};
  /// Where set, the body is what this gives, each piece sent as it comes, until it gives nothing; and the
  /// connection ends with it. One call at a time, on the control thread.
  std::function<boost::asio::awaitable<std::optional<std::string>>()> stream = {};
};

/// A request with a body, from its head to its answer: `POST`.
class HttpPost {
 public:
  virtual ~HttpPost() = default;
  /// The next piece of the body. False: there is no use in more; answer() is next.
  virtual bool take(std::string_view piece) = 0;
  /// Once the body has ended. `reply` is called once, on any thread.
  virtual void answer(std::function<void(HttpAnswer)> reply) = 0;
};

class HttpGate;

struct HttpLimits {
  size_t connections = 256;  ///< one more ends that which has been idle longest
  unsigned header_bytes = 8192;
  uint64_t body_bytes = 0;             ///< of a request that Site::posts takes; 0: there is none
  std::chrono::seconds handshake{10};  ///< of TLS
  std::chrono::seconds idle{10};       ///< for the next request to begin
  std::chrono::seconds request{10};    ///< for it to arrive, from its first byte on
  std::chrono::seconds progress{10};   ///< for the peer to take some more of an answer
  std::chrono::seconds stream{8};      ///< for it to take all of a piece of a stream
};

class HttpServer {
 public:
  using Pages = std::map<std::string, std::function<HttpAnswer()>, std::less<>>;
  /// By prefix, which ends in `/`: `path` is what follows it. `reply` is called once, during the call or
  /// later on the same thread.
  using Reply = std::function<void(HttpAnswer)>;
  using Trees = std::map<std::string, std::function<void(std::string_view path, Reply reply)>, std::less<>>;
  struct Site {
    Pages pages;
    Trees trees = {};
    Trees queried = {};  ///< the same, but that `path` has the query with it
    /// By path, as `pages`; what follows the question mark is given.
    std::map<std::string, std::function<HttpAnswer(std::string_view query)>, std::less<>> asked = {};
    /// Runs what makes the pieces of an answer, apart from the control thread; on it where this is empty.
    std::function<void(std::function<void()>)> make_pieces = {};
    Pages verbose = {};  ///< instead of `pages`, where the query says `verbose`
    /// By path: begins a request with a body. Only behind a gate, which says who `peer` is.
    /// `traceparent`: the field of that name, if it has one.
    using Post = std::function<std::unique_ptr<HttpPost>(const Peer& peer, std::string_view traceparent)>;
    std::map<std::string, Post, std::less<>> posts = {};
    /// Runs what asks pages and trees, on their thread; here where this is empty.
    std::function<void(std::function<void()>)> ask = {};
  };

  /// Who is behind an address, for everybody or not.
  struct Door {
    std::string listen;                        ///< "127.0.0.1:9464", "[::1]:9464"
    std::string key = "http.listen";           ///< the configuration's word for it
    std::shared_ptr<HttpGate> gate = nullptr;  ///< with one, all goes over TLS
  };
  /// Binds the address at once, so that one in use is an error of the start; accepts as soon as `io` runs.
  static Result<std::unique_ptr<HttpServer>> open(boost::asio::io_context& io, Door door, Site site,
                                                  HttpLimits limits = {});
  ~HttpServer();

  /// Accepts no more, and ends connections: those whose request is under way once it is answered.
  void stop();
  uint16_t port() const { return acceptor_->local_endpoint().port(); }

 private:
  struct Shared;
  using Tcp = boost::asio::ip::tcp;

  HttpServer(Tcp::acceptor acceptor, std::shared_ptr<HttpGate> gate, Site site, HttpLimits limits);
  static boost::asio::awaitable<void> accept(std::shared_ptr<Tcp::acceptor> acceptor,
                                             std::shared_ptr<Shared> shared);

  std::shared_ptr<Tcp::acceptor> acceptor_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace sluice::ctrl

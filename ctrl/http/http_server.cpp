#include "ctrl/http/http_server.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/buffers_suffix.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <set>

#include "ctrl/net/acceptor.h"
#include "ctrl/store/awaited_reply.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::awaitable;
using boost::system::error_code;

namespace {

using Clock = std::chrono::steady_clock;

/// A connection as the others see it, while its coroutine lasts.
struct Conversation {
  beast::tcp_stream stream;
  bool waits_for_request = true;
  Clock::time_point since = Clock::now();  ///< of what it does now
};

}  // namespace

struct HttpServer::Shared {
  Site site;
  HttpLimits limits;
  std::set<Conversation*> conversations = {};

  /// Ends the one that has waited longest for a request, else the one that has been answered longest: idle or
  /// slow peers never keep others out.
  void make_room() {
    const auto goes_after = [](const Conversation* a, const Conversation* b) {
      if (a->waits_for_request != b->waits_for_request) return !a->waits_for_request;
      return a->since > b->since;
    };
    const auto victim = std::ranges::max_element(conversations, goes_after);
    if (victim == conversations.end()) return;
    (*victim)->stream.close();
    conversations.erase(victim);  // its coroutine goes when the loop comes to it
  }
};

namespace {

using Request = http::request<http::empty_body>;
using Tcp = asio::ip::tcp;

auto with(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

/// The entry of a tree that `path` lies in.
auto tree_of(const HttpServer::Trees& trees, std::string_view path) {
  return std::ranges::find_if(trees, [&](const auto& tree) { return path.starts_with(tree.first); });
}

/// What a request's target names and asks: of the absolute form (RFC 9112, 3.2.2) what follows the authority.
std::string_view path_and_query_of(const Request& request) {
  std::string_view target(request.target().data(), request.target().size());
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!beast::iequals(beast::string_view(target.data(), std::min(target.size(), scheme.size())),
                        beast::string_view(scheme.data(), scheme.size()))) {
      continue;
    }
    target.remove_prefix(scheme.size());
    target.remove_prefix(std::min(target.find_first_of("/?"), target.size()));
  }
  return target;
}

/// Whether one of the query's parameters is `verbose`, as Kubernetes' probes have it.
bool is_verbose(std::string_view query) {
  while (!query.empty()) {
    const std::string_view parameter = query.substr(0, query.find('&'));
    if (parameter.substr(0, parameter.find('=')) == "verbose") return true;
    query.remove_prefix(std::min(parameter.size() + 1, query.size()));
  }
  return false;
}

/// Whether a request names one host, as RFC 9112, 3.2 asks of all but HTTP/1.0.
bool names_its_host(const Request& request) {
  const auto hosts = request.count(http::field::host);
  return hosts == 1 || (hosts == 0 && request.version() < 11);
}

awaitable<HttpAnswer> find(const HttpServer::Site& site, const Request& request) {
  if (!names_its_host(request)) {
    co_return HttpAnswer{400, "text/plain; charset=utf-8", "a request names one Host\n"};
  }
  const std::string_view target = path_and_query_of(request);
  const std::string_view path = target.substr(0, target.find('?'));
  const bool verbose = is_verbose(target.substr(std::min(path.size() + 1, target.size())));
  const HttpServer::Pages& pages = verbose && site.verbose.contains(path) ? site.verbose : site.pages;
  const auto page = pages.find(path);
  const auto tree = tree_of(site.trees, path);
  const auto queried = tree_of(site.queried, path);
  if (page == pages.end() && tree == site.trees.end() && queried == site.queried.end()) {
    co_return HttpAnswer{404, "text/plain; charset=utf-8", "not found\n"};
  }
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    co_return HttpAnswer{405, "text/plain; charset=utf-8", "GET or HEAD only\n"};
  }
  if (page != pages.end()) co_return page->second();
  co_return co_await awaited_reply<HttpAnswer>([&](const HttpServer::Reply& reply) {
    if (tree != site.trees.end()) return tree->second(path.substr(tree->first.size()), reply);
    queried->second(target.substr(queried->first.size()), reply);
  });
}

template <typename Body>
http::response<Body> head_of(const HttpAnswer& answer, const Request& request, bool keep_alive) {
  http::response<Body> response(http::int_to_status(answer.status), request.version());
  response.set(http::field::content_type, answer.content_type);
  response.set(http::field::cache_control, answer.cache_control);
  if (answer.status == 405) response.set(http::field::allow, "GET, HEAD");
  response.keep_alive(keep_alive);
  return response;
}

/// Writes what a serializer has; the peer has `patience` for each bit that it takes.
template <typename Serializer>
awaitable<void> write_message(beast::tcp_stream& stream, Serializer& serializer, Clock::duration patience,
                              error_code& error) {
  while (!error && !serializer.is_done()) {
    stream.expires_after(patience);
    co_await http::async_write_some(stream, serializer, with(error));
  }
}

template <typename Serializer>
awaitable<void> write_head(beast::tcp_stream& stream, Serializer& serializer, Clock::duration patience,
                           error_code& error) {
  stream.expires_after(patience);
  co_await http::async_write_header(stream, serializer, with(error));
}

/// Writes bytes, likewise.
template <typename Buffers>
awaitable<void> write_bytes(beast::tcp_stream& stream, const Buffers& buffers, Clock::duration patience,
                            error_code& error) {
  beast::buffers_suffix<Buffers> left(buffers);
  while (!error && asio::buffer_size(left) > 0) {
    stream.expires_after(patience);
    left.consume(co_await stream.async_write_some(left, with(error)));
  }
}

/// Writes an answer whose length is known.
awaitable<void> write_whole(beast::tcp_stream& stream, HttpAnswer& answer, const Request& request,
                            bool keep_alive, const HttpLimits& limits, error_code& error) {
  auto response = head_of<http::string_body>(answer, request, keep_alive);
  response.body() = std::move(answer.body);
  response.prepare_payload();
  http::response_serializer<http::string_body> serializer(response);
  if (request.method() == http::verb::head) {
    co_await write_head(stream, serializer, limits.progress, error);
  } else {
    co_await write_message(stream, serializer, limits.progress, error);
  }
}

using Pieces = std::function<bool(std::string&)>;

/// The next piece of an answer; nothing after the last.
awaitable<std::optional<std::string>> next_piece(const std::shared_ptr<Pieces>& pieces,
                                                 const HttpServer::Site& site) {
  using Piece = std::optional<std::string>;
  // Shared, as whoever makes a piece may do so beyond the end of the connection.
  const auto make = [pieces]() -> Piece {
    std::string text;
    if (!(*pieces)(text)) return std::nullopt;
    return text;
  };
  if (!site.make_pieces) co_return make();
  co_return co_await awaited_reply<Piece>(
      [&](const auto& done) { site.make_pieces([make, done] { done(make()); }); });
}

/// Writes an answer piece by piece: in chunks, or to HTTP/1.0 up to the end of the connection.
awaitable<void> write_pieces(beast::tcp_stream& stream, const HttpAnswer& answer, const Request& request,
                             bool keep_alive, const HttpServer::Site& site, const HttpLimits& limits,
                             error_code& error) {
  auto response = head_of<http::empty_body>(answer, request, keep_alive);
  const bool chunked = request.version() >= 11;
  response.chunked(chunked);
  http::response_serializer<http::empty_body> serializer(response);
  co_await write_head(stream, serializer, limits.progress, error);
  if (error || request.method() == http::verb::head) co_return;
  const auto pieces = std::make_shared<Pieces>(answer.pieces);
  std::optional<std::string> piece = co_await next_piece(pieces, site);
  while (piece) {
    if (chunked) {
      co_await write_bytes(stream, http::make_chunk(asio::buffer(*piece)), limits.progress, error);
    } else {
      co_await write_bytes(stream, asio::const_buffer(asio::buffer(*piece)), limits.progress, error);
    }
    if (error) co_return;
    piece = co_await next_piece(pieces, site);
  }
  if (chunked) co_await write_bytes(stream, http::make_chunk_last(), limits.progress, error);
}

awaitable<void> refuse_request(beast::tcp_stream& stream, error_code reason, const HttpLimits& limits) {
  HttpAnswer answer{reason == http::error::header_limit ? 431u : 400u, "text/plain; charset=utf-8",
                    "bad request\n"};
  Request request;
  error_code ignored;
  co_await write_whole(stream, answer, request, false, limits, ignored);
}

awaitable<void> converse(Conversation& conversation, const HttpServer::Site& site, const HttpLimits& limits) {
  beast::tcp_stream& stream = conversation.stream;
  const auto turn_to = [&](bool waits_for_request) {
    conversation.waits_for_request = waits_for_request;
    conversation.since = Clock::now();
  };
  beast::flat_buffer buffer(limits.header_bytes + 4096);
  for (bool keep_alive = true; keep_alive;) {
    error_code error;
    http::request_parser<http::empty_body> parser;
    parser.header_limit(limits.header_bytes);
    turn_to(true);
    stream.expires_after(limits.request);
    co_await http::async_read_header(stream, buffer, parser, with(error));
    if (error && error != http::error::end_of_stream && error != beast::error::timeout) {
      co_await refuse_request(stream, error, limits);
    }
    if (error) co_return;
    turn_to(false);
    const Request& request = parser.get();
    keep_alive = request.keep_alive() && parser.is_done();  // a body is not read: the connection ends
    HttpAnswer answer = co_await find(site, request);
    if (answer.pieces) {
      keep_alive = keep_alive && request.version() >= 11;
      co_await write_pieces(stream, answer, request, keep_alive, site, limits, error);
    } else {
      co_await write_whole(stream, answer, request, keep_alive, limits, error);
    }
    if (error) co_return;
  }
  error_code ignored;
  stream.socket().shutdown(Tcp::socket::shutdown_send, ignored);
}

template <typename Shared>
awaitable<void> serve(Tcp::socket socket, std::shared_ptr<Shared> shared) {
  Conversation conversation{.stream = beast::tcp_stream(std::move(socket))};
  struct Listed {
    std::set<Conversation*>& all;
    Conversation* own;
    ~Listed() { all.erase(own); }
  } const listed{shared->conversations, &conversation};
  shared->conversations.insert(&conversation);
  co_await converse(conversation, shared->site, shared->limits);
}

}  // namespace

HttpServer::HttpServer(Tcp::acceptor acceptor, Site site, HttpLimits limits)
    : acceptor_(std::move(acceptor)), shared_(std::make_shared<Shared>(Shared{std::move(site), limits})) {}

HttpServer::~HttpServer() {
  stop();
}

Result<std::unique_ptr<HttpServer>> HttpServer::open(asio::io_context& io, const std::string& listen,
                                                     Site site, HttpLimits limits) {
  auto acceptor = open_acceptor(io, listen, "http.listen");
  if (!acceptor) return tl::unexpected(acceptor.error());
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(*acceptor), std::move(site), limits));
  asio::co_spawn(io, server->accept(), asio::detached);
  return server;
}

awaitable<void> HttpServer::accept() {
  asio::steady_timer pause(acceptor_.get_executor());
  while (acceptor_.is_open()) {
    error_code error;
    auto socket = co_await acceptor_.async_accept(with(error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {  // out of descriptors, mostly: give others time to end
      pause.expires_after(std::chrono::milliseconds(100));
      co_await pause.async_wait(with(error));
    } else {
      if (shared_->conversations.size() >= shared_->limits.connections) shared_->make_room();
      asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket), shared_), asio::detached);
    }
  }
}

void HttpServer::stop() {
  error_code ignored;
  acceptor_.close(ignored);
}

}  // namespace sluice::ctrl

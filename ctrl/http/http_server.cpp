#include "ctrl/http/http_server.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <set>

#include "ctrl/http/http_connection.h"
#include "ctrl/http/http_conversation.h"
#include "ctrl/http/http_gate.h"
#include "ctrl/net/acceptor.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/net/tls_session.h"
#include "ctrl/store/awaited_reply.h"
#include "ctrl/wire/http_message.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct HttpServer::Shared {
  std::shared_ptr<HttpGate> gate;
  Site site;
  HttpLimits limits;
  std::set<HttpConversation*> conversations = {};

  /// Ends the one that has waited longest for a request, strangers first, else the one that has been answered
  /// longest: idle or slow peers never keep others out.
  void make_room() {
    const auto goes_after = [](const HttpConversation* a, const HttpConversation* b) {
      if (a->is_known != b->is_known) return a->is_known;
      if (a->waits_for_request != b->waits_for_request) return !a->waits_for_request;
      return a->since > b->since;
    };
    const auto victim = std::ranges::max_element(conversations, goes_after);
    if (victim == conversations.end()) return;
    if ((*victim)->visit) (*victim)->visit->failed(HttpFault::kCrowded);
    (*victim)->connection.close();
    conversations.erase(victim);  // its coroutine goes when the loop comes to it
  }
};

namespace {

using Tcp = asio::ip::tcp;

/// The entry of a tree that `path` lies in.
auto tree_of(const HttpServer::Trees& trees, std::string_view path) {
  return std::ranges::find_if(trees, [&](const auto& tree) { return path.starts_with(tree.first); });
}

/// What a request's target names and asks: of the absolute form (RFC 9112, 3.2.2) what follows the authority.
std::string_view path_and_query_of(std::string_view target) {
  const auto is_same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!std::ranges::equal(target.substr(0, scheme.size()), scheme, is_same)) continue;
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

/// What asks a page, or a tree.
using Question = std::function<void(const HttpServer::Reply&)>;

/// Asks on the pages' thread.
awaitable<HttpAnswer> ask(const HttpServer::Site& site, const Question& question) {
  HttpAnswer answer = co_await awaited_reply<HttpAnswer>([&](const HttpServer::Reply& reply) {
    if (!site.ask) return question(reply);
    site.ask([question, reply] { question(reply); });
  });
  co_return answer;
}

HttpAnswer post_only() {
  return {.status = 405, .body = "POST only\n", .fields = {{"Allow", "POST"}}};
}

awaitable<HttpAnswer> find(const HttpServer::Site& site, const RequestHead& request) {
  const std::string_view target = path_and_query_of(request.target());
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string query(target.substr(std::min(path.size() + 1, target.size())));
  const bool verbose = is_verbose(query);
  const HttpServer::Pages& pages = verbose && site.verbose.contains(path) ? site.verbose : site.pages;
  const auto page = pages.find(path);
  const auto asked = site.asked.find(path);
  const auto tree = tree_of(site.trees, path);
  const auto queried = tree_of(site.queried, path);
  if (site.posts.contains(path)) co_return post_only();
  if (page == pages.end() && asked == site.asked.end() && tree == site.trees.end() &&
      queried == site.queried.end()) {
    co_return HttpAnswer{404, kPlainText, "not found\n"};
  }
  if (!request.is_get() && !request.is_head()) {
    co_return HttpAnswer{405, kPlainText, "GET or HEAD only\n"};
  }
  if (page != pages.end() && !site.ask) co_return page->second();
  // Named, as GCC 12 destroys a closure twice that stands in an awaited expression.
  Question question;
  if (page != pages.end()) {
    question = [page](const HttpServer::Reply& reply) { reply(page->second()); };
  } else if (asked != site.asked.end()) {
    question = [asked, query](const HttpServer::Reply& reply) { reply(asked->second(query)); };
  } else {
    const auto below = tree != site.trees.end() ? tree : queried;
    const std::string rest((tree != site.trees.end() ? path : target).substr(below->first.size()));
    question = [below, rest](const HttpServer::Reply& reply) { below->second(rest, reply); };
  }
  HttpAnswer answer = co_await ask(site, question);
  co_return answer;
}

/// What is answered to a request of somebody who was let in. Nothing: the peer is gone.
awaitable<std::optional<HttpAnswer>> admitted_answer(HttpConversation& conversation, std::string& unread,
                                                     RequestHead& request, std::string_view path,
                                                     const Peer& peer, const HttpServer::Site& site,
                                                     const HttpLimits& limits) {
  const auto post = site.posts.find(path);
  if (post != site.posts.end() && request.is_post()) {
    const std::unique_ptr<HttpPost> begun = post->second(peer, request.traceparent());
    std::optional<HttpAnswer> answer = co_await take_post(conversation, unread, request, *begun, limits);
    co_return answer;
  }
  HttpAnswer answer = co_await find(site, request);
  co_return answer;
}

/// The answer to a request whose head has been read. Nothing: its peer is gone.
awaitable<std::optional<HttpAnswer>> answer_to(HttpConversation& conversation, std::string& unread,
                                               RequestHead& request, const HttpServer::Site& site,
                                               const HttpLimits& limits) {
  Peer peer;
  const auto began = std::chrono::system_clock::now();
  const std::string_view target = path_and_query_of(request.target());
  const std::string_view path = target.substr(0, target.find('?'));
  if (auto refused = refusal_of(conversation, request, path, peer)) co_return std::move(*refused);
  std::optional<HttpAnswer> answer =
      co_await admitted_answer(conversation, unread, request, path, peer, site, limits);
  if (answer && conversation.visit) {
    const std::string_view method = request.is_get() ? "GET" : request.is_head() ? "HEAD" : "POST";
    conversation.visit->answered({path, method, request.traceparent(), peer, answer->status, began});
  }
  co_return answer;
}

HttpHead head_of(const HttpAnswer& answer, bool is_1_1, bool keep_alive) {
  return {.is_1_1 = is_1_1,
          .status = answer.status,
          .content_type = answer.content_type,
          .cache_control = answer.cache_control,
          .keep_alive = keep_alive,
          .fields = answer.fields};
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

/// Writes an answer piece by piece: in chunks, or to HTTP/1.0 up to the end of the connection. False: the
/// peer has not taken it.
awaitable<bool> write_pieces(HttpConnection& connection, const HttpAnswer& answer, const RequestHead& request,
                             bool keep_alive, const HttpServer::Site& site, const HttpLimits& limits) {
  HttpHead head = head_of(answer, request.is_1_1(), keep_alive);
  head.is_chunked = request.is_1_1();
  const std::string begin = head_text(head);
  bool goes_on = co_await connection.write(begin, "", limits.progress);
  if (!goes_on || request.is_head()) co_return goes_on;
  const auto pieces = std::make_shared<Pieces>(answer.pieces);
  std::optional<std::string> piece = co_await next_piece(pieces, site);
  while (goes_on && piece) {
    const std::string size_line = head.is_chunked ? chunk_size_line(piece->size()) : "";
    if (head.is_chunked) *piece += "\r\n";
    goes_on = co_await connection.write(size_line, *piece, limits.progress);
    if (goes_on) piece = co_await next_piece(pieces, site);
  }
  if (goes_on && head.is_chunked) goes_on = co_await connection.write(kLastChunk, "", limits.progress);
  co_return goes_on;
}

/// Writes what comes of a stream, until it ends or the peer does not keep up. The connection ends with it.
awaitable<void> write_stream(HttpConnection& connection, const HttpAnswer& answer, const RequestHead& request,
                             const HttpLimits& limits) {
  HttpHead head = head_of(answer, request.is_1_1(), false);
  head.is_chunked = request.is_1_1();
  const std::string begin = head_text(head);
  bool goes_on = co_await connection.write_by(begin, "", Clock::now() + limits.stream);
  if (request.is_head()) co_return;
  while (goes_on) {
    std::optional<std::string> piece = co_await answer.stream();
    if (!piece) break;
    const std::string size_line = head.is_chunked ? chunk_size_line(piece->size()) : "";
    if (head.is_chunked) *piece += "\r\n";
    goes_on = co_await connection.write_by(size_line, *piece, Clock::now() + limits.stream);
  }
}

/// Writes an answer whose length is known. False: the peer has not taken it.
awaitable<bool> write_whole(HttpConnection& connection, const HttpAnswer& answer, HttpHead head,
                            bool with_body, bool accepts_gzip, const HttpLimits& limits) {
  const bool is_compressed = accepts_gzip && !answer.gzip_body.empty();
  const std::string& body = is_compressed ? answer.gzip_body : answer.body;
  if (head.status != 204) head.content_length = body.size();  // RFC 9110, 8.6
  if (is_compressed) head.content_encoding = "gzip";
  if (!answer.gzip_body.empty()) head.fields.push_back({"Vary", "Accept-Encoding"});
  const std::string begin = head_text(head);
  const bool goes_on =
      co_await connection.write(begin, with_body ? body : std::string_view(), limits.progress);
  co_return goes_on;
}

/// Reads the head of a request from what has come and what comes. False: the connection ends, the peer has
/// been told why where it is there to be told.
awaitable<bool> read_request(HttpConversation& conversation, std::string& unread, RequestHead& request,
                             const HttpLimits& limits) {
  HttpConnection& connection = conversation.connection;
  const auto complain = [&conversation](HttpFault fault) {
    if (conversation.visit) conversation.visit->failed(fault);
  };
  auto deadline = Clock::now() + limits.idle;
  const size_t most_unread = limits.header_bytes + 4096;
  unread.reserve(most_unread);  // so that no token is left behind where it was
  bool has_begun = false;
  auto state = RequestHead::State::kUnfinished;
  while (state == RequestHead::State::kUnfinished) {
    if (!has_begun && !unread.empty()) {
      has_begun = true;
      deadline = std::min(deadline, Clock::now() + limits.request);
    }
    state = request.read(unread);
    if (state == RequestHead::State::kRead) co_return true;
    if (state != RequestHead::State::kUnfinished || unread.size() >= most_unread) break;
    const auto got = co_await connection.read_some(unread, most_unread - unread.size(), deadline);
    if (got == HttpConnection::Got::kTooLate && has_begun) complain(HttpFault::kSlowRequest);
    if (got == HttpConnection::Got::kTooLate) co_return false;
    const TlsSession* const session = connection.session();
    if (session && session->has_renegotiated()) {
      complain(HttpFault::kRenegotiation);
      co_return false;
    }
    if (got == HttpConnection::Got::kEnd && !has_begun) co_return false;
    if (got == HttpConnection::Got::kEnd) state = RequestHead::State::kMalformed;
  }
  complain(HttpFault::kMalformed);
  const unsigned status = state == RequestHead::State::kTooLarge       ? 431
                          : state == RequestHead::State::kBodyTooLarge ? 413
                                                                       : 400;
  const HttpAnswer answer{status, kPlainText, "bad request\n"};
  const HttpHead head = head_of(answer, true, false);
  const bool is_taken = co_await write_whole(connection, answer, head, true, false, limits);
  if (is_taken) co_await connection.finish();
  co_return false;
}

awaitable<void> converse(HttpConversation& conversation, const HttpServer::Site& site,
                         const HttpLimits& limits) {
  HttpConnection& connection = conversation.connection;
  const auto turn_to = [&](bool waits_for_request) {
    conversation.waits_for_request = waits_for_request;
    conversation.since = Clock::now();
  };
  std::string unread;
  for (bool keep_alive = true; keep_alive && !conversation.is_last;) {
    RequestHead request(limits.header_bytes, limits.body_bytes);
    turn_to(true);
    const bool is_read = co_await read_request(conversation, unread, request, limits);
    if (!is_read) co_return;
    turn_to(false);
    const std::optional<HttpAnswer> found = co_await answer_to(conversation, unread, request, site, limits);
    if (!found) co_return;
    const HttpAnswer& answer = *found;
    keep_alive = request.goes_on() && !conversation.is_last;
    bool is_taken = false;
    if (answer.stream) {
      conversation.is_stream = true;
      co_await write_stream(connection, answer, request, limits);
      co_return;
    }
    if (answer.pieces) {
      keep_alive = keep_alive && request.is_1_1();
      is_taken = co_await write_pieces(connection, answer, request, keep_alive, site, limits);
    } else {
      const HttpHead head = head_of(answer, request.is_1_1(), keep_alive);
      is_taken =
          co_await write_whole(connection, answer, head, !request.is_head(), request.accepts_gzip(), limits);
    }
    if (!is_taken) co_return;
  }
  co_await connection.finish();
}

template <typename Shared>
awaitable<void> serve(Tcp::socket socket, std::shared_ptr<Shared> shared) {
  HttpConversation conversation{.connection = HttpConnection(std::move(socket))};
  struct Listed {
    std::set<HttpConversation*>& all;
    HttpConversation* own;
    ~Listed() { all.erase(own); }
  } const listed{shared->conversations, &conversation};
  shared->conversations.insert(&conversation);
  if (shared->gate) {
    const bool has_arrived = co_await arrive(conversation, *shared->gate, shared->limits);
    if (!has_arrived) co_return;
  }
  co_await converse(conversation, shared->site, shared->limits);
}

}  // namespace

HttpServer::HttpServer(Tcp::acceptor acceptor, std::shared_ptr<HttpGate> gate, Site site, HttpLimits limits)
    : acceptor_(std::make_shared<Tcp::acceptor>(std::move(acceptor))),
      shared_(std::make_shared<Shared>(Shared{std::move(gate), std::move(site), limits})) {}

HttpServer::~HttpServer() {
  stop();
}

Result<std::unique_ptr<HttpServer>> HttpServer::open(asio::io_context& io, Door door, Site site,
                                                     HttpLimits limits) {
  auto acceptor = open_acceptor(io, door.listen, door.key);
  if (!acceptor) return tl::unexpected(acceptor.error());
  std::unique_ptr<HttpServer> server(
      new HttpServer(std::move(*acceptor), std::move(door.gate), std::move(site), limits));
  spawn(io.get_executor(), accept(server->acceptor_, server->shared_));
  return server;
}

/// Holds what it uses: the server may be gone when it comes to it.
awaitable<void> HttpServer::accept(std::shared_ptr<Tcp::acceptor> acceptor, std::shared_ptr<Shared> shared) {
  asio::steady_timer timer(acceptor->get_executor());
  while (acceptor->is_open()) {
    error_code error;
    auto socket = co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error) {  // out of descriptors, mostly: give others time to end
      co_await pause(timer, std::chrono::milliseconds(100));
    } else {
      if (shared->conversations.size() >= shared->limits.connections) shared->make_room();
      spawn(acceptor->get_executor(), serve(std::move(socket), shared));
    }
  }
}

void HttpServer::stop() {
  error_code ignored;
  acceptor_->close(ignored);
  for (HttpConversation* const conversation : shared_->conversations) {
    conversation->is_last = true;
    if (conversation->waits_for_request || conversation->is_stream) conversation->connection.close();
  }
}

}  // namespace sluice::ctrl

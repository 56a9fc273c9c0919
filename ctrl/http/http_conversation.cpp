#include "ctrl/http/http_conversation.h"

#include <utility>

#include "ctrl/net/tls_session.h"
#include "ctrl/store/awaited_reply.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;
using Clock = std::chrono::steady_clock;

/// Whether a request names one host, as RFC 9112, 3.2 asks of all but HTTP/1.0.
bool names_its_host(const RequestHead& request) {
  return request.hosts() == 1 || (request.hosts() == 0 && !request.is_1_1());
}

/// A page of another site must not have a browser ask here with its user's certificate.
bool is_of_another_site(const RequestHead& request) {
  const std::string_view origin = request.origin();
  return !origin.empty() && origin != "https://" + std::string(request.host());
}

}  // namespace

awaitable<bool> arrive(HttpConversation& conversation, HttpGate& gate, const HttpLimits& limits) {
  conversation.is_known = false;
  conversation.visit = gate.visit(conversation.connection.address());
  const auto secured = co_await conversation.connection.secure(gate.tls(), Clock::now() + limits.handshake);
  switch (secured) {
    case HttpConnection::Secured::kYes:
      conversation.visit->arrived(*conversation.connection.session());
      co_return true;
    case HttpConnection::Secured::kNo:
      conversation.visit->failed(HttpFault::kHandshake);
      break;
    case HttpConnection::Secured::kTooLate:
      conversation.visit->failed(HttpFault::kSlowHandshake);
      break;
  }
  co_return false;
}

std::optional<HttpAnswer> refusal_of(HttpConversation& conversation, const RequestHead& request,
                                     std::string_view path, Peer& peer) {
  if (!names_its_host(request)) return HttpAnswer{400, kPlainText, "a request names one Host\n"};
  if (!conversation.visit) return std::nullopt;
  if (is_of_another_site(request)) return HttpAnswer{403, kPlainText, "this is no page of this server\n"};
  auto admitted = conversation.visit->admit({path, request.authorization(), request.authorizations()});
  if (!admitted) return std::move(admitted.error());
  conversation.is_known = true;
  peer = std::move(*admitted);
  return std::nullopt;
}

awaitable<std::optional<HttpAnswer>> take_post(HttpConversation& conversation, std::string& unread,
                                               RequestHead& request, HttpPost& post,
                                               const HttpLimits& limits) {
  constexpr size_t kPiece = 65536;
  HttpConnection& connection = conversation.connection;
  const auto deadline = Clock::now() + limits.request;
  if (request.waits_for_continue() && unread.empty()) {
    const bool is_taken = co_await connection.write(kContinue, "", limits.progress);
    if (!is_taken) co_return std::nullopt;
  }
  for (bool wants_more = true; wants_more;) {
    std::string piece;
    const auto state = request.read_body(unread, piece);
    if (state == RequestHead::State::kBodyTooLarge) co_return HttpAnswer{413, kPlainText, "too large\n"};
    if (state == RequestHead::State::kMalformed) co_return HttpAnswer{400, kPlainText, "bad request\n"};
    wants_more = post.take(piece) && state == RequestHead::State::kUnfinished;
    if (!wants_more) break;
    const auto got = co_await connection.read_some(unread, kPiece, deadline);
    if (got == HttpConnection::Got::kTooLate && conversation.visit) {
      conversation.visit->failed(HttpFault::kSlowRequest);
    }
    if (got != HttpConnection::Got::kBytes) co_return std::nullopt;
  }
  HttpAnswer answer =
      co_await awaited_reply<HttpAnswer>([&](const HttpServer::Reply& reply) { post.answer(reply); });
  co_return answer;
}

}  // namespace sluice::ctrl

// One connection of registration over HTTP/1.1: requests one after the other, with bodies, each bounded in
// bytes and time.
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "ctrl/net/faults.h"
#include "ctrl/net/server_stream.h"
#include "ctrl/registry/registry_http.h"
#include "ctrl/registry/registry_json.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;
using Parser = http::request_parser<http::string_body>;

constexpr auto kRequestTime = 10s;  // for a request to be whole, and for an answer to be taken
constexpr auto kIdle = 60s;         // between two requests
constexpr uint32_t kMostHeaderBytes = 16384;
constexpr uint64_t kMostBodyBytes = 65536;

std::string text_of(const RegistryHttpAnswer& answer, bool keeps_alive) {
  const std::string reason(http::obsolete_reason(http::int_to_status(answer.status)));
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + ' ' + reason +
                     "\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: " +
                     std::to_string(answer.body.size()) + "\r\n";
  if (answer.index) text += "X-Sluice-Index: " + std::to_string(*answer.index) + "\r\n";
  if (!answer.allow.empty()) text += "Allow: " + answer.allow + "\r\n";
  if (answer.status == 401) text += "WWW-Authenticate: Bearer\r\n";
  text += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
  return text + answer.body;
}

class HttpConversation {
 public:
  HttpConversation(RegistryParts& parts, RegistryAccess& access, ServerStream& stream, StopSignal& stop)
      : parts_(parts), access_(access), stream_(stream), stop_(stop), peer_{.session = stream.session()} {}

  awaitable<void> run() {
    for (bool goes_on = true; goes_on && !stop_.is_stopped();) goes_on = co_await exchange();
  }

 private:
  awaitable<bool> exchange();
  awaitable<bool> receive(Parser& parser);
  awaitable<bool> refuse(unsigned status, std::string message);
  awaitable<RegistryHttpAnswer> answer_to(Parser& parser);
  awaitable<void> wait_for_change(const RegistryWait& wait);

  RegistryParts& parts_;
  RegistryAccess& access_;
  ServerStream& stream_;
  StopSignal& stop_;
  JudgedCertificate peer_;
  std::string pending_;  ///< what has come and belongs to no request yet
};

awaitable<bool> HttpConversation::exchange() {
  Parser parser;
  parser.eager(true);
  parser.header_limit(kMostHeaderBytes);
  parser.body_limit(kMostBodyBytes);
  const bool is_whole = co_await receive(parser);
  if (!is_whole) co_return false;
  const bool keeps_alive = parser.get().keep_alive();
  const RegistryHttpAnswer answer = co_await answer_to(parser);
  stream_.expires_after(kRequestTime);
  const std::string text = text_of(answer, keeps_alive);
  co_await stream_.write(bytes_of(text));
  co_return keeps_alive;
}

/// False: there is none, or it cannot be read, which has been answered.
awaitable<bool> HttpConversation::receive(Parser& parser) {
  stream_.expires_after(pending_.empty() ? kIdle : kRequestTime);
  bool was_invited = false, has_begun = !pending_.empty();
  for (;;) {
    error_code error;
    size_t used = 0;
    if (!pending_.empty()) used = parser.put(asio::buffer(pending_), error);
    pending_.erase(0, used);
    const bool has_more = used > 0 && !pending_.empty() && !error && !parser.is_done();
    if (has_more) continue;
    if (error == http::error::need_more) error = {};
    if (error == http::error::body_limit) co_return co_await refuse(413, "the body has more than 64 KiB");
    if (error == http::error::header_limit) co_return co_await refuse(431, "the header has more than 16 KiB");
    if (error) co_return co_await refuse(400, "this is no HTTP request");
    if (parser.is_done()) co_return true;
    if (parser.is_header_done() && !was_invited && parser.get()[http::field::expect] == "100-continue") {
      was_invited = true;
      co_await stream_.write(bytes_of("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    std::array<uint8_t, 16384> bytes;
    const size_t got = co_await stream_.read_some(bytes);
    if (got == 0) co_return false;
    if (!std::exchange(has_begun, true)) stream_.expires_after(kRequestTime);
    pending_ += sluice::ctrl::text_of(std::span<const uint8_t>(bytes).first(got));
  }
}

awaitable<bool> HttpConversation::refuse(unsigned status, std::string message) {
  const std::string text =
      text_of(RegistryHttpAnswer{status, error_json("INVALID_ARGUMENT", message)}, false);
  stream_.expires_after(kRequestTime);
  co_await stream_.write(bytes_of(text));
  co_return false;
}

awaitable<RegistryHttpAnswer> HttpConversation::answer_to(Parser& parser) {
  const auto& request = parser.get();
  const auto authorization = request[http::field::authorization];
  if (const auto refusal = access_.refusal(peer_, {authorization.data(), authorization.size()})) {
    co_return answer_refusal({GrpcStatus::kUnauthenticated, *refusal});
  }
  const RegistryHttpOutcome outcome = answer_http(
      parts_, {std::string(request.method_string()), std::string(request.target()), request.body()});
  if (!outcome.wait) co_return outcome.answer;
  co_await wait_for_change(*outcome.wait);
  co_return answer_list(parts_, outcome.wait->service);
}

awaitable<void> HttpConversation::wait_for_change(const RegistryWait& wait) {
  stream_.expires_after(wait.time + kRequestTime);
  asio::steady_timer timer(parts_.io, wait.time);
  const StopSignal::Registration ends(stop_, [&timer] { timer.cancel(); });
  const RegistryWatcher watcher(parts_, wait.service, [&] {
    if (parts_.table.index_of(wait.service) != wait.index) timer.cancel();
  });
  error_code ignored;
  if (parts_.table.index_of(wait.service) != wait.index) co_return;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace

awaitable<void> converse_in_http(std::shared_ptr<RegistryParts> parts, std::shared_ptr<RegistryAccess> access,
                                 asio::ip::tcp::socket socket, std::shared_ptr<StopSignal> stop) {
  ServerStream stream(parts->io, std::move(socket), *stop);
  stream.expires_after(kRequestTime);
  if (auto context = access->tls()) co_await stream.secure(std::move(context));
  HttpConversation conversation(*parts, *access, stream, *stop);
  co_await conversation.run();
}

}  // namespace sluice::ctrl

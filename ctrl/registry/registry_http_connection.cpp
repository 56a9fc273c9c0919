// One connection of registration over HTTP/1.1: requests one after the other, with bodies, each bounded in
// bytes and time.
#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>

#include "ctrl/net/faults.h"
#include "ctrl/net/server_stream.h"
#include "ctrl/registry/registry_http.h"
#include "ctrl/registry/registry_json.h"
#include "ctrl/wire/http_message.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kRequestTime = 10s;  // for a request to be whole, and for an answer to be taken
constexpr auto kIdle = 60s;         // between two requests
constexpr uint32_t kMostHeaderBytes = 16384;
constexpr uint64_t kMostBodyBytes = 65536;

std::string text_of(const RegistryHttpAnswer& answer, bool is_1_1, bool keeps_alive) {
  HttpHead head{.is_1_1 = is_1_1,
                .status = answer.status,
                .content_type = "application/json",
                .cache_control = "no-store",
                .keep_alive = keeps_alive,
                .content_length = answer.body.size()};
  if (answer.index) head.fields.push_back({"X-Sluice-Index", std::to_string(*answer.index)});
  if (!answer.allow.empty()) head.fields.push_back({"Allow", answer.allow});
  if (answer.status == 401) head.fields.push_back({"WWW-Authenticate", "Bearer"});
  return head_text(head) + answer.body;
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
  awaitable<bool> receive(RequestHead& head, std::string& body);
  RequestHead::State read_on(RequestHead& head, std::string& body);
  awaitable<bool> refuse(unsigned status, std::string message);
  awaitable<RegistryHttpAnswer> answer_to(const RequestHead& head, std::string body);
  awaitable<void> wait_for_change(const RegistryWait& wait);

  RegistryParts& parts_;
  RegistryAccess& access_;
  ServerStream& stream_;
  StopSignal& stop_;
  JudgedCertificate peer_;
  std::string pending_;    ///< what has come and belongs to no request yet
  bool has_head_ = false;  ///< of the present request
};

awaitable<bool> HttpConversation::exchange() {
  RequestHead head(kMostHeaderBytes, kMostBodyBytes);
  std::string body;
  const bool is_whole = co_await receive(head, body);
  if (!is_whole) co_return false;
  const bool keeps_alive = head.goes_on();
  const RegistryHttpAnswer answer = co_await answer_to(head, std::move(body));
  stream_.expires_after(kRequestTime);
  const std::string text = text_of(answer, head.is_1_1(), keeps_alive);
  co_await stream_.write(bytes_of(text));
  co_return keeps_alive;
}

/// False: there is none, or it cannot be read, which has been answered.
awaitable<bool> HttpConversation::receive(RequestHead& head, std::string& body) {
  stream_.expires_after(pending_.empty() ? kIdle : kRequestTime);
  has_head_ = false;
  bool was_invited = false, has_begun = !pending_.empty();
  for (;;) {
    const RequestHead::State state = read_on(head, body);
    if (state == RequestHead::State::kRead) co_return true;
    if (state == RequestHead::State::kBodyTooLarge)
      co_return co_await refuse(413, "the body has more than 64 KiB");
    if (state == RequestHead::State::kTooLarge)
      co_return co_await refuse(431, "the header has more than 16 KiB");
    if (state == RequestHead::State::kMalformed) co_return co_await refuse(400, "this is no HTTP request");
    if (has_head_ && !was_invited && head.waits_for_continue()) {
      was_invited = true;
      co_await stream_.write(bytes_of(kContinue));
    }
    std::array<uint8_t, 16384> bytes;
    const size_t got = co_await stream_.read_some(bytes);
    if (got == 0) co_return false;
    if (!std::exchange(has_begun, true)) stream_.expires_after(kRequestTime);
    pending_ += sluice::ctrl::text_of(std::span<const uint8_t>(bytes).first(got));
  }
}

/// Takes what has come. kRead: the request is whole.
RequestHead::State HttpConversation::read_on(RequestHead& head, std::string& body) {
  if (!has_head_) {
    const RequestHead::State state = head.read(pending_);
    if (state != RequestHead::State::kRead) return state;
    has_head_ = true;
  }
  return head.read_body(pending_, body);
}

awaitable<bool> HttpConversation::refuse(unsigned status, std::string message) {
  const std::string text =
      text_of(RegistryHttpAnswer{status, error_json("INVALID_ARGUMENT", message)}, true, false);
  stream_.expires_after(kRequestTime);
  co_await stream_.write(bytes_of(text));
  co_return false;
}

awaitable<RegistryHttpAnswer> HttpConversation::answer_to(const RequestHead& head, std::string body) {
  // Of several it would be anybody's guess which counts.
  const std::string_view authorization = head.authorizations() == 1 ? head.authorization() : "";
  if (const auto refusal = access_.refusal(peer_, authorization)) {
    co_return answer_refusal({GrpcStatus::kUnauthenticated, *refusal});
  }
  const RegistryHttpOutcome outcome =
      answer_http(parts_, {std::string(head.method()), std::string(head.target()), std::move(body)});
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

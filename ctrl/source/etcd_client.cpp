#include "ctrl/source/etcd_client.h"

#include <algorithm>

#include "ctrl/source/secret_file.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kEtcdPatience = 8s;  // silence is to be noticed within resync and 10 s
constexpr size_t kMostEtcdPageBytes = size_t{32} << 20;
constexpr size_t kMostEtcdErrorBytes = 65536;
constexpr UrlDefaults kEtcdPorts{.port = 2379, .tls_port = 2379};

bool is_about_the_token(const EtcdRefusal& refusal) {
  return refusal.code() == EtcdError::kUnauthenticated ||
         std::string_view(refusal.what()).find("revision of auth store is old") != std::string_view::npos;
}

}  // namespace

EtcdClient::EtcdClient(asio::io_context& io, const SourceModel& model)
    : username_(model.username),
      password_file_(model.password_file),
      servers_(io, model, kEtcdPorts),
      authentication_(io, 1) {}

awaitable<std::unique_ptr<HttpExchange>> EtcdClient::ask(HttpRequest request, StopSignal& stop) {
  auto exchange = co_await servers_.ask(request, kEtcdPatience, stop);
  if (exchange->status() == 200) co_return exchange;
  const unsigned status = exchange->status();
  const std::string body = co_await exchange->read_rest(kMostEtcdErrorBytes, kEtcdPatience);
  const EtcdError error = read_etcd_error(body);
  const bool is_of_etcd = !error.message.empty();
  if (!is_of_etcd || status / 100 == 5) servers_.turn_away();
  throw EtcdRefusal(is_of_etcd ? error.message : "HTTP status " + std::to_string(status), error.code);
}

awaitable<void> EtcdClient::authenticate(uint64_t refused, StopSignal& stop) {
  const Turns::Turn turn = co_await authentication_.take(stop);
  if (token_number_ != refused) co_return;  // somebody else has asked meanwhile
  token_.reset();
  const crypto::SecretText password = read_secret(password_file_);
  HttpRequest request{.method = "POST", .target = "/v3/auth/authenticate"};
  request.body = etcd_authentication_request(username_, password.reveal());
  std::unique_ptr<HttpExchange> exchange;
  std::string reason;
  try {
    exchange = co_await servers_.ask(request, kEtcdPatience, stop);
  } catch (const PeerFault& fault) {
    reason = fault.what();
  }
  crypto::erase({reinterpret_cast<uint8_t*>(request.body.data()), request.body.size()});
  if (!reason.empty()) throw PeerFault(reason);
  const crypto::SecretText body(co_await exchange->read_rest(kMostEtcdErrorBytes, kEtcdPatience));
  ++token_number_;
  if (exchange->status() != 200) {
    const EtcdError error = read_etcd_error(body.reveal());
    // A server without authentication serves everybody, as etcd's own clients take it.
    needs_no_token_ = error.message.find("authentication is not enabled") != std::string::npos;
    if (needs_no_token_) co_return;
    --token_number_;
    throw EtcdRefusal(
        error.message.empty() ? "HTTP status " + std::to_string(exchange->status()) : error.message,
        error.code);
  }
  needs_no_token_ = false;
  auto token = read_etcd_token(body.reveal());
  if (!token) throw PeerFault("authentication: " + token.error().message);
  token_.emplace(std::move(*token));
}

awaitable<std::unique_ptr<HttpExchange>> EtcdClient::post(std::string path, std::string body,
                                                          StopSignal& stop) {
  HttpRequest request{.method = "POST", .target = std::move(path), .body = std::move(body)};
  if (username_.empty()) {
    auto exchange = co_await ask(std::move(request), stop);
    co_return exchange;
  }
  constexpr int kMostAttempts = 2;  // the second with a new token
  for (int attempt = 1;; ++attempt) {
    if (!token_ && !needs_no_token_) co_await authenticate(token_number_, stop);
    const uint64_t used = token_number_;
    HttpRequest with_token = request;
    std::optional<crypto::SecretText> token;  // of its own, for the source's may be replaced meanwhile
    if (token_) {
      token.emplace(std::string(token_->reveal()));
      with_token.secret_field = "Authorization";
      with_token.secret = token->reveal();
    }
    try {
      auto exchange = co_await ask(std::move(with_token), stop);
      co_return exchange;
    } catch (const EtcdRefusal& refusal) {
      if (!is_about_the_token(refusal) || attempt == kMostAttempts) throw;
    }
    needs_no_token_ = false;
    co_await authenticate(used, stop);
  }
}

awaitable<EtcdPage> EtcdClient::range(std::string request, StopSignal& stop) {
  auto exchange = co_await post("/v3/kv/range", std::move(request), stop);
  const std::string body = co_await exchange->read_rest(kMostEtcdPageBytes, kEtcdPatience);
  auto page = read_etcd_page(body);
  if (!page) throw PeerFault("an answer to a range cannot be read: " + page.error().message);
  co_return std::move(*page);
}

}  // namespace sluice::ctrl

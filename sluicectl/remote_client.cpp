#include "sluicectl/remote_client.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "common/address.h"
#include "crypto/secret.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/http_exchange.h"
#include "ctrl/net/private_file.h"
#include "ctrl/net/spawn.h"
#include "ctrl/wire/url.h"

namespace sluice::sluicectl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr size_t kMostAnswerBytes = size_t{256} << 20;

tl::unexpected<Failure> failed(ExitCode code, std::string message) {
  return tl::unexpected(Failure{code, std::move(message)});
}

/// What comes in a stream of lines: events (WHATWG HTML, 9.2.6), of which each `data` line is one, or
/// messages of JSON-RPC, of which each line is one that is not blank.
class StreamLines {
 public:
  enum class Kind : uint8_t { kEvents, kMessages };
  void begin(Kind kind) {
    kind_ = kind;
    pending_.clear();
  }
  void put(std::string_view text) { pending_ += text; }
  /// As a line of JSON-RPC.
  std::optional<std::string> next() {
    size_t begin = 0;
    std::optional<std::string> found;
    for (size_t end; !found && (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      found = read(std::string_view(pending_).substr(begin, end - begin));
    }
    pending_.erase(0, begin);
    return found;
  }

 private:
  std::optional<std::string> read(std::string_view line) const {
    constexpr std::string_view kData = "data:";
    if (kind_ == Kind::kMessages) return line.empty() ? std::nullopt : std::optional(std::string(line));
    if (!line.starts_with(kData)) return std::nullopt;
    json object = json::parse(line.substr(kData.size()), nullptr, false);
    if (!object.is_object()) return std::nullopt;
    return json{{"jsonrpc", "2.0"}, {"method", "event"}, {"params", std::move(object)}}.dump();
  }

  Kind kind_ = Kind::kEvents;
  std::string pending_;
};

class RemoteClient : public Client {
 public:
  RemoteClient(ctrl::ServerUrl url, ctrl::TlsFiles files, std::optional<crypto::SecretText> token,
               milliseconds timeout)
      : url_(std::move(url)), files_(std::move(files)), token_(std::move(token)), timeout_(timeout) {}
  ~RemoteClient() override { stop_.stop(); }

  Attempt<json> call(const std::string& method, const json& params) override;
  Attempt<void> request(const std::string& method, const json& params) override;
  Attempt<std::optional<std::string>> receive_line(Clock::time_point deadline, int wake) override;

 private:
  struct Response {
    unsigned status = 0;
    std::string body;
    std::unique_ptr<ctrl::HttpExchange> exchange;  ///< of which the rest is to be read
  };

  Attempt<std::vector<IpAddress>> addresses() const;
  crypto::SecretText text_of(std::string_view method, std::string_view target, std::string_view body) const;
  Attempt<Response> ask(std::string_view method, std::string_view target, std::string_view body, bool whole);
  awaitable<void> exchange(std::vector<IpAddress> addresses, std::string_view text, bool whole,
                           Response& response, bool& is_connected);
  awaitable<void> follow();
  Attempt<json> subscribe(const json& params);
  Attempt<json> start(const std::string& method, const json& params);
  Attempt<void> open_stream(std::string_view method, std::string_view target, std::string_view body,
                            StreamLines::Kind kind);

  ctrl::ServerUrl url_;
  ctrl::TlsFiles files_;
  std::optional<crypto::SecretText> token_;
  milliseconds timeout_;
  ctrl::TlsContexts contexts_;
  ctrl::StopSignal stop_;
  asio::io_context io_{1};
  std::unique_ptr<ctrl::HttpExchange> stream_;  ///< of what the gateway tells by itself
  StreamLines lines_;
  bool has_ended_ = false;
};

Attempt<std::vector<IpAddress>> RemoteClient::addresses() const {
  if (const auto address = IpAddress::parse(url_.host)) return std::vector{*address};
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(url_.host.c_str(), nullptr, &wanted, &found);
  if (error != 0) {
    return failed(ExitCode::kCannotConnect, "cannot find " + url_.host + ": " + ::gai_strerror(error));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (one->ai_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
      addresses.push_back(IpAddress::v4(load<Be32>(&in->sin_addr)));
    } else if (one->ai_family == AF_INET6) {
      addresses.push_back(IpAddress::v6(&reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr));
    }
  }
  ::freeaddrinfo(found);
  return addresses;
}

crypto::SecretText RemoteClient::text_of(std::string_view method, std::string_view target,
                                         std::string_view body) const {
  const std::string_view token = token_ ? token_->reveal() : std::string_view();
  std::string text;
  text.reserve(512 + url_.path.size() + target.size() + token.size() + body.size());  // one copy of the token
  text.append(method).append(" ").append(url_.path).append(target).append(" HTTP/1.1\r\nHost: ");
  text.append(url_.authority()).append("\r\nUser-Agent: sluicectl\r\nConnection: close\r\n");
  if (!token.empty()) text.append("Authorization: Bearer ").append(token).append("\r\n");
  if (method == "POST") {
    text.append("Content-Type: application/json\r\nContent-Length: ")
        .append(std::to_string(body.size()))
        .append("\r\n");
  }
  text.append("\r\n").append(body);
  return crypto::SecretText(std::move(text));
}

awaitable<void> RemoteClient::exchange(std::vector<IpAddress> addresses, std::string_view text, bool whole,
                                       Response& response, bool& is_connected) {
  std::string why = url_.host + " has no address";
  for (const IpAddress& address : addresses) {
    try {
      auto stream = std::make_unique<ctrl::ClientStream>(io_, stop_);
      stream->expires_after(timeout_);
      co_await stream->connect(address, url_.port);
      const ctrl::TlsPeer peer{url_.host, address};
      const auto context = contexts_.with(files_);
      co_await stream->secure(*context, peer, "http/1.1");
      response.exchange = std::make_unique<ctrl::HttpExchange>(std::move(stream));
      break;
    } catch (const ctrl::PeerFault& fault) {
      why = fault.what();
    }
  }
  if (!response.exchange) throw ctrl::PeerFault(why);
  is_connected = true;
  co_await response.exchange->ask(text, timeout_);
  response.status = response.exchange->status();
  if (!whole && response.status == 200) co_return;
  response.body = co_await response.exchange->read_rest(kMostAnswerBytes, timeout_);
}

Attempt<RemoteClient::Response> RemoteClient::ask(std::string_view method, std::string_view target,
                                                  std::string_view body, bool whole) {
  const auto deadline = Clock::now() + timeout_;
  auto found = addresses();
  if (!found) return tl::unexpected(found.error());
  const crypto::SecretText text = text_of(method, target, body);
  Response response;
  bool is_connected = false;
  std::exception_ptr failure;
  bool is_over = false;
  io_.restart();
  ctrl::spawn(io_.get_executor(), exchange(std::move(*found), text.reveal(), whole, response, is_connected),
              [&](std::exception_ptr thrown) {
                failure = thrown;
                is_over = true;
              });
  while (!is_over && io_.run_one() > 0) {  // and not for the timers of a connection that stays open
  }
  if (!failure) return response;
  try {
    std::rethrow_exception(failure);
  } catch (const ctrl::HostFault& fault) {
    return failed(ExitCode::kUsage, fault.what());
  } catch (const std::exception& fault) {
    if (Clock::now() >= deadline) {
      return failed(ExitCode::kTimeout, "no answer within " + std::to_string(timeout_.count()) + " ms");
    }
    if (!is_connected) {
      return failed(ExitCode::kCannotConnect, "cannot connect to " + url_.authority() + ": " + fault.what());
    }
    return failed(ExitCode::kRefused, url_.authority() + ": " + fault.what());
  }
}

/// What a status that is no success stands for.
Failure failure_of_status(unsigned status, std::string body) {
  while (body.ends_with('\n')) body.pop_back();
  const std::string words = body.empty() || body.size() > 500 ? "status " + std::to_string(status) : body;
  const bool is_stranger = status == 401 || status == 403;
  return {is_stranger ? ExitCode::kNotPermitted : ExitCode::kRefused, "the gateway refuses: " + words};
}

std::string request_text(const std::string& method, const json& params) {
  return request_object(method, params, 1).dump(-1, ' ', false, json::error_handler_t::replace);
}

Attempt<json> RemoteClient::call(const std::string& method, const json& params) {
  if (method == "events.subscribe") return subscribe(params);
  if (method == "capture.start") return start(method, params);
  auto response = ask("POST", "/rpc", request_text(method, params), true);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200 && !json::accept(response->body)) {
    return tl::unexpected(failure_of_status(response->status, std::move(response->body)));
  }
  return result_of(method, response->body);
}

Attempt<void> RemoteClient::request(const std::string& method, const json& params) {
  auto answered = call(method, params);
  if (!answered) return tl::unexpected(answered.error());
  return {};
}

Attempt<json> RemoteClient::subscribe(const json& params) {
  std::string kinds;
  for (const auto& kind : params.value("kinds", json::array())) {
    kinds += (kinds.empty() ? "?kinds=" : ",") + ctrl::percent_encoded(kind.get<std::string>());
  }
  auto opened = open_stream("GET", "/events" + kinds, "", StreamLines::Kind::kEvents);
  if (!opened) return tl::unexpected(opened.error());
  return json::object();
}

/// A method whose answer is the first of what comes.
Attempt<json> RemoteClient::start(const std::string& method, const json& params) {
  auto opened =
      open_stream("POST", "/rpc/stream", request_text(method, params), StreamLines::Kind::kMessages);
  if (!opened) return tl::unexpected(opened.error());
  const auto deadline = Clock::now() + timeout_;
  std::optional<std::string> answer;
  io_.restart();
  while (!(answer = lines_.next()) && !has_ended_ && Clock::now() < deadline) io_.run_one_until(deadline);
  if (answer) return result_of(method, *answer);
  if (has_ended_) return failed(ExitCode::kRefused, "the gateway closed the connection");
  return failed(ExitCode::kTimeout, "no answer within " + std::to_string(timeout_.count()) + " ms");
}

Attempt<void> RemoteClient::open_stream(std::string_view method, std::string_view target,
                                        std::string_view body, StreamLines::Kind kind) {
  auto response = ask(method, target, body, false);
  if (!response) return tl::unexpected(response.error());
  if (response->status != 200) {
    return tl::unexpected(failure_of_status(response->status, std::move(response->body)));
  }
  lines_.begin(kind);
  stream_ = std::move(response->exchange);
  ctrl::spawn(io_.get_executor(), follow(), [this](std::exception_ptr) { has_ended_ = true; });
  return {};
}

awaitable<void> RemoteClient::follow() {
  constexpr milliseconds kSilence{120'000};  // the gateway says now and then that it is there
  for (;;) {
    const std::string piece = co_await stream_->read_some(kSilence);
    if (piece.empty()) co_return;
    lines_.put(piece);
  }
}

Attempt<std::optional<std::string>> RemoteClient::receive_line(Clock::time_point deadline, int wake) {
  asio::posix::stream_descriptor interrupts(io_, wake);
  bool is_woken = false;
  interrupts.async_wait(asio::posix::stream_descriptor::wait_read,
                        [&is_woken](const boost::system::error_code& error) { is_woken = !error; });
  std::optional<std::string> line = lines_.next();
  io_.restart();
  while (!line && !is_woken && !has_ended_ && Clock::now() < deadline) {
    io_.run_one_until(std::min(deadline, Clock::now() + std::chrono::hours(1)));
    line = lines_.next();
  }
  (void)interrupts.release();  // it is the caller's, and its wait ends
  io_.poll();
  if (line) return line;
  if (is_woken) return std::optional<std::string>();
  if (has_ended_) return failed(ExitCode::kRefused, "the gateway closed the connection");
  return failed(ExitCode::kTimeout, "the gateway says nothing any more");
}

Attempt<crypto::SecretText> read_token(const std::string& reference) {
  constexpr std::string_view kFile = "file:";
  if (!reference.starts_with(kFile)) {
    return failed(ExitCode::kUsage, "--token is file:PATH: others may read a command line");
  }
  auto file = ctrl::read_private_file(reference.substr(kFile.size()));
  if (!file) return failed(ExitCode::kUsage, "cannot read " + file.error().message);
  std::string_view text = file->text.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const bool is_token =
      !text.empty() && std::ranges::all_of(text, [](char byte) { return byte > ' ' && byte < 0x7f; });
  if (!is_token) return failed(ExitCode::kUsage, reference.substr(kFile.size()) + " holds no token");
  file->text.cut(text.size());
  return std::move(file->text);
}

}  // namespace

Attempt<std::unique_ptr<Client>> connect_from_afar(const RemoteAccess& access, milliseconds timeout) {
  auto url = ctrl::parse_server_url(access.url, {.tls_port = 443});
  if (!url) return failed(ExitCode::kUsage, "--remote: " + url.error().message);
  if (!url->is_tls) return failed(ExitCode::kUsage, "--remote: must begin with https://");
  std::optional<crypto::SecretText> token;
  if (!access.token.empty()) {
    auto read = read_token(access.token);
    if (!read) return tl::unexpected(read.error());
    token = std::move(*read);
  }
  return std::make_unique<RemoteClient>(
      std::move(*url), ctrl::TlsFiles{access.ca, access.certificate, access.key}, std::move(token), timeout);
}

}  // namespace sluice::sluicectl

#include "ctrl/net/grpc_stream.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <exception>

#include "ctrl/net/faults.h"
#include "ctrl/net/spawn.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr Http2Connection::Limits kLimits{.streams = 1, .header_bytes = 32768, .window_bytes = 4 << 20};
constexpr size_t kMostShown = 200;

/// One line of what a peer says.
std::string shown(std::string_view text) {
  std::string line(text.substr(0, kMostShown));
  for (char& byte : line) {
    if (byte < ' ' || byte > '~') byte = '?';
  }
  return line;
}

}  // namespace

GrpcStream::GrpcStream(asio::io_context& io, std::shared_ptr<Http2Link> link, Target target)
    : io_(io),
      link_(std::move(link)),
      target_(std::move(target)),
      connection_(io, Http2Connection::Side::kClient, kLimits, *this),
      messages_(target_.most_bytes),
      news_(io, Clock::time_point::max()) {}

std::shared_ptr<GrpcStream> GrpcStream::begin(asio::io_context& io, std::shared_ptr<Http2Link> link,
                                              Target target) {
  const std::shared_ptr<GrpcStream> call(new GrpcStream(io, link, std::move(target)));
  call->stream_ = call->connection_.request({{":method", "POST"},
                                             {":scheme", call->target_.is_tls ? "https" : "http"},
                                             {":path", call->target_.path},
                                             {":authority", call->target_.authority},
                                             {"te", "trailers"},
                                             {"content-type", "application/grpc"},
                                             {"user-agent", "sluice"}});
  spawn(io.get_executor(), call->connection_.run(std::move(link)), [call](std::exception_ptr failure) {
    try {
      if (failure) std::rethrow_exception(failure);
      call->end("the connection was closed");
    } catch (const std::exception& error) {
      call->end(error.what());
    }
  });
  return call;
}

void GrpcStream::end(const std::string& reason) {
  if (!end_) end_ = reason;
  news_.cancel();
}

void GrpcStream::send(std::string_view message) {
  connection_.send(stream_, grpc_framed(message));
}

awaitable<std::string> GrpcStream::next(std::optional<std::chrono::milliseconds> patience) {
  const auto until = patience ? Clock::now() + *patience : Clock::time_point::max();
  for (;;) {
    auto message = messages_.next();
    if (message) co_return std::move(*message);
    if (messages_.fault() == GrpcMessages::Fault::kTooLarge) throw PeerFault("a message that is too large");
    if (messages_.fault() == GrpcMessages::Fault::kCompressed)
      throw PeerFault("a message that is compressed");
    if (end_) throw PeerFault(*end_);
    if (Clock::now() >= until) {
      throw PeerFault("no answer within " + std::to_string(patience->count()) + " ms");
    }
    boost::system::error_code ignored;
    news_.expires_at(until);
    co_await news_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void GrpcStream::fields(int32_t, HttpFields fields) {
  const std::string_view http = field_in(fields, ":status");
  if (!http.empty() && http != "200") return end("HTTP status " + shown(http));
  const std::string_view status = field_in(fields, "grpc-status");
  if (status.empty()) return;
  unsigned code = 0;
  (void)std::from_chars(status.data(), status.data() + status.size(), code);
  if (code == 0) return end("the call was ended");
  const std::string_view name = name_of_grpc_status(code);
  end("gRPC status " + shown(name.empty() ? status : name) + ": " + shown(field_in(fields, "grpc-message")));
}

void GrpcStream::data(int32_t, std::string_view bytes) {
  received_bytes_ += bytes.size();
  messages_.put(bytes);
  news_.cancel();
}

void GrpcStream::ended(int32_t) {
  end("the call was ended");
}

void GrpcStream::closed(int32_t, uint32_t error) {
  end("the call was ended, HTTP/2 code " + std::to_string(error));
}

}  // namespace sluice::ctrl

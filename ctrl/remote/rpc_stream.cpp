#include "ctrl/remote/rpc_stream.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"

namespace sluice::ctrl {
namespace {

/// What one client has not been given yet. Lives as long as the answer; control thread.
class RpcStream : public std::enable_shared_from_this<RpcStream> {
 public:
  explicit RpcStream(boost::asio::io_context& io) : io_(io), news_(io) {}

  /// For one request. Whoever keeps it keeps the stream from its end.
  Notify notify() {
    const auto kept = std::make_shared<Kept>(io_, weak_from_this());
    kept_ = kept;
    return [kept](std::string_view method, std::string_view params) {
      const auto self = kept->stream.lock();
      if (!self) return Notified::kGone;
      return method.empty() ? Notified::kTaken : self->take(notification(method, params));
    };
  }

  void answered(std::string line) {
    pending_.insert(0, line);  // before what was told meanwhile
    has_answered_ = true;
    news_.cancel();
  }

  /// As HttpAnswer::stream.
  boost::asio::awaitable<std::optional<std::string>> next() {
    constexpr std::chrono::seconds kBetweenBlanks{15};
    for (;;) {
      if (has_answered_ && !pending_.empty()) co_return std::exchange(pending_, {});
      if (has_answered_ && kept_.expired()) co_return std::nullopt;
      const bool is_quiet = co_await pause(news_, kBetweenBlanks);
      if (is_quiet && pending_.empty()) co_return std::string("\n");
    }
  }

 private:
  /// Tells the stream that nobody has anything to tell any more.
  struct Kept {
    Kept(boost::asio::io_context& io, std::weak_ptr<RpcStream> of) : io(io), stream(std::move(of)) {}
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() {
      boost::asio::post(io, [stream = std::move(stream)] {
        if (const auto self = stream.lock()) self->news_.cancel();
      });
    }
    boost::asio::io_context& io;
    std::weak_ptr<RpcStream> stream;
  };

  Notified take(std::string line) {
    constexpr size_t kMostPending = size_t{1} << 20;  // bytes that a client may be behind
    if (pending_.size() + line.size() > kMostPending) return Notified::kFull;
    pending_ += line;
    news_.cancel();
    return Notified::kTaken;
  }

  boost::asio::io_context& io_;
  boost::asio::steady_timer news_;
  std::string pending_;
  std::weak_ptr<Kept> kept_;
  bool has_answered_ = false;
};

struct StreamedCall {
  std::string request;
  Peer peer;
  std::string traceparent;
  std::shared_ptr<RpcStream> stream;
};

boost::asio::awaitable<void> call_and_tell(JsonRpc& rpc, std::shared_ptr<StreamedCall> call) {
  std::string line =
      co_await rpc.answer(call->request, call->peer, call->stream->notify(), call->traceparent);
  call->stream->answered(std::move(line));
}

}  // namespace

HttpAnswer stream_answer(boost::asio::io_context& control, JsonRpc& rpc, std::string request, Peer peer,
                         std::string traceparent) {
  const auto stream = std::make_shared<RpcStream>(control);
  const auto call = std::make_shared<StreamedCall>(
      StreamedCall{std::move(request), std::move(peer), std::move(traceparent), stream});
  spawn(control.get_executor(), call_and_tell(rpc, call), [call](std::exception_ptr failure) {
    if (failure) call->stream->answered("");
  });
  HttpAnswer answer;
  answer.content_type = "application/x-ndjson";
  answer.stream = [stream] { return stream->next(); };
  return answer;
}

}  // namespace sluice::ctrl

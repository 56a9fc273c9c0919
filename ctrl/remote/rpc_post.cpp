#include "ctrl/remote/rpc_post.h"

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <utility>
#include <variant>

#include "ctrl/net/spawn.h"
#include "ctrl/remote/from_afar.h"
#include "ctrl/remote/rpc_stream.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

HttpAnswer json_answer(unsigned status, std::string line) {
  if (line.empty()) return {.status = 204, .body = {}};  // notifications alone
  return {.status = status, .content_type = "application/json", .body = std::move(line)};
}

struct Asked {
  std::string request;
  Peer peer;
  std::string traceparent;
  std::function<void(HttpAnswer)> reply;
};

awaitable<void> carry_out(std::shared_ptr<RpcPosts> shared, std::shared_ptr<Asked> asked) {
  std::string line = co_await shared->rpc.answer(asked->request, asked->peer, {}, asked->traceparent);
  asked->reply(json_answer(200, std::move(line)));
}

}  // namespace

RpcPost::~RpcPost() {
  shared_->bytes -= accounted_;
}

/// False: there is no use in more.
bool RpcPost::take(std::string_view piece) {
  if (!request_.empty()) {
    if (is_blank(piece)) return true;
    request_.clear();
    refusal_ = frame_fault_answer(FrameFault::kMalformed);
    return false;
  }
  accounted_ += piece.size();
  shared_->bytes += piece.size();
  if (shared_->bytes > RpcPosts::kMostBytes) {
    status_ = 503;
    refusal_ = refusal_answer(
        {Refusal::Kind::kUnavailable, "too much is being sent at once", "try again later", {}});
    return false;
  }
  framer_.append(piece);
  return look();
}

/// Looks for the request in what has come.
bool RpcPost::look() {
  const auto event = framer_.next();
  if (!event) return true;
  if (const auto* fault = std::get_if<FrameFault>(&*event)) {
    if (*fault == FrameFault::kTooLarge) status_ = 413;
    refusal_ = frame_fault_answer(*fault);
    return false;
  }
  request_ = std::get<std::string_view>(*event);
  const auto next = framer_.next();
  if (!next && !framer_.in_value()) return true;
  request_.clear();  // one is asked for at a time
  refusal_ = frame_fault_answer(FrameFault::kMalformed);
  return false;
}

void RpcPost::answer(std::function<void(HttpAnswer)> reply) {
  if (request_.empty() && refusal_.empty()) {
    framer_.append("\n");  // a line that is no value ends here
    (void)look();
  }
  if (request_.empty() && refusal_.empty()) refusal_ = frame_fault_answer(FrameFault::kMalformed);
  if (!refusal_.empty()) return reply(json_answer(status_, std::move(refusal_)));
  const auto asked = std::make_shared<Asked>(
      Asked{std::move(request_), std::move(peer_), std::move(traceparent_), std::move(reply)});
  if (shared_->tell_more) {
    return asked->reply(from_afar(stream_answer(shared_->control, shared_->rpc, std::move(asked->request),
                                                std::move(asked->peer), std::move(asked->traceparent)),
                                  shared_->control));
  }
  spawn(shared_->control.get_executor(), carry_out(shared_, asked), [asked](std::exception_ptr failure) {
    if (failure) asked->reply({.status = 500, .body = "internal error\n"});
  });
}

}  // namespace sluice::ctrl

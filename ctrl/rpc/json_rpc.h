// JSON-RPC 2.0: from the text of a request or a batch to the text of its answer. Knows nothing of sockets.
// Control thread; reads large requests, calls methods and writes their answers on the threads that they ask
// for.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ctrl/rpc/changing_call.h"
#include "ctrl/rpc/json_framer.h"
#include "ctrl/rpc/method.h"
#include "ctrl/store/control_threads.h"

namespace sluice::ctrl {

namespace rpc_code {
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kRefused = -32000;  ///< less the number of the Refusal::Kind
}  // namespace rpc_code

/// The name of a refusal on the wire, `data.kind`.
std::string_view name_of(Refusal::Kind kind);

/// The answer to something that is no request, as a line.
std::string frame_fault_answer(FrameFault fault);
/// An answer without a request, as a line: the connection is refused or ends.
std::string refusal_answer(const Refusal& refusal);

/// A notification as a line.
std::string notification(std::string_view method, std::string_view params);

class JsonRpc {
 public:
  static constexpr size_t kMaxBatch = 1000;
  /// A batch whose answers exceed this is not carried on: the rest is answered with an error.
  static constexpr size_t kMaxBatchAnswerBytes = size_t{64} << 20;
  /// Requests above this are read apart from the control thread, some milliseconds of it.
  static constexpr size_t kReadAtOnce = size_t{256} << 10;

  /// `context` is handed to the methods as it is and outlives this, and so do `threads`; without any, all is
  /// done on the control thread.
  JsonRpc(std::vector<Method> methods, MethodContext* context, ControlThreads* threads = nullptr,
          CallAudit audit = {});

  /// The answer as a line; empty where none is due (notifications). Requests of a batch are carried out one
  /// after another; other work of the event loop goes on between them. `text` and `peer` must live until
  /// then; methods may keep `notify`. `traceparent`: what came with the text; what a request has itself goes
  /// before it.
  boost::asio::awaitable<std::string> answer(std::string_view text, const Peer& peer, Notify notify = {},
                                             std::string traceparent = {});

 private:
  using Request = std::shared_ptr<nlohmann::json>;

  /// What came with a request.
  struct Origin {
    const Peer& peer;
    Notify notify;
    std::string traceparent;
    std::chrono::system_clock::time_point began;
  };
  struct Parsed {
    Request request;
    std::string twice;  ///< a key that is there twice in one object, if any is
  };

  boost::asio::awaitable<Parsed> read(std::string_view text);
  Parsed parse(std::string_view text) const;
  /// A request that is freed where it costs the control thread nothing.
  Request owned(nlohmann::json request, bool is_large) const;
  boost::asio::awaitable<std::string> answer_one(Request request, const Origin& origin);
  boost::asio::awaitable<std::string> answer_batch(Request batch, bool is_large, const Origin& origin);
  boost::asio::awaitable<std::string> call(const Method& method, Request request, const Origin& origin);
  void run(Where where, ControlThreads::Job job) const;

  std::vector<Method> methods_;
  std::unordered_map<std::string_view, const Method*> by_name_;
  MethodContext* context_;
  ControlThreads* threads_;
  CallAudit audit_;
};

}  // namespace sluice::ctrl

// JSON-RPC 2.0: from the text of a request or a batch to the text of its answer. Knows nothing of sockets.
// Control thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ctrl/json_framer.h"
#include "ctrl/method.h"

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

class JsonRpc {
 public:
  static constexpr size_t kMaxBatch = 1000;
  /// A batch whose answers exceed this is not carried on: the rest is answered with an error.
  static constexpr size_t kMaxBatchAnswerBytes = size_t{64} << 20;

  /// `context` is handed to the methods as it is and outlives this.
  JsonRpc(std::vector<Method> methods, MethodContext* context);

  /// The answer as a line; empty where none is due (notifications). Requests of a batch are carried out one
  /// after another; other work of the event loop goes on between them. `text` and `peer` must live until
  /// then.
  boost::asio::awaitable<std::string> answer(std::string_view text, const Peer& peer);

 private:
  boost::asio::awaitable<std::string> answer_one(nlohmann::json request, const Peer& peer);
  boost::asio::awaitable<std::string> answer_batch(nlohmann::json batch, const Peer& peer);
  boost::asio::awaitable<Answer> call(const Method& method, const nlohmann::json& params, const Peer& peer);

  std::vector<Method> methods_;
  std::unordered_map<std::string_view, const Method*> by_name_;
  MethodContext* context_;
};

}  // namespace sluice::ctrl

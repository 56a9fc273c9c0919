#include "ctrl/rpc/json_rpc.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "ctrl/log/log_line.h"
#include "ctrl/rpc/changing_call.h"
#include "ctrl/rpc/request_json.h"
#include "ctrl/rpc/request_span.h"
#include "ctrl/store/awaited_reply.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using nlohmann::json;

std::string as_line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

json error_object(int code, std::string_view message, const json& id, json data = nullptr) {
  json error = {{"code", code}, {"message", message}};
  if (!data.is_null()) error["data"] = std::move(data);
  return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(error)}};
}

json error_data(const Refusal& refusal, std::string_view kind) {
  json faults = json::array();
  for (const auto& fault : refusal.faults) {
    faults.push_back({{"pointer", fault.pointer}, {"message", fault.message}});
  }
  return {{"kind", kind}, {"hint", refusal.hint}, {"faults", std::move(faults)}};
}

json refused(const Refusal& refusal, const json& id) {
  return error_object(rpc_code::kRefused - static_cast<int>(refusal.kind), refusal.message, id,
                      error_data(refusal, name_of(refusal.kind)));
}

/// What makes a request unfit to be looked up; empty: nothing (JSON-RPC 2.0, 4).
std::string_view shape_fault(const json& request) {
  if (!request.is_object()) return "a request is an object";
  const auto version = request.find("jsonrpc");
  if (version == request.end() || *version != "2.0") return "\"jsonrpc\" must be \"2.0\"";
  const auto method = request.find("method");
  if (method == request.end() || !method->is_string()) return "\"method\" must be a string";
  const auto params = request.find("params");
  if (params != request.end() && !params->is_structured()) return "\"params\" must be an object or an array";
  const auto id = request.find("id");
  if (id != request.end() && !id->is_string() && !id->is_number() && !id->is_null()) {
    return "\"id\" must be a string, a number or null";
  }
  return "";
}

json id_of(const json& request) {
  return request.is_object() && request.contains("id") ? request["id"] : json(nullptr);
}

json take_params(json& request) {
  const auto params = request.find("params");
  return params == request.end() ? json(nullptr) : std::move(*params);
}

Refusal too_low(const Method& method, const Peer& peer) {
  return {Refusal::Kind::kForbidden,
          std::string(method.name) + " needs the role " + std::string(name_of(method.role)) + ", yours is " +
              std::string(name_of(peer.role)),
          peer.address.empty() ? "root and the daemon's user are admin, members of the socket's group operate"
                               : "remote.roles, or the token, say who has which role",
          {}};
}

/// Checks the params of a request, calls its method and hands the answer's line to `done`: wherever the
/// method is called, that is where its answer is written. Its params are freed with the request.
void carry_out(const Method& method, MethodContext& context, const std::shared_ptr<json>& request,
               const Peer& peer, const Notify& notify, const CallAudit& audit,
               const std::shared_ptr<OpenSpan>& span, const std::function<void(std::string)>& done) {
  if (log_takes(LogLevel::kDebug)) {
    log_debug({method.name, " is asked by ", peer.subject, " (", place_of(peer), ")"});
  }
  const json id = id_of(*request);
  const bool wants_answer = request->contains("id");
  const auto line = [wants_answer](const json& answer) {
    return wants_answer ? as_line(answer) : std::string();
  };
  const bool is_permitted = peer.role >= method.role;
  auto checked = check_params(method, take_params(*request));
  if (!checked && is_permitted) {
    if (method.role > Role::kView) {
      ChangingCall(method, peer, audit, {}).end("", checked, "invalid_params");
    }
    end_request(span, checked, "invalid_params");
    return done(line(error_object(rpc_code::kInvalidParams, checked.error().message, id,
                                  error_data(checked.error(), "invalid_params"))));
  }
  if (!is_permitted) {
    const Refusal refusal = too_low(method, peer);
    const Subject subject = checked && method.subject ? method.subject(context, *checked) : Subject{};
    ChangingCall(method, peer, audit, subject)
        .end(subject.state, tl::unexpected(refusal), name_of(refusal.kind));
    end_request(span, tl::unexpected(refusal), name_of(refusal.kind));
    return done(line(refused(refusal, id)));
  }
  json& place = (*request)["params"];
  place = std::move(*checked);
  const std::shared_ptr<const json> params(request, &place);
  const auto subject = [&method, &context, params] {
    return method.subject ? method.subject(context, *params) : Subject{};
  };
  const ChangingCall changing(method, peer, audit, subject());
  const Reply reply = [&method, id, line, done, subject, changing, span](Answer outcome) {
    const std::string_view kind = outcome ? "ok" : name_of(outcome.error().kind);
    if (method.role > Role::kView) changing.end(subject().state, outcome, kind);
    end_request(span, outcome, kind);
    json answer = outcome ? json{{"jsonrpc", "2.0"}, {"id", id}} : refused(outcome.error(), id);
    if (outcome) answer["result"] = std::move(*outcome);
    done(line(answer));
  };
  try {
    method.call(context, Call{*params, peer, notify, span, params}, reply);
  } catch (const std::exception& error) {
    log_error({method.name, " failed: ", error.what()});
    reply(refuse(Refusal::Kind::kUnavailable, "internal error: " + std::string(error.what())));
  }
}

}  // namespace

std::string_view name_of(Refusal::Kind kind) {
  switch (kind) {
    case Refusal::Kind::kInvalid:
      return "invalid";
    case Refusal::Kind::kConflict:
      return "conflict";
    case Refusal::Kind::kNotFound:
      return "not_found";
    case Refusal::Kind::kRestartNeeded:
      return "restart_needed";
    case Refusal::Kind::kUnavailable:
      return "unavailable";
    case Refusal::Kind::kForbidden:
      return "forbidden";
  }
  return "";
}

std::string frame_fault_answer(FrameFault fault) {
  switch (fault) {
    case FrameFault::kMalformed:
      return as_line(error_object(rpc_code::kParseError, "Parse error: this is not JSON", nullptr));
    case FrameFault::kTooDeep:
      return as_line(error_object(
          rpc_code::kInvalidRequest,
          "a request may be nested " + std::to_string(JsonFramer::kMaxDepth) + " levels deep", nullptr));
    case FrameFault::kTooLarge:
      return as_line(error_object(rpc_code::kInvalidRequest,
                                  "a request may have 4 MiB, one of config.* 64 MiB", nullptr));
  }
  return "";
}

std::string refusal_answer(const Refusal& refusal) {
  return as_line(refused(refusal, nullptr));
}

std::string notification(std::string_view method, std::string_view params) {
  constexpr std::string_view kBegin = R"({"jsonrpc":"2.0","method":")", kMiddle = R"(","params":)",
                             kEnd = "}\n";
  std::string line;
  line.reserve(kBegin.size() + method.size() + kMiddle.size() + params.size() + kEnd.size());
  for (const std::string_view part : {kBegin, method, kMiddle, params, kEnd}) line += part;
  return line;
}

JsonRpc::JsonRpc(std::vector<Method> methods, MethodContext* context, ControlThreads* threads,
                 CallAudit audit)
    : methods_(std::move(methods)), context_(context), threads_(threads), audit_(std::move(audit)) {
  for (const auto& method : methods_) by_name_.emplace(method.name, &method);
}

asio::awaitable<std::string> JsonRpc::answer(std::string_view text, const Peer& peer, Notify notify,
                                             std::string traceparent) {
  const Origin origin{peer, std::move(notify), std::move(traceparent), std::chrono::system_clock::now()};
  const bool is_large = text.size() > kReadAtOnce;
  Parsed parsed = co_await read(text);
  Request request = std::move(parsed.request);
  if (request->is_discarded()) co_return frame_fault_answer(FrameFault::kMalformed);
  if (!parsed.twice.empty()) {
    co_return as_line(error_object(
        rpc_code::kInvalidRequest,
        "Invalid Request: the key \"" + parsed.twice + "\" is there twice in one object", nullptr));
  }
  if (request->is_array()) co_return co_await answer_batch(std::move(request), is_large, origin);
  co_return co_await answer_one(std::move(request), origin);
}

JsonRpc::Parsed JsonRpc::parse(std::string_view text) const {
  std::string twice;
  json request = parse_noting_duplicates(text, twice);
  return {owned(std::move(request), text.size() > kReadAtOnce), std::move(twice)};
}

asio::awaitable<JsonRpc::Parsed> JsonRpc::read(std::string_view text) {
  if (!threads_ || text.size() <= kReadAtOnce) co_return parse(text);
  co_return co_await awaited_reply<Parsed>(
      [this, text](const auto& done) { threads_->answer([this, text, done] { done(parse(text)); }); });
}

JsonRpc::Request JsonRpc::owned(json request, bool is_large) const {
  auto object = std::make_unique<json>(std::move(request));
  if (!threads_ || !is_large) return object;
  return {object.release(), [threads = threads_](json* unused) {
            threads->answer([last = std::shared_ptr<json>(unused)] {});  // freed with the job
          }};
}

asio::awaitable<std::string> JsonRpc::answer_batch(Request batch, bool is_large, const Origin& origin) {
  if (batch->empty() || batch->size() > kMaxBatch) {
    co_return as_line(error_object(rpc_code::kInvalidRequest,
                                   "a batch has 1 to " + std::to_string(kMaxBatch) + " requests", nullptr));
  }
  std::string answers;
  for (json& request : *batch) {
    std::string line;
    if (answers.size() > kMaxBatchAnswerBytes) {
      line = refusal_answer({Refusal::Kind::kUnavailable, "the answers to this batch are too large", "", {}});
    } else {
      line = co_await answer_one(owned(std::move(request), is_large), origin);
    }
    if (line.empty()) continue;
    line.pop_back();
    answers += (answers.empty() ? "[" : ",") + line;
  }
  co_return answers.empty() ? answers : answers + "]\n";
}

asio::awaitable<std::string> JsonRpc::answer_one(Request request, const Origin& origin) {
  const json id = id_of(*request);
  if (const auto fault = shape_fault(*request); !fault.empty()) {
    const bool id_is_usable = id.is_string() || id.is_number();
    co_return as_line(error_object(rpc_code::kInvalidRequest, std::string("Invalid Request: ") + fault.data(),
                                   id_is_usable ? id : json(nullptr)));
  }
  const std::string& name = (*request)["method"].get_ref<const std::string&>();
  const auto found = by_name_.find(name);
  json answer;
  if (found == by_name_.end()) {
    answer = error_object(
        rpc_code::kMethodNotFound, "no method \"" + name + "\"", id,
        {{"kind", "method_not_found"}, {"hint", "system.methods lists them"}, {"faults", json::array()}});
  } else {
    co_return co_await call(*found->second, std::move(request), origin);
  }
  co_return request->contains("id") ? as_line(answer) : std::string();
}

asio::awaitable<std::string> JsonRpc::call(const Method& method, Request request, const Origin& origin) {
  co_return co_await awaited_reply<std::string>([&](const auto& done) {
    // Nobody who may change nothing stands in the way of those who may.
    const Peer& peer = origin.peer;
    const Where where = peer.role < method.role ? Where::kAnswers : method.where;
    auto span = begin_request(audit_.spans, method, *request, {peer, origin.traceparent, origin.began});
    run(where, [this, &method, request, peer, notify = origin.notify, span = std::move(span), done] {
      carry_out(method, *context_, request, peer, notify, audit_, span, done);
    });
  });
}

void JsonRpc::run(Where where, ControlThreads::Job job) const {
  if (!threads_) return job();
  switch (where) {
    case Where::kAnswers:
      return threads_->answer(std::move(job));
    case Where::kChanges:
      return threads_->change(std::move(job));
    case Where::kLoop:
      return job();
  }
}

}  // namespace sluice::ctrl

// gRPC's health protocol over HTTP/2 without TLS, by nghttp2, which sends and receives nothing itself.
#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "ctrl/health/check_connection.h"
#include "ctrl/health/checks.h"
#include "ctrl/intent/config_values.h"
#include "ctrl/wire/grpc_health_message.h"
#include "ctrl/wire/grpc_message.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kMostAnswerBytes = 4096;

/// One call as nghttp2's callbacks see it.
struct GrpcCall {
  std::string request;
  size_t sent = 0;
  std::vector<uint8_t> answer;
  unsigned http_status = 0;
  std::optional<unsigned> grpc_status;
  bool is_closed = false;
  uint32_t error_code = 0;
};

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int on_header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
              const uint8_t* value, size_t value_size, uint8_t, void* user) {
  GrpcCall& call = *static_cast<GrpcCall*>(user);
  const std::string_view key = text_of({name, name_size});
  const std::string_view text = text_of({value, value_size});
  if (key == ":status") call.http_status = number(text).value_or(0);
  if (key == "grpc-status") call.grpc_status = number(text);
  return 0;
}

int on_data(nghttp2_session*, uint8_t, int32_t, const uint8_t* bytes, size_t size, void* user) {
  GrpcCall& call = *static_cast<GrpcCall*>(user);
  if (call.answer.size() + size > kMostAnswerBytes) return NGHTTP2_ERR_CALLBACK_FAILURE;
  call.answer.insert(call.answer.end(), bytes, bytes + size);
  return 0;
}

int on_stream_close(nghttp2_session*, int32_t, uint32_t error_code, void* user) {
  GrpcCall& call = *static_cast<GrpcCall*>(user);
  call.is_closed = true;
  call.error_code = error_code;
  return 0;
}

ssize_t read_request(nghttp2_session*, int32_t, uint8_t* buffer, size_t room, uint32_t* flags,
                     nghttp2_data_source*, void* user) {
  GrpcCall& call = *static_cast<GrpcCall*>(user);
  const size_t size = std::min(room, call.request.size() - call.sent);
  std::memcpy(buffer, call.request.data() + call.sent, size);
  call.sent += size;
  if (call.sent == call.request.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

using Session = std::unique_ptr<nghttp2_session, decltype(&::nghttp2_session_del)>;

Session new_session(GrpcCall& call) {
  nghttp2_session_callbacks* made = nullptr;
  if (::nghttp2_session_callbacks_new(&made) != 0) throw CheckImpossible("HTTP/2: no memory");
  const std::unique_ptr<nghttp2_session_callbacks, decltype(&::nghttp2_session_callbacks_del)> callbacks(
      made, ::nghttp2_session_callbacks_del);
  ::nghttp2_session_callbacks_set_on_header_callback(made, on_header);
  ::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
  ::nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
  nghttp2_session* session = nullptr;
  if (::nghttp2_session_client_new(&session, made, &call) != 0) throw CheckImpossible("HTTP/2: no memory");
  return {session, ::nghttp2_session_del};
}

void submit(nghttp2_session& session, const std::string& authority) {
  const auto field = [](std::string_view name, std::string_view value) {
    // nghttp2 copies both; its pointers are not const because it may be told not to.
    return nghttp2_nv{const_cast<uint8_t*>(bytes_of(name).data()),
                      const_cast<uint8_t*>(bytes_of(value).data()), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE};
  };
  const std::array fields = {field(":method", "POST"),
                             field(":scheme", "http"),
                             field(":path", "/grpc.health.v1.Health/Check"),
                             field(":authority", authority),
                             field("te", "trailers"),
                             field("content-type", "application/grpc"),
                             field("user-agent", "sluice-health")};
  const nghttp2_settings_entry no_push{NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  const nghttp2_data_provider body{.source = {}, .read_callback = read_request};
  if (::nghttp2_submit_settings(&session, NGHTTP2_FLAG_NONE, &no_push, 1) != 0 ||
      ::nghttp2_submit_request(&session, nullptr, fields.data(), fields.size(), &body, nullptr) < 0) {
    throw CheckImpossible("HTTP/2: no memory");
  }
}

boost::asio::awaitable<void> send_what_is_due(nghttp2_session& session, CheckConnection& connection) {
  for (;;) {
    const uint8_t* bytes = nullptr;
    const ssize_t size = ::nghttp2_session_mem_send(&session, &bytes);
    if (size < 0) throw CheckFailed(std::string("HTTP/2: ") + ::nghttp2_strerror(static_cast<int>(size)));
    if (size == 0) co_return;
    co_await connection.write({bytes, static_cast<size_t>(size)});
  }
}

boost::asio::awaitable<void> run(nghttp2_session& session, CheckConnection& connection,
                                 const GrpcCall& call) {
  std::array<uint8_t, 4096> bytes;
  for (;;) {
    co_await send_what_is_due(session, connection);
    if (call.is_closed) co_return;
    const size_t got = co_await connection.read_some(bytes);
    if (got == 0) throw CheckFailed("closed before it answered");
    const ssize_t taken = ::nghttp2_session_mem_recv(&session, bytes.data(), got);
    if (taken < 0) {
      throw CheckFailed(std::string("HTTP/2: ") + ::nghttp2_strerror(static_cast<int>(taken)));
    }
  }
}

std::string judge(const GrpcCall& call) {
  if (call.error_code != NGHTTP2_NO_ERROR) {
    throw CheckFailed(std::string("HTTP/2 stream ended: ") + ::nghttp2_http2_strerror(call.error_code));
  }
  if (call.http_status != 200) throw CheckFailed("HTTP status " + std::to_string(call.http_status));
  if (!call.grpc_status) throw CheckFailed("answer is not gRPC: no grpc-status");
  if (*call.grpc_status != 0) {
    const std::string name(name_of_grpc_status(*call.grpc_status));
    throw CheckFailed("gRPC status " + std::to_string(*call.grpc_status) + (name.empty() ? "" : " " + name));
  }
  const auto status = grpc_health_response(call.answer);
  if (!status) throw CheckFailed("answer is not one of grpc.health.v1");
  if (*status != ServingStatus::kServing) throw CheckFailed(name_of(*status));
  return name_of(*status);
}

}  // namespace

boost::asio::awaitable<std::string> check_grpc(const CheckTarget& target) {
  const HealthCheck& check = target.check;
  const auto connection = open_connection(target, CheckConnection::Kind::kStream, target.port);
  co_await connection->connect();
  GrpcCall call;
  call.request = grpc_health_request(check.service);
  const Session session = new_session(call);
  submit(*session, check.host.empty() ? endpoint_text(target.address, target.port) : check.host);
  co_await run(*session, *connection, call);
  co_return judge(call);
}

}  // namespace sluice::ctrl

#include "ctrl/telemetry/otlp_receiver.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/decimal.h"
#include "ctrl/intent/file_reference.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/http_exchange.h"
#include "ctrl/source/secret_file.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;
using Kind = OtlpReceiver::Answer::Kind;

constexpr std::string_view kTracesPath = "/v1/traces";
constexpr size_t kMostReply = 65536;

SourceModel receiver_endpoint(const TracingModel& model) {
  SourceModel source;
  source.name = "tracing";
  source.endpoints = {model.otlp};
  return source;
}

/// By OpenTelemetry's semantic conventions for a service and its host; what is configured goes before.
otlp::Resource resource_of(const TracingModel& model, const std::string& gateway,
                           const std::string& version) {
  otlp::Resource resource(model.resource.begin(), model.resource.end());
  resource.try_emplace("service.name", "sluice");
  resource.try_emplace("service.instance.id", gateway);
  resource.try_emplace("service.version", version);
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) resource.try_emplace("host.name", host.data());
  return resource;
}

bool is_for_now(unsigned status) {
  return status == 429 || (status >= 502 && status <= 504);
}

/// Seconds alone (RFC 9110, 10.2.3); a date is no clock of ours.
std::optional<std::chrono::seconds> pause_of(std::string_view retry_after) {
  constexpr uint64_t kMost = 3600;
  const auto seconds = parse_decimal(retry_after);
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(std::min<uint64_t>(static_cast<uint64_t>(*seconds), kMost));
}

}  // namespace

OtlpReceiver::OtlpReceiver(boost::asio::io_context& io, TracingModel model, const std::string& gateway,
                           std::string version)
    : model_(std::move(model)),
      version_(std::move(version)),
      resource_(resource_of(model_, gateway, version_)),
      servers_(io, receiver_endpoint(model_), {}, "http/1.1") {
  if (auto url = parse_server_url(model_.otlp, {})) url_ = std::move(*url);
  name_ = url_.authority();
}

/// The headers may be secret: the text is erased after its use.
crypto::SecretText OtlpReceiver::request_text(const std::string& body) const {
  size_t room = 1024 + url_.path.size() + body.size();
  std::vector<crypto::SecretText> contents;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  contents.reserve(model_.headers.size());
  for (const auto& [name, text] : model_.headers) {
    std::string_view value = text;
    const auto file = parse_secret_file(text);
    if (file) value = contents.emplace_back(read_secret(*file)).reveal();
    fields.emplace_back(name, value);
    room += name.size() + value.size() + 4;
  }
  std::string text;
  text.reserve(room);  // so that no copy of a secret is left behind in a smaller block
  text += "POST " + url_.path + std::string(url_.path.ends_with(kTracesPath) ? "" : kTracesPath) +
          " HTTP/1.1\r\nHost: " + name_ + "\r\nUser-Agent: sluice/" + version_ +
          "\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\nContent-Length: " +
          std::to_string(body.size()) + "\r\n";
  for (const auto& [name, value] : fields) {
    text += name;
    text += ": ";
    text += value;
    text += "\r\n";
  }
  text += "\r\n";
  text += body;
  return crypto::SecretText(std::move(text));
}

awaitable<OtlpReceiver::Answer> OtlpReceiver::exchange(const std::string& body,
                                                       std::chrono::milliseconds patience, StopSignal& stop) {
  const crypto::SecretText request = request_text(body);  // what cannot be read needs no connection
  Servers::Connected connected = co_await servers_.connect(stop);
  HttpExchange exchange(std::move(connected.stream));
  co_await exchange.ask(request.reveal(), patience);
  const unsigned status = exchange.status();
  if (status < 200 || status > 299) {
    Answer answer{is_for_now(status) ? Kind::kLater : Kind::kRefused};
    answer.reason = "it answers " + std::to_string(status);
    answer.pause = pause_of(exchange.field("retry-after"));
    co_return answer;
  }
  const std::string text = co_await exchange.read_rest(kMostReply, patience);
  Answer taken{Kind::kTaken};
  // What is no message says nothing against the spans: the status has said that they are taken.
  if (const auto response = otlp::parse_export_response(text)) {
    taken.rejected = response->rejected;
    taken.reason = response->message;
  }
  co_return taken;
}

awaitable<OtlpReceiver::Answer> OtlpReceiver::send(std::span<const Span> spans,
                                                   std::chrono::milliseconds patience, StopSignal& stop) {
  const std::string body = otlp::export_request(spans, resource_, version_);
  Answer later{Kind::kLater};
  try {
    Answer answer = co_await exchange(body, patience, stop);
    co_return answer;
  } catch (const std::exception& error) {
    later.reason = error.what();
  }
  co_return later;
}

}  // namespace sluice::ctrl

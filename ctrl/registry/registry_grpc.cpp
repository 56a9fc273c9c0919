// One connection of registration as gRPC: sluice.registry.v1.ServiceDiscovery over HTTP/2.
#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "ctrl/net/faults.h"
#include "ctrl/net/http2.h"
#include "ctrl/net/server_stream.h"
#include "ctrl/registry/registry_session.h"
#include "ctrl/wire/grpc_message.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kHandshakeTime = 10s;  // for the handshake of TLS
constexpr Http2Connection::Limits kLimits{.streams = 128, .header_bytes = 32768, .silence = 30s};
constexpr size_t kMostMessageBytes = 65536;
constexpr size_t kAtOnce = 256;  // instances in a message: less than the 4 MiB that clients take
constexpr std::string_view kPrefix = "/sluice.registry.v1.ServiceDiscovery/";

using Method = Registered<std::string> (*)(RegistryParts&, std::string_view message);

tl::unexpected<RegistryRefusal> invalid(const Error& error) {
  return tl::unexpected(RegistryRefusal{GrpcStatus::kInvalidArgument, error.message});
}

Registered<std::string> lease_message(const Registered<GrantedLease>& lease) {
  if (!lease) return tl::unexpected(lease.error());
  return write_lease(lease->id, lease->ttl);
}

Registered<std::string> do_register(RegistryParts& parts, std::string_view message) {
  auto instance = read_service_instance(message);
  if (!instance) return invalid(instance.error());
  return lease_message(parts.registry->put(std::move(*instance)));
}

Registered<std::string> do_renew(RegistryParts& parts, std::string_view message) {
  const auto lease = read_registry_request(message);
  if (!lease) return invalid(lease.error());
  return lease_message(parts.registry->renew(*lease));
}

Registered<std::string> do_deregister(RegistryParts& parts, std::string_view message) {
  const auto lease = read_registry_request(message);
  if (!lease) return invalid(lease.error());
  const auto removed = parts.registry->remove(*lease);
  if (!removed) return tl::unexpected(removed.error());
  return std::string();
}

Registered<std::string> do_list(RegistryParts& parts, std::string_view message) {
  const auto service = read_registry_request(message);
  if (!service) return invalid(service.error());
  const LeaseTable::View view = parts.table.list(*service);
  return write_list_response(view.index, view.instances);
}

struct NamedMethod {
  std::string_view name;
  Method run;
};
constexpr std::array<NamedMethod, 4> kMethods = {
    {{"Register", do_register}, {"Renew", do_renew}, {"Deregister", do_deregister}, {"List", do_list}}};

HttpFields header_fields() {
  return {{":status", "200"}, {"content-type", "application/grpc"}};
}

HttpFields status_fields(GrpcStatus status, std::string_view message) {
  HttpFields fields = {{"grpc-status", std::to_string(static_cast<unsigned>(status))}};
  if (!message.empty()) fields.emplace_back("grpc-message", grpc_status_text(message));
  return fields;
}

class GrpcConversation : public Http2Events {
 public:
  GrpcConversation(RegistryParts& parts, RegistryAccess& access, const TlsSession* session)
      : parts_(parts),
        access_(access),
        peer_{.session = session},
        connection_(parts.io, Http2Connection::Side::kServer, kLimits, *this) {}

  awaitable<void> run(std::shared_ptr<Http2Link> link) { return connection_.run(std::move(link)); }

  void fields(int32_t stream, HttpFields fields) override;
  void data(int32_t stream, std::string_view bytes) override;
  void ended(int32_t stream) override;
  void closed(int32_t stream, uint32_t) override { calls_.erase(stream); }
  void drained(int32_t stream) override { tell_changes(stream); }

 private:
  struct Call {
    Method method = nullptr;  ///< null: Watch
    GrpcMessages messages{kMostMessageBytes};
    bool is_answered = false;
    // Of Watch:
    std::string service;
    std::unique_ptr<RegistryWatcher> watcher;
    uint64_t position = 0;             ///< of what has been told, but for pages
    std::optional<InstanceKey> paged;  ///< the whole is being told, page by page, up to here
  };

  void refuse(int32_t stream, GrpcStatus status, std::string_view message);
  void begin_watch(int32_t stream, Call& call, std::string_view message);
  void tell_page(int32_t stream, Call& call);
  void tell_changes(int32_t stream);

  RegistryParts& parts_;
  RegistryAccess& access_;
  JudgedCertificate peer_;
  std::map<int32_t, Call> calls_;
  Http2Connection connection_;
};

void GrpcConversation::refuse(int32_t stream, GrpcStatus status, std::string_view message) {
  HttpFields fields = header_fields();
  const HttpFields end = status_fields(status, message);
  fields.insert(fields.end(), end.begin(), end.end());
  connection_.answer_whole(stream, fields);
  if (const auto call = calls_.find(stream); call != calls_.end()) call->second.is_answered = true;
}

void GrpcConversation::fields(int32_t stream, HttpFields fields) {
  if (calls_.contains(stream)) return;  // trailers, of which gRPC's requests have none
  Call& call = calls_[stream];
  if (field_in(fields, ":method") != "POST" ||
      !field_in(fields, "content-type").starts_with("application/grpc")) {
    connection_.answer_whole(stream, {{":status", "415"}});
    call.is_answered = true;
    return;
  }
  if (const auto refusal = access_.refusal(peer_, field_in(fields, "authorization"))) {
    return refuse(stream, GrpcStatus::kUnauthenticated, *refusal);
  }
  const std::string_view path = field_in(fields, ":path");
  const std::string_view name = path.starts_with(kPrefix) ? path.substr(kPrefix.size()) : "";
  const auto method = std::ranges::find(kMethods, name, &NamedMethod::name);
  if (method != kMethods.end()) {
    call.method = method->run;
  } else if (name != "Watch") {
    refuse(stream, GrpcStatus::kUnimplemented, "there is no such method");
  }
}

void GrpcConversation::data(int32_t stream, std::string_view bytes) {
  const auto found = calls_.find(stream);
  if (found == calls_.end() || found->second.is_answered) return;
  Call& call = found->second;
  call.messages.put(bytes);
  const auto message = call.messages.next();
  if (call.messages.fault() == GrpcMessages::Fault::kTooLarge) {
    return refuse(stream, GrpcStatus::kResourceExhausted, "the message has more than 64 KiB");
  }
  if (call.messages.fault() == GrpcMessages::Fault::kCompressed) {
    return refuse(stream, GrpcStatus::kUnimplemented, "compression is not understood here");
  }
  if (!message) return;
  if (call.method == nullptr) return begin_watch(stream, call, *message);
  const Registered<std::string> outcome = call.method(parts_, *message);
  if (!outcome) return refuse(stream, outcome.error().status, outcome.error().message);
  call.is_answered = true;
  connection_.answer(stream, header_fields());
  connection_.send(stream, grpc_framed(*outcome));
  connection_.end(stream, status_fields(GrpcStatus::kOk, ""));
}

void GrpcConversation::ended(int32_t stream) {
  const auto found = calls_.find(stream);
  if (found == calls_.end() || found->second.is_answered) return;
  refuse(stream, GrpcStatus::kInternal, "the request has no whole message");
}

void GrpcConversation::begin_watch(int32_t stream, Call& call, std::string_view message) {
  const auto service = read_registry_request(message);
  if (!service) return refuse(stream, GrpcStatus::kInvalidArgument, service.error().message);
  if (!RegistryWatcher::has_room(parts_)) {
    return refuse(stream, GrpcStatus::kResourceExhausted, "too many watch already");
  }
  call.is_answered = true;
  call.service = *service;
  call.watcher =
      std::make_unique<RegistryWatcher>(parts_, call.service, [this, stream] { tell_changes(stream); });
  connection_.answer(stream, header_fields());
  call.paged = InstanceKey();
  tell_page(stream, call);
}

/// What changes while pages are told is told behind the last one.
void GrpcConversation::tell_page(int32_t stream, Call& call) {
  const bool is_first = *call.paged == InstanceKey();
  LeaseTable::View view = parts_.table.page(call.service, *call.paged, kAtOnce);
  if (is_first) call.position = view.position;
  const bool is_last = view.instances.size() < kAtOnce;
  call.paged = is_last ? std::nullopt : std::optional(view.instances.back()->key);
  connection_.send(stream, grpc_framed(write_watch_response({.index = view.index,
                                                             .whole = is_first,
                                                             .instances = std::move(view.instances),
                                                             .more = !is_last})));
}

/// To one who has not taken the last message yet later, what has come by then as one.
void GrpcConversation::tell_changes(int32_t stream) {
  const auto found = calls_.find(stream);
  if (found == calls_.end() || !found->second.watcher || connection_.waiting(stream) > 0) return;
  Call& call = found->second;
  if (call.paged) return tell_page(stream, call);
  auto changes = parts_.table.since(call.service, call.position);
  if (!changes || changes->instances.size() > kAtOnce) {
    call.paged = InstanceKey();
    return tell_page(stream, call);
  }
  call.position = changes->position;
  if (changes->instances.empty() && changes->gone.empty()) return;
  connection_.send(stream, grpc_framed(write_watch_response({.index = changes->index,
                                                             .instances = std::move(changes->instances),
                                                             .gone = std::move(changes->gone)})));
}

}  // namespace

awaitable<void> converse_in_grpc(std::shared_ptr<RegistryParts> parts, std::shared_ptr<RegistryAccess> access,
                                 asio::ip::tcp::socket socket, std::shared_ptr<StopSignal> stop) {
  const auto link = std::make_shared<Http2Link>();
  const StopSignal::Registration ends(*stop, [&link] { link->stop.stop(); });
  auto stream = std::make_unique<ServerStream>(parts->io, std::move(socket), link->stop);
  stream->expires_after(kHandshakeTime);
  if (auto context = access->tls()) co_await stream->secure(std::move(context));
  stream->expires_after(24h * 365);  // from here on silence is asked about
  GrpcConversation conversation(*parts, *access, stream->session());
  link->stream = std::move(stream);
  co_await conversation.run(link);
}

}  // namespace sluice::ctrl

#include "ctrl/remote/remote_gate.h"

#include <algorithm>
#include <utility>

#include "ctrl/rpc/request_span.h"

namespace sluice::ctrl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kOpenPage = "/healthz";
constexpr std::string_view kCalls = "/rpc";

/// A page that was asked for, as a span by OpenTelemetry's conventions for HTTP servers.
void note_page(SpanQueue& spans, const HttpVisit::Answered& request) {
  const auto parent = parse_traceparent(request.traceparent);
  const std::string method(request.method);
  const auto span =
      spans.open(method + " " + std::string(request.path), request.began, parent, SpanKind::kServer);
  if (!span) return;
  span->set("http.request.method", method);
  span->set("url.path", std::string(request.path));
  span->set("http.response.status_code", static_cast<int64_t>(request.status));
  set_client(*span, request.peer.address);
  span->reach(std::chrono::system_clock::now());
}

HttpAnswer refusal(Authentication why, bool has_token) {
  const std::string words = name_of(why);
  if (why == Authentication::kLimited) {
    return {.status = 429,
            .content_type = kPlainText,
            .body = "too many failures: try again later\n",
            .fields = {{"Retry-After", std::to_string(FailureLimiter::kPause.count())}}};
  }
  if (why == Authentication::kRole) {
    return {.status = 403, .content_type = kPlainText, .body = "known, but without a role\n"};
  }
  return {.status = 401,
          .content_type = kPlainText,
          .body = "not authenticated: " + words + "\n",
          .fields = {{"WWW-Authenticate", has_token ? R"(Bearer error="invalid_token")" : "Bearer"}}};
}

}  // namespace

/// One connection. Its gate outlives it.
class RemoteGate::Visit : public HttpVisit {
 public:
  Visit(RemoteGate& gate, std::string address)
      : gate_(gate), address_(std::move(address)), source_(source_of(address_)) {}

  void arrived(const TlsSession& session) override {
    certificate_.session = &session;
    if (session.was_sent_early_data()) gate_.count(RemoteFault::kEarlyData);
  }

  tl::expected<Peer, HttpAnswer> admit(const HttpRequestFacts& request) override {
    if (request.path == kOpenPage)
      return Peer{.role = Role::kView, .subject = {}, .issuer = {}, .address = address_};
    const auto now = Clock::now();
    if (gate_.limiter_.is_paused(source_, now)) return refuse(Authentication::kLimited, request, {});
    Identity identity;
    auto outcome = Authentication::kOk;
    if (request.authorizations > 1) {
      outcome = Authentication::kMalformed;
    } else if (auto known = gate_.authenticator_.identify(certificate_, request.authorization)) {
      identity = std::move(*known);
    } else {
      outcome = known.error();
    }
    const auto role = gate_.role_of(identity);
    if (outcome == Authentication::kOk && !role) outcome = Authentication::kRole;
    if (outcome != Authentication::kOk) {
      gate_.limiter_.note_failure(source_, now);
      return refuse(outcome, request, identity);
    }
    gate_.counts_.authentications.add(outcome);
    return Peer{.role = *role,
                .subject = std::move(identity.subject),
                .issuer = std::move(identity.issuer),
                .address = address_};
  }

  /// Calls of methods have a span of their own; whoever was not asked who he is, has none.
  void answered(const Answered& request) override {
    if (gate_.spans_ && request.path != kOpenPage && request.path != kCalls) {
      note_page(*gate_.spans_, request);
    }
  }

  void failed(HttpFault fault) override {
    if (std::exchange(has_failed_, true)) return;  // what follows from it is no other
    switch (fault) {
      case HttpFault::kHandshake:
        return gate_.count(RemoteFault::kHandshake);
      case HttpFault::kSlowHandshake:
        return gate_.count(RemoteFault::kSlowHandshake);
      case HttpFault::kSlowRequest:
        return gate_.count(RemoteFault::kSlowRequest);
      case HttpFault::kMalformed:
        gate_.counts_.authentications.add(Authentication::kMalformed);
        return gate_.count(RemoteFault::kMalformed);
      case HttpFault::kRenegotiation:
        return gate_.count(RemoteFault::kRenegotiation);
      case HttpFault::kCrowded:
        return gate_.count(RemoteFault::kCrowded);
    }
  }

 private:
  tl::unexpected<HttpAnswer> refuse(Authentication why, const HttpRequestFacts& request,
                                    const Identity& identity) {
    gate_.counts_.authentications.add(why);
    record(why, request, identity);
    return tl::unexpected(refusal(why, !request.authorization.empty()));
  }

  /// A source that is paused has filled the log once.
  void record(Authentication why, const HttpRequestFacts& request, const Identity& identity) {
    if (why == Authentication::kLimited) return;
    const Peer peer{.subject = identity.subject, .issuer = identity.issuer, .address = address_};
    AuditEntry entry{.peer = peer, .method = "authenticate", .object = std::string(request.path)};
    entry.result = name_of(why);
    gate_.audit_.record(entry, "authentication from " + address_ + " for " + entry.object +
                                   ": refused: " + std::string(entry.result));
  }

  RemoteGate& gate_;
  std::string address_, source_;
  JudgedCertificate certificate_;
  bool has_failed_ = false;
};

RemoteGate::RemoteGate(Authenticator authenticator, std::vector<RoleRule> roles, RemoteCounts& counts,
                       Audit& audit, SpanQueue* spans)
    : authenticator_(std::move(authenticator)),
      roles_(std::move(roles)),
      counts_(counts),
      audit_(audit),
      spans_(spans) {}

std::shared_ptr<SSL_CTX> RemoteGate::tls() {
  return authenticator_.tls();
}

std::unique_ptr<HttpVisit> RemoteGate::visit(std::string address) {
  return std::make_unique<Visit>(*this, std::move(address));
}

void RemoteGate::look() {
  authenticator_.look();
  counts_.rejected_tls = authenticator_.rejected().tls;
  counts_.rejected_keys = authenticator_.rejected().jwt;
}

/// A token's role is the token's; a certificate has the highest of those that the rules give it.
std::optional<Role> RemoteGate::role_of(const Identity& identity) const {
  if (!identity.has_certificate) return identity.role;
  std::optional<Role> highest;
  for (const RoleRule& rule : roles_) {
    const bool fits = rule.subject.empty() ? std::ranges::find(identity.uris, rule.san) != identity.uris.end()
                                           : rule.subject == identity.subject;
    if (fits && (!highest || *highest < rule.role)) highest = rule.role;
  }
  return highest;
}

void RemoteGate::count(RemoteFault fault) {
  counts_.faults[static_cast<size_t>(fault)].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::ctrl

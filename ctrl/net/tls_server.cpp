#include "ctrl/net/tls_server.h"

#include <openssl/err.h>
#include <sys/stat.h>

#include <string_view>

#include "ctrl/net/private_file.h"
#include "ctrl/net/tls_error.h"
#include "ctrl/net/tls_key.h"

namespace sluice::ctrl {
namespace {

using Clock = std::chrono::steady_clock;

int select_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void* own) {
  const auto& protocol = *static_cast<const std::string*>(own);
  for (unsigned int at = 0; at < offered_size; at += 1u + offered[at]) {
    if (at + 1 + offered[at] > offered_size) break;
    const std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != protocol) continue;
    *chosen = offered + at + 1;
    *size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301, 3.2
}

/// What its purpose is, whatever the handshake finds, is for certificate_fault() to say.
int accept_any(int, X509_STORE_CTX*) {
  return 1;
}

void set_protocols(SSL_CTX& context) {
  ::SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
  ::SSL_CTX_set_security_level(&context, 2);  // 112 bits
  (void)::SSL_CTX_set_cipher_list(&context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  ::SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                      SSL_OP_CIPHER_SERVER_PREFERENCE);
  ::SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  (void)::SSL_CTX_set_num_tickets(&context, 0);
  (void)::SSL_CTX_set_max_early_data(&context, 0);
  constexpr unsigned char kSession[] = "sluice";
  ::SSL_CTX_set_session_id_context(&context, kSession, sizeof kSession - 1);
}

/// Revocation lists in the file of authorities count; where there is none, none is asked for.
void check_revocation(SSL_CTX& context) {
  X509_STORE* const store = ::SSL_CTX_get_cert_store(&context);
  const STACK_OF(X509_OBJECT)* const objects = ::X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    if (::X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) != X509_LU_CRL) continue;
    ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return;
  }
}

Result<void> trust_clients(SSL_CTX& context, const TlsServer::Settings& settings) {
  const std::string& file = settings.files.client_ca;
  if (file.empty()) return {};
  if (::SSL_CTX_load_verify_file(&context, file.c_str()) != 1) {
    return fail("cannot read certificates from " + file + ": " + openssl_text());
  }
  check_revocation(context);
  ::SSL_CTX_set_client_CA_list(&context, ::SSL_load_client_CA_file(file.c_str()));
  switch (settings.clients) {
    case TlsServer::Clients::kMustHaveCertificate:
      ::SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
    case TlsServer::Clients::kMayHaveCertificate:
      ::SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
      break;
    case TlsServer::Clients::kAreJudgedLater:
      ::SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, accept_any);
      break;
  }
  return {};
}

/// A context, and what its callback refers to.
struct Kept {
  std::string protocol;
  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context{nullptr, ::SSL_CTX_free};
};

Result<std::shared_ptr<SSL_CTX>> read(const TlsServer::Settings& settings) {
  const TlsServerFiles& files = settings.files;
  ::ERR_clear_error();
  auto kept = std::make_shared<Kept>();
  kept->protocol = settings.protocol;
  kept->context.reset(::SSL_CTX_new(::TLS_server_method()));
  SSL_CTX* const context = kept->context.get();
  if (context == nullptr) return fail("TLS: " + openssl_text());
  set_protocols(*context);
  ::SSL_CTX_set_alpn_select_cb(context, select_protocol, &kept->protocol);
  const auto used = use_certificate(*context, files.certificate, files.key, settings.must_key_be_private);
  if (!used) return tl::unexpected(used.error());
  const auto trusted = trust_clients(*context, settings);
  if (!trusted) return tl::unexpected(trusted.error());
  return std::shared_ptr<SSL_CTX>(kept, context);
}

/// stat() goes along links, so that turning one is seen.
std::string versions_of(const TlsServerFiles& files) {
  std::string text;
  for (const auto* path : {&files.certificate, &files.key, &files.client_ca}) {
    struct stat file {};
    if (path->empty() || ::stat(private_path(*path).c_str(), &file) != 0) {
      text += "-;";
      continue;
    }
    for (const auto part : {static_cast<long>(file.st_ino), static_cast<long>(file.st_size),
                            static_cast<long>(file.st_mtim.tv_sec), file.st_mtim.tv_nsec}) {
      text += std::to_string(part) + ',';
    }
    text += ';';
  }
  return text;
}

}  // namespace

TlsServer::TlsServer(Settings settings, std::string versions, std::shared_ptr<SSL_CTX> context)
    : settings_(std::move(settings)),
      context_(std::move(context)),
      versions_(std::move(versions)),
      looked_(Clock::now()) {}

Result<TlsServer> TlsServer::open(Settings settings) {
  std::string versions = versions_of(settings.files);  // what changes while they are read is seen afterwards
  auto context = read(settings);
  if (!context) return tl::unexpected(context.error());
  return TlsServer(std::move(settings), std::move(versions), std::move(*context));
}

std::shared_ptr<SSL_CTX> TlsServer::context(const std::function<void(const std::string&)>& complain) {
  const auto now = Clock::now();
  if (now - looked_ < kFresh) return context_;
  looked_ = now;
  std::string found = versions_of(settings_.files);
  if (found == versions_) return context_;
  versions_ = std::move(found);
  if (auto fresh = read(settings_)) {
    context_ = std::move(*fresh);
  } else {
    complain(fresh.error().message);
  }
  return context_;
}

}  // namespace sluice::ctrl

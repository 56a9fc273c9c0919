#include "ctrl/net/tls_server.h"

#include <openssl/err.h>
#include <sys/stat.h>

#include <string_view>

namespace sluice::ctrl {
namespace {

using Clock = std::chrono::steady_clock;

std::string openssl_text() {
  const unsigned long error = ::ERR_peek_last_error();
  const char* reason = ::ERR_reason_error_string(error);
  ::ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

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
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
  constexpr unsigned char kSession[] = "sluice";
  ::SSL_CTX_set_session_id_context(context, kSession, sizeof kSession - 1);
  ::SSL_CTX_set_alpn_select_cb(context, select_protocol, &kept->protocol);
  if (::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    return fail("cannot read the certificate " + files.certificate + ": " + openssl_text());
  }
  if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      ::SSL_CTX_check_private_key(context) != 1) {
    return fail("cannot use the key " + files.key + ": " + openssl_text());
  }
  if (!files.client_ca.empty()) {
    if (::SSL_CTX_load_verify_file(context, files.client_ca.c_str()) != 1) {
      return fail("cannot read certificates from " + files.client_ca + ": " + openssl_text());
    }
    ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(files.client_ca.c_str()));
    ::SSL_CTX_set_verify(
        context,
        settings.requires_certificate ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER,
        nullptr);
  }
  return std::shared_ptr<SSL_CTX>(kept, context);
}

}  // namespace

TlsServer::TlsServer(Settings settings, std::shared_ptr<SSL_CTX> context)
    : settings_(std::move(settings)),
      context_(std::move(context)),
      versions_(versions()),
      looked_(Clock::now()) {}

Result<TlsServer> TlsServer::open(Settings settings) {
  auto context = read(settings);
  if (!context) return tl::unexpected(context.error());
  return TlsServer(std::move(settings), std::move(*context));
}

/// stat() goes along links, so that turning one is seen.
std::string TlsServer::versions() const {
  std::string text;
  for (const auto* path : {&settings_.files.certificate, &settings_.files.key, &settings_.files.client_ca}) {
    struct stat file {};
    if (path->empty() || ::stat(path->c_str(), &file) != 0) {
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

std::shared_ptr<SSL_CTX> TlsServer::context(const std::function<void(const std::string&)>& complain) {
  const auto now = Clock::now();
  if (now - looked_ < kFresh) return context_;
  looked_ = now;
  std::string found = versions();
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

#include "ctrl/net/tls_session.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "ctrl/net/faults.h"
#include "ctrl/net/private_file.h"
#include "ctrl/net/tls_error.h"
#include "ctrl/net/tls_key.h"

namespace sluice::ctrl {
namespace {

using boost::asio::awaitable;

constexpr size_t kMostContexts = 64;

std::shared_ptr<SSL_CTX> new_context(const TlsFiles& files) {
  const std::string& ca = files.ca;
  ::ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(::SSL_CTX_new(::TLS_client_method()), ::SSL_CTX_free);
  if (!context) throw HostFault("TLS: " + openssl_text());
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  ::SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int loaded = ca.empty() ? ::SSL_CTX_set_default_verify_paths(context.get())
                                : ::SSL_CTX_load_verify_file(context.get(), ca.c_str());
  if (loaded != 1) throw HostFault("cannot read certificates from " + ca + ": " + openssl_text());
  if (!files.certificate.empty()) {
    const auto used = use_certificate(*context, files.certificate, files.key, false);
    if (!used) throw HostFault(used.error().message);
  }
  return context;
}

}  // namespace

TlsContexts::Version TlsContexts::version_of(const std::string& path) {
  if (path.empty()) return {};
  struct stat file {};
  if (::stat(private_path(path).c_str(), &file) != 0)
    throw HostFault("cannot read " + path + ": " + text_of_error(errno));
  return {file.st_ino, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
}

std::shared_ptr<SSL_CTX> TlsContexts::with(const TlsFiles& files) {
  const Versions versions = {version_of(files.ca), version_of(files.certificate), version_of(files.key)};
  const auto found = contexts_.find(files);
  if (found != contexts_.end() && found->second.versions == versions) return found->second.context;
  auto context = new_context(files);
  if (contexts_.size() >= kMostContexts) contexts_.clear();  // of files that the configuration names no more
  contexts_[files] = {context, versions};
  return context;
}

TlsSession::TlsSession(ByteStream& stream, SSL_CTX& context)
    : stream_(stream),
      session_(::SSL_new(&context), ::SSL_free),
      received_(::BIO_new(::BIO_s_mem())),
      ready_(::BIO_new(::BIO_s_mem())) {
  if (!session_ || received_ == nullptr || ready_ == nullptr) {
    ::BIO_free(received_);
    ::BIO_free(ready_);
    throw HostFault("TLS: " + openssl_text());
  }
  ::SSL_set_bio(session_.get(), received_, ready_);
  ::SSL_set_accept_state(session_.get());
  SSL_set_app_data(session_.get(), this);
  ::SSL_set_info_callback(session_.get(), note);
}

/// OpenSSL refuses to negotiate anew by itself, and goes on: whoever asks again and again would have work
/// done.
void TlsSession::note(const SSL* session, int where, int alert) {
  if ((where & SSL_CB_WRITE_ALERT) != SSL_CB_WRITE_ALERT || (alert & 0xff) != SSL_AD_NO_RENEGOTIATION) return;
  static_cast<TlsSession*>(SSL_get_app_data(session))->has_renegotiated_ = true;
}

TlsSession::TlsSession(ByteStream& stream, SSL_CTX& context, const TlsPeer& peer)
    : TlsSession(stream, context) {
  ::SSL_set_connect_state(session_.get());
  ::SSL_set_info_callback(session_.get(), nullptr);
  ::SSL_set_verify(session_.get(), peer.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  X509_VERIFY_PARAM* const expected = ::SSL_get0_param(session_.get());
  const bool is_name = !peer.name.empty() && !IpAddress::parse(peer.name);
  if (is_name) {
    ::SSL_set_tlsext_host_name(session_.get(), peer.name.c_str());
    ::X509_VERIFY_PARAM_set1_host(expected, peer.name.c_str(), 0);
  } else {
    const std::string address = peer.name.empty() ? peer.address.to_string() : peer.name;
    ::X509_VERIFY_PARAM_set1_ip_asc(expected, address.c_str());
  }
}

void TlsSession::offer_protocol(std::string_view name) {
  std::string list(1, static_cast<char>(name.size()));
  list += name;
  (void)::SSL_set_alpn_protos(session_.get(), bytes_of(list).data(), static_cast<unsigned>(list.size()));
}

std::string TlsSession::version() const {
  return ::SSL_get_version(session_.get());
}

bool TlsSession::was_sent_early_data() const {
  return ::SSL_get_early_data_status(session_.get()) == SSL_EARLY_DATA_REJECTED;
}

awaitable<void> TlsSession::handshake() {
  for (;;) {
    ::ERR_clear_error();
    const int result = ::SSL_do_handshake(session_.get());
    if (result == 1) break;
    const bool goes_on = co_await goes_on_after(result);
    if (!goes_on) throw PeerFault("closed during the TLS handshake");
  }
  co_await flush();
}

awaitable<size_t> TlsSession::read_some(std::span<uint8_t> bytes) {
  for (;;) {
    ::ERR_clear_error();
    size_t got = 0;
    const int result = ::SSL_read_ex(session_.get(), bytes.data(), bytes.size(), &got);
    if (result == 1) co_return got;
    const bool goes_on = co_await goes_on_after(result);
    if (!goes_on) co_return 0;
  }
}

awaitable<void> TlsSession::write(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    ::ERR_clear_error();
    size_t sent = 0;
    const int result = ::SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &sent);
    if (result == 1) {
      bytes = bytes.subspan(sent);
      continue;
    }
    const bool goes_on = co_await goes_on_after(result);
    if (!goes_on) throw PeerFault("closed before it answered");
  }
  co_await flush();
}

/// A server that closes without a close_notify, as many do, has ended no worse than another: what was cut
/// short is for the layer above to see.
awaitable<bool> TlsSession::goes_on_after(int result) {
  const int wanted = ::SSL_get_error(session_.get(), result);
  if (has_renegotiated_) {
    co_await flush();
    throw PeerFault("TLS: the peer asks to negotiate anew");
  }
  if (wanted == SSL_ERROR_ZERO_RETURN) co_return false;
  if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) {
    const std::string why = words_for_failure();
    try {
      co_await flush();           // the alert that tells the peer
    } catch (const PeerFault&) {  // which does not want to know
    }
    throw PeerFault(why);
  }
  co_await flush();
  if (wanted == SSL_ERROR_WANT_WRITE) co_return true;
  std::array<uint8_t, 4096> bytes;
  const size_t got = co_await stream_.read_some(bytes);
  if (got == 0) co_return false;
  if (::BIO_write(received_, bytes.data(), static_cast<int>(got)) != static_cast<int>(got)) {
    throw HostFault("TLS: no memory");
  }
  co_return true;
}

awaitable<void> TlsSession::close() {
  if (::SSL_is_init_finished(session_.get()) == 0) co_return;
  ::ERR_clear_error();
  (void)::SSL_shutdown(session_.get());
  co_await flush();
}

awaitable<void> TlsSession::flush() {
  if (is_flushing_) co_return;  // records must not overtake each other
  struct Flushing {
    bool& flag;
    ~Flushing() { flag = false; }
  } const flushing{is_flushing_ = true};
  std::array<uint8_t, 16384> bytes;
  for (;;) {
    const int size = ::BIO_read(ready_, bytes.data(), static_cast<int>(bytes.size()));
    if (size <= 0) co_return;
    co_await stream_.write(std::span(bytes).first(static_cast<size_t>(size)));
  }
}

/// Of the failure that has just happened.
std::string TlsSession::words_for_failure() const {
  const long verified = ::SSL_get_verify_result(session_.get());
  if (verified != X509_V_OK && ::SSL_get_verify_mode(session_.get()) != SSL_VERIFY_NONE) {
    ::ERR_clear_error();
    return std::string("certificate: ") + ::X509_verify_cert_error_string(verified);
  }
  return "TLS: " + openssl_text();
}

}  // namespace sluice::ctrl

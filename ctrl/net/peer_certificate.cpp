#include "ctrl/net/peer_certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <memory>

namespace sluice::ctrl {
namespace {

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&::BIO_free)> text(::BIO_new(::BIO_s_mem()), ::BIO_free);
  // RFC 4514, 2.4: UTF-8 as it is, where RFC 2253's flags would escape it.
  constexpr unsigned long kFlags = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!text || ::X509_NAME_print_ex(text.get(), name, 0, kFlags) < 0) return "";
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : "";
}

std::vector<std::string> uris_of(const X509& certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&::GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      ::GENERAL_NAMES_free);
  std::vector<std::string> uris;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(::ASN1_STRING_length(uri)));
  }
  return uris;
}

CertificateFault fault_of(int error) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return CertificateFault::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return CertificateFault::kNotYetValid;
    case X509_V_ERR_CERT_REVOKED:
      return CertificateFault::kRevoked;
    default:
      return CertificateFault::kUntrusted;
  }
}

}  // namespace

std::optional<PeerCertificate> peer_certificate(const SSL& session) {
  const X509* const certificate = ::SSL_get0_peer_certificate(&session);
  if (certificate == nullptr) return std::nullopt;
  return PeerCertificate{text_of(::X509_get_subject_name(certificate)),
                         text_of(::X509_get_issuer_name(certificate)), uris_of(*certificate)};
}

std::optional<CertificateFault> certificate_fault(const SSL& session, SSL_CTX& context) {
  X509* const certificate = ::SSL_get0_peer_certificate(&session);
  const std::unique_ptr<X509_STORE_CTX, decltype(&::X509_STORE_CTX_free)> check(::X509_STORE_CTX_new(),
                                                                                ::X509_STORE_CTX_free);
  const bool is_ready = check && certificate != nullptr &&
                        ::X509_STORE_CTX_init(check.get(), ::SSL_CTX_get_cert_store(&context), certificate,
                                              ::SSL_get_peer_cert_chain(&session)) == 1 &&
                        ::X509_STORE_CTX_set_default(check.get(), "ssl_client") == 1;
  const bool is_good = is_ready && ::X509_verify_cert(check.get()) == 1;
  const int error = is_ready ? ::X509_STORE_CTX_get_error(check.get()) : X509_V_ERR_UNSPECIFIED;
  ::ERR_clear_error();
  if (is_good) return std::nullopt;
  return fault_of(error);
}

}  // namespace sluice::ctrl

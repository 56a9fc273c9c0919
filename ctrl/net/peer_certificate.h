// The certificate that a TLS client has shown: what it says, and whether it is to be believed. One thread.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::ctrl {

struct PeerCertificate {
  std::string subject;            ///< as RFC 4514 writes it, in UTF-8
  std::string issuer;             ///< likewise
  std::vector<std::string> uris;  ///< of its subject alternative names: SPIFFE ids, mostly
};
/// Nothing: the client has shown none.
std::optional<PeerCertificate> peer_certificate(const SSL& session);

enum class CertificateFault : uint8_t { kUntrusted, kExpired, kNotYetValid, kRevoked };
/// What `context`, which need not be that of the handshake, has against the certificate now: authorities,
/// revocation lists and the time may have changed. Nothing: it is good.
std::optional<CertificateFault> certificate_fault(const SSL& session, SSL_CTX& context);

}  // namespace sluice::ctrl

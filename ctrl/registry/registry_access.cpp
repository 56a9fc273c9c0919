#include "ctrl/registry/registry_access.h"

#include <strings.h>
#include <fstream>
#include <sstream>

#include "ctrl/log/log_line.h"

namespace sluice::ctrl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostKeyBytes = size_t{1} << 20;

Result<std::string> text_in_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("cannot read " + path);
  std::string text(kMostKeyBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (file.bad() || text.size() > kMostKeyBytes) return fail("cannot read " + path);
  return text;
}

/// The token of an `Authorization` field; nothing where it has none.
std::optional<std::string_view> token_in(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size() ||
      ::strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) {
    return std::nullopt;
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

}  // namespace

Result<RegistryAccess> RegistryAccess::open(const RegistryModel& model, std::string protocol) {
  RegistryAccess access(model);
  if (!model.tls.certificate.empty()) {
    auto tls = TlsServer::open({.files = {model.tls.certificate, model.tls.key, model.tls.client_ca},
                                .protocol = std::move(protocol),
                                .requires_certificate = model.jwt.keys.empty()});
    if (!tls) return fail("registry.tls: " + tls.error().message);
    access.tls_ = std::move(*tls);
  }
  if (!model.jwt.keys.empty()) {
    auto text = text_in_file(model.jwt.keys);
    if (!text) return fail("registry.jwt.keys: " + text.error().message);
    auto keys = TokenKeys::parse(*text);
    if (!keys) return fail("registry.jwt.keys: " + model.jwt.keys + " " + keys.error().message);
    access.keys_text_ = std::move(*text);
    access.keys_ = std::move(*keys);
  }
  return access;
}

std::shared_ptr<SSL_CTX> RegistryAccess::tls() {
  if (!tls_) return nullptr;
  return tls_->context([](const std::string& complaint) {
    log_warning({"registry.tls: what was read last still counts: ", complaint});
  });
}

/// The file is small, so that its text says whether it has changed.
void RegistryAccess::read_keys_anew() {
  const auto now = Clock::now();
  if (now - looked_ < kFresh) return;
  looked_ = now;
  const auto text = text_in_file(model_.jwt.keys);
  if (text && *text == keys_text_) return;
  if (!text) {
    if (!std::exchange(keys_text_, {}).empty()) log_warning({"registry.jwt.keys: ", text.error().message});
    return;
  }
  keys_text_ = *text;
  auto keys = TokenKeys::parse(*text);
  if (keys) {
    keys_ = std::move(*keys);
  } else {
    log_warning(
        {"registry.jwt.keys: what was read last still counts: ", model_.jwt.keys, " ", keys.error().message});
  }
}

std::optional<std::string> RegistryAccess::refusal(bool has_verified_peer, std::string_view authorization) {
  if (!model_.has_authentication()) return std::nullopt;
  if (!keys_) {
    return has_verified_peer ? std::nullopt : std::optional<std::string>("a client certificate is needed");
  }
  if (const auto token = token_in(authorization)) {
    read_keys_anew();
    const auto claims =
        keys_->verify(*token, {model_.jwt.issuer, model_.jwt.audience}, std::chrono::system_clock::now());
    return claims ? std::nullopt
                  : std::optional<std::string>(std::string("the token is not taken: ") +
                                               name_of(claims.error()));
  }
  if (has_verified_peer) return std::nullopt;
  return "a token is needed";
}

}  // namespace sluice::ctrl

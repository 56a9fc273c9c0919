// Who may speak with the registry: whoever shows a good client certificate or a good token, where the
// configuration asks for one. The registry's thread alone.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/intent/registry_model.h"
#include "ctrl/net/tls_server.h"
#include "ctrl/wire/json_web_token.h"

namespace sluice::ctrl {

class RegistryAccess {
 public:
  /// `protocol` is agreed upon in TLS. An Error names the file that cannot be read.
  static Result<RegistryAccess> open(const RegistryModel& model, std::string protocol);

  /// For a new connection; null: without TLS.
  std::shared_ptr<SSL_CTX> tls();

  /// Why a request is not let in, for people; nothing: it is. A token that is given decides alone.
  std::optional<std::string> refusal(bool has_verified_peer, std::string_view authorization);

 private:
  explicit RegistryAccess(const RegistryModel& model) : model_(model) {}
  void read_keys_anew();

  static constexpr std::chrono::seconds kFresh{2};
  RegistryModel model_;
  std::optional<TlsServer> tls_;
  std::optional<TokenKeys> keys_;
  std::string keys_text_;
  std::chrono::steady_clock::time_point looked_;
};

}  // namespace sluice::ctrl

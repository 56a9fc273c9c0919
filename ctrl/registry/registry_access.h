// Who may speak with the registry: whoever shows a good client certificate or a good token, where the
// configuration asks for one. The registry's thread alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/access/authenticator.h"
#include "ctrl/intent/registry_model.h"

namespace sluice::ctrl {

class RegistryAccess {
 public:
  /// `protocol` is agreed upon in TLS. An Error names the file that cannot be read.
  static Result<RegistryAccess> open(const RegistryModel& model, std::string protocol);

  /// For a new connection; null: without TLS.
  std::shared_ptr<SSL_CTX> tls() { return authenticator_.tls(); }

  /// Why a request is not let in, for people; nothing: it is. A token that is given decides alone.
  std::optional<std::string> refusal(JudgedCertificate& peer, std::string_view authorization);

 private:
  RegistryAccess(const RegistryModel& model, Authenticator authenticator)
      : model_(model), authenticator_(std::move(authenticator)) {}

  RegistryModel model_;
  Authenticator authenticator_;
};

}  // namespace sluice::ctrl

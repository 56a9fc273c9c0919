#include "ctrl/intent/signing_key.h"

#include <string_view>

#include "ctrl/net/private_file.h"

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";

}  // namespace

Result<crypto::NoteSigner> read_signing_key(const std::string& reference, const std::string& origin) {
  const auto refuse = [](const std::string& why) {
    return fail("ledger.signing_key: " + why, "/ledger/signing_key");
  };
  const std::string path = reference.starts_with(kFile) ? reference.substr(kFile.size()) : reference;
  const auto file = read_private_file(path);
  if (!file) return refuse("cannot read " + file.error().message);
  if (file->is_open_to_others) return refuse(open_to_others(path).message);
  auto signer = crypto::NoteSigner::parse(file->text.reveal());
  if (!signer) return refuse(path + ": " + signer.error().message);
  if (signer->verifier().name() != origin) {
    return refuse("the key in " + path + " is named " + signer->verifier().name() +
                  ", but ledger.origin is " + origin);
  }
  return signer;
}

}  // namespace sluice::ctrl

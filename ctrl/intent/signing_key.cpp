#include "ctrl/intent/signing_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace sluice::ctrl {
namespace {

constexpr std::string_view kFile = "file:";
constexpr size_t kMostBytes = 4096;

/// The whole file, which the result erases when it goes.
Result<crypto::SecretText> read_secret(const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    return fail("ledger.signing_key: cannot read " + path + ": " + why, "/ledger/signing_key");
  };
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return refuse(std::strerror(errno));
  struct stat status {};
  if (::fstat(file, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    ::close(file);
    return fail("ledger.signing_key: " + path + " is open to others than its owner: chmod 600 " + path,
                "/ledger/signing_key");
  }
  crypto::SecretBytes<kMostBytes> bytes;
  size_t size = 0;
  ssize_t read = 0;
  while (size < kMostBytes && (read = ::read(file, bytes.reveal().data() + size, kMostBytes - size)) > 0) {
    size += static_cast<size_t>(read);
  }
  const int error = errno;
  ::close(file);
  if (read < 0) return refuse(std::strerror(error));
  if (size == kMostBytes) return refuse("it is too long for a key");
  return crypto::SecretText(std::string(reinterpret_cast<const char*>(bytes.reveal().data()), size));
}

}  // namespace

Result<crypto::NoteSigner> read_signing_key(const std::string& reference, const std::string& origin) {
  const std::string path = reference.substr(kFile.size());
  const auto text = read_secret(path);
  if (!text) return tl::unexpected(text.error());
  auto signer = crypto::NoteSigner::parse(text->reveal());
  if (!signer) {
    return fail("ledger.signing_key: " + path + ": " + signer.error().message, "/ledger/signing_key");
  }
  if (signer->verifier().name() != origin) {
    return fail("ledger.signing_key: the key in " + path + " is named " + signer->verifier().name() +
                    ", but ledger.origin is " + origin,
                "/ledger/signing_key");
  }
  return signer;
}

}  // namespace sluice::ctrl

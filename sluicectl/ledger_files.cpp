#include "sluicectl/ledger_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "common/descriptor.h"
#include "crypto/sha256_choice.h"
#include "crypto/signed_note.h"
#include "ledger/export.h"

namespace sluice::sluicectl {
namespace {

uint64_t steady_nanoseconds() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

}  // namespace

Result<std::string> make_key(const std::string& name, const std::string& path) {
  const auto signer = crypto::NoteSigner::generate(name);
  if (!signer) return tl::unexpected(signer.error());
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail("cannot make " + path + ": " + std::strerror(errno));
  int error = write_all(file.number(), signer->private_line().reveal());
  if (error == 0) error = write_all(file.number(), "\n");
  if (error == 0 && ::fsync(file.number()) != 0) error = errno;
  if (error == 0) return signer->verifier().line();
  ::unlink(path.c_str());
  return fail("cannot write " + path + ": " + std::strerror(error));
}

Result<tl::expected<ledger::VerifyReport, ledger::VerifyFault>> verify_directory(
    const std::string& directory, const std::string& verifier_key, const std::string& engine) {
  const auto choice = crypto::choose_sha256(engine, steady_nanoseconds);
  if (!choice) return tl::unexpected(choice.error());
  auto sha256 = crypto::Sha256::create(choice->engine);
  if (!sha256) return tl::unexpected(sha256.error());
  return ledger::verify_log(directory, verifier_key, *sha256);
}

Result<uint64_t> export_directory(const std::string& directory, const std::string& target) {
  ledger::PosixFileSystem files;
  auto log = ledger::LogReader::open(files, directory);
  if (!log) return tl::unexpected(log.error());
  return ledger::export_log(files, *log, target);
}

}  // namespace sluice::sluicectl

#include "ctrl/intent/whole_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/descriptor.h"

namespace sluice::ctrl {
namespace {

tl::unexpected<Error> failed(const std::string& file, int error) {
  return fail(file + ": " + std::generic_category().message(error));
}

/// Makes the draft of a file, durable; 0, or errno.
int write_draft(const std::string& draft, std::string_view text, const std::optional<struct stat>& former,
                mode_t mode) {
  unlink(draft.c_str());
  const Descriptor opened(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened.is_open()) return errno;
  if (former)
    (void)!fchown(opened.number(), former->st_uid, former->st_gid);  // another's file stays readable
  if (fchmod(opened.number(), former ? former->st_mode & 07777 : mode) != 0) return errno;
  if (const int error = write_all(opened.number(), text); error != 0) return error;
  return fsync(opened.number()) == 0 ? 0 : errno;
}

}  // namespace

Result<void> replace_file(const std::string& file, std::string_view text, mode_t mode) {
  std::error_code unresolved;
  const std::filesystem::path target = std::filesystem::weakly_canonical(file, unresolved);
  if (unresolved) return failed(file, unresolved.value());
  struct stat status {};
  std::optional<struct stat> former;
  if (stat(target.c_str(), &status) == 0) former = status;
  if (former && !S_ISREG(former->st_mode)) return fail(file + ": is no regular file");
  const std::string draft = target.string() + ".draft";
  int error = write_draft(draft, text, former, mode);
  if (error == 0 && rename(draft.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(draft.c_str());
    return failed(file, error);
  }
  const Descriptor parent(open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || fsync(parent.number()) != 0) return failed(file, errno);
  return {};
}

Result<std::string> read_whole_file(const std::string& file, size_t most) {
  const Descriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!opened.is_open() || fstat(opened.number(), &status) != 0) return failed(file, errno);
  if (!S_ISREG(status.st_mode)) return fail(file + ": is no regular file");
  std::string text;
  if (const int error = read_all(opened.number(), most, text); error != 0) return failed(file, error);
  if (text.size() > most) return fail(file + ": is larger than " + std::to_string(most) + " bytes");
  return text;
}

}  // namespace sluice::ctrl

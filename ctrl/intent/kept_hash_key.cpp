#include "ctrl/intent/kept_hash_key.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/descriptor.h"
#include "common/result.h"
#include "ctrl/intent/config_values.h"

namespace sluice::ctrl {
namespace {

std::string error_text(int error) {
  return std::generic_category().message(error);
}

/// The key that the file holds, as 32 hexadecimal digits in a line; nothing where there is no file.
Result<std::optional<SipKey>> read_key(const std::string& file) {
  const Descriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!opened.is_open() && errno == ENOENT) return std::nullopt;
  if (!opened.is_open()) return fail(file + ": " + error_text(errno));
  std::array<char, 64> text;
  const ssize_t size = read(opened.number(), text.data(), text.size());
  if (size < 0) return fail(file + ": " + error_text(errno));
  std::string_view line(text.data(), static_cast<size_t>(size));
  if (line.ends_with('\n')) line.remove_suffix(1);
  const auto key = parse_hash_key(line);
  if (!key) return fail(file + ": holds no key of 32 hexadecimal digits");
  return *key;
}

/// Makes the file, whole or not at all; one that another process has made meanwhile stays.
Result<void> write_key(const std::string& directory, const std::string& file, const SipKey& key) {
  if (mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) {
    return fail(directory + ": " + error_text(errno));
  }
  const std::string draft = file + "." + std::to_string(getpid());
  unlink(draft.c_str());
  const Descriptor opened(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!opened.is_open()) return fail(draft + ": " + error_text(errno));
  int error = write_all(opened.number(), format_hash_key(key) + "\n");
  if (error == 0 && fsync(opened.number()) != 0) error = errno;
  if (error == 0 && link(draft.c_str(), file.c_str()) != 0 && errno != EEXIST) error = errno;
  unlink(draft.c_str());
  if (error != 0) return fail(file + ": " + error_text(error));
  const Descriptor parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || fsync(parent.number()) != 0) return fail(directory + ": " + error_text(errno));
  return {};
}

SipKey draw_key() {
  SipKey key;
  // 16 bytes never come in pieces, and never fail once the kernel's generator is seeded: getrandom(2).
  while (getrandom(&key, sizeof key, 0) != sizeof key) continue;
  return key;
}

}  // namespace

KeptHashKey keep_hash_key(const std::string& directory) {
  KeptHashKey kept{{}, directory + "/hash_key"};
  auto there = read_key(kept.file);
  if (there && !*there) {
    kept.key = draw_key();
    if (auto written = write_key(directory, kept.file, kept.key); !written) {
      kept.problem = written.error().message;
      return kept;
    }
    there = read_key(kept.file);
  }
  if (there && *there) {
    kept.key = **there;
  } else {
    kept.key = draw_key();
    kept.problem = there ? kept.file + ": " + error_text(ENOENT) : there.error().message;
  }
  return kept;
}

}  // namespace sluice::ctrl

#include "ledger/start_check.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

namespace sluice::ledger {
namespace {

constexpr size_t kMostKey = 4096;

Result<bool> is_empty_directory(FileSystem& files, const std::string& directory, const std::string& name) {
  const Result<bool> is_there = has_entry(files, directory, name);
  if (!is_there) return tl::unexpected(is_there.error());
  if (!*is_there) return true;
  const Result<std::vector<std::string>> names = files.list(directory + "/" + name);
  if (!names) return tl::unexpected(names.error());
  return names->empty();
}

// Whether tiles of a log are there; its files alone, empty, are what a start makes first.
Result<bool> has_tiles(FileSystem& files, const std::string& directory) {
  const Result<bool> is_empty = is_empty_directory(files, directory, "tiles");
  if (!is_empty) return tl::unexpected(is_empty.error());
  if (*is_empty) return false;
  const Result<std::vector<std::string>> names = files.list(directory + "/tiles");
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const Result<File> file = File::open(files, directory + "/tiles/" + name, O_RDONLY);
    if (!file) return tl::unexpected(file.error());
    if (file->size() > 0) return true;
  }
  return false;
}

// The verifier key that was written beside the log; empty where there is none.
Result<std::string> key_beside(FileSystem& files, const std::string& directory) {
  const Result<bool> is_there = has_entry(files, directory, "vkey");
  if (!is_there) return tl::unexpected(is_there.error());
  return *is_there ? read_file(files, directory + "/vkey", kMostKey) : std::string();
}

Error begun_before(const std::string& directory, const std::string& left, const std::string& gone) {
  return {
      directory + ": a log was begun here (" + left + "), but " + gone +
      ": put it back from a backup. To begin anew, take an empty directory and a new key: a second log under "
      "the same key would contradict what the first one promised"};
}

}  // namespace

Result<bool> has_entry(FileSystem& files, const std::string& directory, const std::string& name) {
  const Result<std::vector<std::string>> names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  return std::find(names->begin(), names->end(), name) != names->end();
}

Result<bool> check_directory(FileSystem& files, const std::string& directory,
                             const std::string& verifier_line) {
  const Result<std::string> key = key_beside(files, directory);
  if (!key) return tl::unexpected(key.error());
  if (!key->empty() && *key != verifier_line + "\n")
    return fail(directory + "/vkey: this log was begun with another key");
  const Result<bool> has_checkpoint = has_entry(files, directory, "checkpoint");
  if (!has_checkpoint) return tl::unexpected(has_checkpoint.error());
  const Result<bool> is_journal_empty = is_empty_directory(files, directory, "journal");
  if (!is_journal_empty) return tl::unexpected(is_journal_empty.error());
  const Result<bool> are_tiles_there = has_tiles(files, directory);
  if (!are_tiles_there) return tl::unexpected(are_tiles_there.error());
  if (!*has_checkpoint && !*is_journal_empty)
    return fail(directory +
                "/checkpoint is missing, but there is a journal: the log cannot be trusted to extend "
                "what was released");
  if (*are_tiles_there && *is_journal_empty)
    return tl::unexpected(begun_before(directory, "tiles/ has its hashes", "its journal is gone"));
  if (!*has_checkpoint && !key->empty())
    return tl::unexpected(begun_before(directory, "vkey is there", "its checkpoint is gone"));
  return !key->empty();
}

}  // namespace sluice::ledger

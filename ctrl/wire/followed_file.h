// A file that is followed: all of it, and what tells one content of it from another. Any thread that may wait
// for a disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <optional>
#include <string>
#include <tuple>

#include "common/result.h"

namespace sluice::ctrl {

/// What tells one content of a file from another without reading it: device, inode, size and time of the last
/// change. Nothing: there is no file.
using FileSignature = std::optional<std::tuple<dev_t, ino_t, off_t, time_t, long>>;

FileSignature look_at_file(const std::string& path);
/// Whether both are of one file, whatever is in it.
bool is_same_file(const FileSignature& a, const FileSignature& b);

/// The directory that an absolute path lies in.
std::string directory_of(const std::string& path);

struct FollowedFile {
  std::string text;
  FileSignature signature;
};

/// Refuses what is no file (a pipe, a device), since it could be waited for, and what has more than `largest`
/// bytes. The Error names the path.
Result<FollowedFile> read_followed_file(const std::string& path, size_t largest);

}  // namespace sluice::ctrl

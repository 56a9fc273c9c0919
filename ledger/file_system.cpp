#include "ledger/file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace sluice::ledger {
namespace {

int result_of(int returned) {
  return returned < 0 ? -errno : returned;
}

}  // namespace

int PosixFileSystem::open(const std::string& path, int flags) {
  return result_of(::open(path.c_str(), flags | O_CLOEXEC, 0640));
}

void PosixFileSystem::close(int file) {
  ::close(file);
}

int PosixFileSystem::write(int file, std::span<const uint8_t> data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(file, data.data(), data.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return -errno;
    if (written == 0) return -EIO;
    data = data.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

int64_t PosixFileSystem::read(int file, std::span<uint8_t> data, uint64_t offset) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t got =
        ::pread(file, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<int64_t>(done);
}

int PosixFileSystem::allocate(int file, uint64_t offset, uint64_t size) {
  int error = EINTR;
  while (error == EINTR)
    error = ::posix_fallocate(file, static_cast<off_t>(offset), static_cast<off_t>(size));
  return -error;
}

int PosixFileSystem::truncate(int file, uint64_t size) {
  return result_of(::ftruncate(file, static_cast<off_t>(size)));
}

int64_t PosixFileSystem::size(int file) {
  struct stat status;
  return ::fstat(file, &status) < 0 ? -errno : status.st_size;
}

uint64_t PosixFileSystem::data_from(int file, uint64_t offset) {
  const off_t found = ::lseek(file, static_cast<off_t>(offset), SEEK_DATA);
  if (found >= 0) return static_cast<uint64_t>(found);
  const int64_t end = errno == ENXIO ? size(file) : -1;
  return end > static_cast<int64_t>(offset) ? static_cast<uint64_t>(end) : offset;
}

int PosixFileSystem::sync_data(int file) {
  return result_of(::fdatasync(file));
}
int PosixFileSystem::sync(int file) {
  return result_of(::fsync(file));
}

int PosixFileSystem::rename(const std::string& from, const std::string& to) {
  return result_of(::rename(from.c_str(), to.c_str()));
}

int PosixFileSystem::make_directory(const std::string& path) {
  return result_of(::mkdir(path.c_str(), 0750));
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& path) {
  DIR* const directory = ::opendir(path.c_str());
  if (directory == nullptr) return tl::unexpected(system_error("cannot list", path, -errno));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

File::File(File&& from) noexcept : files_(from.files_), descriptor_(std::exchange(from.descriptor_, -1)) {}

File& File::operator=(File&& from) noexcept {
  if (this != &from) {
    reset();
    files_ = from.files_;
    descriptor_ = std::exchange(from.descriptor_, -1);
  }
  return *this;
}

Result<File> File::open(FileSystem& files, const std::string& path, int flags) {
  const int descriptor = files.open(path, flags);
  if (descriptor < 0) return tl::unexpected(system_error("cannot open", path, descriptor));
  return File(files, descriptor);
}

void File::reset() {
  if (descriptor_ >= 0) files_->close(descriptor_);
  descriptor_ = -1;
}

Error system_error(const char* what, const std::string& path, int64_t negative_errno) {
  char text[128];
  return {std::string(what) + " " + path + ": " +
          strerror_r(static_cast<int>(-negative_errno), text, sizeof text)};
}

Result<std::string> read_file(FileSystem& files, const std::string& path, size_t most) {
  const Result<File> file = File::open(files, path, O_RDONLY);
  if (!file) return tl::unexpected(file.error());
  std::string text(most, '\0');
  const int64_t got = file->read({reinterpret_cast<uint8_t*>(text.data()), text.size()}, 0);
  if (got < 0) return tl::unexpected(system_error("cannot read", path, got));
  text.resize(static_cast<size_t>(got));
  return text;
}

int replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                 std::string_view text) {
  const std::string path = directory + "/" + name;
  const std::string beside = path + ".new";
  File file(files, files.open(beside, O_WRONLY | O_CREAT | O_TRUNC));
  if (!file.is_open()) return file.descriptor();
  int error = file.write({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, 0);
  if (error == 0) error = files.sync_data(file.descriptor());
  if (error == 0) error = files.rename(beside, path);
  if (error != 0) return error;
  const File parent(files, files.open(directory, O_RDONLY | O_DIRECTORY));
  return parent.is_open() ? files.sync(parent.descriptor()) : parent.descriptor();
}

}  // namespace sluice::ledger

#include "ledger/export.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "crypto/merkle.h"

namespace sluice::ledger {
namespace {

using crypto::kTileWidth;

class Exporter {
 public:
  Exporter(FileSystem& files, LogReader& log, const std::string& target)
      : files_(files), log_(log), target_(target) {}

  Result<uint64_t> run() {
    if (auto begun = begin(); !begun) return tl::unexpected(begun.error());
    // The checkpoint goes last: while it is missing, the tree is not complete. Its size is taken first.
    const Result<std::string> note = log_.checkpoint();
    if (!note) return tl::unexpected(note.error());
    const Result<Checkpoint> released = Checkpoint::parse(*note);
    if (!released) return tl::unexpected(released.error());
    if (auto written = write_level({true, 0, 0, kTileWidth}, released->size); !written)
      return tl::unexpected(written.error());
    uint8_t level = 0;
    for (uint64_t hashes = released->size; hashes > 0; hashes /= kTileWidth, ++level) {
      if (auto written = write_level({false, level, 0, kTileWidth}, hashes); !written)
        return tl::unexpected(written.error());
    }
    if (auto written = write_file("checkpoint", *note); !written) return tl::unexpected(written.error());
    return written_;
  }

 private:
  Result<void> begin() {
    if (auto made = make_directory(target_); !made) return made;
    const Result<std::vector<std::string>> names = files_.list(target_);
    if (!names) return tl::unexpected(names.error());
    if (!names->empty()) return fail(target_ + " is not empty");
    return {};
  }

  Result<void> write_level(TilePath path, uint64_t count) {
    for (uint64_t first = 0; first < count; first += kTileWidth, ++path.index) {
      path.width = static_cast<uint16_t>(std::min(kTileWidth, count - first));
      const Result<std::optional<std::string>> tile = log_.tile(path);
      if (!tile) return tl::unexpected(tile.error());
      if (!*tile) return fail("the log lost " + path.to_string() + " meanwhile");
      if (auto written = write_file("tile/" + path.to_string(), **tile); !written) return written;
    }
    return {};
  }

  Result<void> make_directory(const std::string& path) {
    const int error = files_.make_directory(path);
    if (error != 0 && error != -EEXIST) return tl::unexpected(system_error("cannot make", path, error));
    return {};
  }

  Result<void> write_file(const std::string& name, const std::string& text) {
    for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
      if (auto made = make_directory(target_ + "/" + name.substr(0, slash)); !made) return made;
    const std::string path = target_ + "/" + name;
    const Result<File> file = File::open(files_, path, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return tl::unexpected(file.error());
    const int error = file->write({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, 0);
    if (error != 0) return tl::unexpected(system_error("cannot write", path, error));
    ++written_;
    return {};
  }

  FileSystem& files_;
  LogReader& log_;
  const std::string& target_;
  uint64_t written_ = 0;
};

}  // namespace

Result<uint64_t> export_log(FileSystem& files, LogReader& log, const std::string& target) {
  return Exporter(files, log, target).run();
}

}  // namespace sluice::ledger

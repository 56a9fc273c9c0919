#include "ledger/verify_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::ledger {

VerifySource::VerifySource(const std::string& directory, std::string name)
    : name_(std::move(name)), file_(::open((directory + "/" + name_).c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status;
  if (file_ >= 0 && ::fstat(file_, &status) == 0) size_ = static_cast<uint64_t>(status.st_size);
}

VerifySource::~VerifySource() {
  if (file_ >= 0) ::close(file_);
}

VerifySource::Bytes VerifySource::take(uint64_t count) {
  const Bytes bytes = peek(count);
  start_ += bytes.size();
  place_ += bytes.size();
  return bytes;
}

VerifySource::Bytes VerifySource::peek(uint64_t count) {
  if (start_ + count > filled_) refill(count);
  return {buffer_.data() + start_, std::min(count, filled_ - start_)};
}

uint64_t VerifySource::skip_hole(uint64_t count) {
  if (start_ != filled_) return 0;  // it has been read already
  const off_t found = ::lseek(file_, static_cast<off_t>(place_), SEEK_DATA);
  const uint64_t data = found >= 0 ? static_cast<uint64_t>(found) : errno == ENXIO ? size_ : place_;
  const uint64_t skipped = data > place_ ? std::min(count, data - place_) : 0;
  place_ += skipped;
  return skipped;
}

void VerifySource::refill(uint64_t count) {
  if (filled_ > start_)
    std::memmove(buffer_.data(), buffer_.data() + start_, filled_ - start_);  // not from null
  filled_ -= start_;
  start_ = 0;
  if (buffer_.size() < count) buffer_.resize(std::max<uint64_t>(count, std::min<uint64_t>(size_, 65536)));
  while (filled_ < count) {
    const ssize_t got = ::pread(file_, buffer_.data() + filled_, buffer_.size() - filled_,
                                static_cast<off_t>(place_ + filled_));
    if (got <= 0) return;
    filled_ += static_cast<uint64_t>(got);
  }
}

Verified<void> expect_next(VerifySource& source, VerifySource::Bytes expected, const char* what) {
  const uint64_t place = source.place();
  const VerifySource::Bytes found = source.take(expected.size());
  const auto [left, right] = std::mismatch(found.begin(), found.end(), expected.begin(), expected.end());
  if (left == found.end() && right == expected.end()) return {};
  return tl::unexpected(source.fault(place + static_cast<uint64_t>(left - found.begin()), what));
}

Verified<void> expect_zeros(VerifySource& source, uint64_t count, const char* what) {
  while (count > 0) {
    count -= source.skip_hole(count);
    const uint64_t place = source.place();
    const VerifySource::Bytes bytes = source.take(std::min<uint64_t>(count, 65536));
    const auto found = std::find_if(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; });
    if (found != bytes.end())
      return tl::unexpected(source.fault(place + static_cast<uint64_t>(found - bytes.begin()), what));
    if (bytes.empty()) return {};
    count -= bytes.size();
  }
  return {};
}

}  // namespace sluice::ledger

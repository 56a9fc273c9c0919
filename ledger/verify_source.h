// A file of the log as the verifier reads it: from its start to its end, with faults that know their place.
// One thread; owns its descriptor and buffer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ledger/verify_note.h"

namespace sluice::ledger {

class VerifySource {
 public:
  using Bytes = std::span<const uint8_t>;

  VerifySource(const std::string& directory, std::string name);
  VerifySource(const VerifySource&) = delete;
  VerifySource& operator=(const VerifySource&) = delete;
  ~VerifySource();

  bool is_open() const { return file_ >= 0; }
  uint64_t size() const { return size_; }
  uint64_t place() const { return place_; }
  uint64_t left() const { return size_ - place_; }
  /// The next `count` bytes, or fewer at the end; valid until the next call.
  Bytes take(uint64_t count);
  /// As take(), and the next call gives them again.
  Bytes peek(uint64_t count);
  /// Passes over what the file system knows to be zero (SEEK_DATA), at most `count` bytes. How many.
  uint64_t skip_hole(uint64_t count);

  VerifyFault fault(uint64_t place, std::string what) const { return {name_, place, std::move(what)}; }
  VerifyFault fault_here(std::string what) const { return fault(place_, std::move(what)); }

 private:
  void refill(uint64_t count);

  std::string name_;
  int file_;
  uint64_t size_ = 0;
  uint64_t place_ = 0;  // of buffer_[start_] in the file
  std::vector<uint8_t> buffer_;
  uint64_t start_ = 0;
  uint64_t filled_ = 0;
};

/// Whether exactly `expected` comes next; else a fault at the first byte that differs.
Verified<void> expect_next(VerifySource& source, VerifySource::Bytes expected, const char* what);

/// Whether the next `count` bytes, or all up to the end, are zero.
Verified<void> expect_zeros(VerifySource& source, uint64_t count, const char* what);

}  // namespace sluice::ledger

// Files of targets: whatever is in them, what is read of it is in bounds, and what is left out is counted and
// fit for a line of the log.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ctrl/observed/unite.h"
#include "ctrl/source/file_sd.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const std::string& text) {
  const auto read = parse_file_sd(text);
  if (!read) return require(!read.error().message.empty());
  require(read->instances.size() <= kMostInstances);
  for (const Instance& one : read->instances) {
    require(one.port != 0 && one.weight <= 65535);
    require((one.address == IpAddress{}) != one.name.empty() || one.name.empty());
  }
  require(read->unreadable_entries.size() <= std::min(read->unreadable, Snapshot::kMostNamed));
  for (const std::string& entry : read->unreadable_entries) {
    require(entry.size() <= 200);
    require(std::ranges::none_of(entry, [](char c) { return c >= 0 && c < ' '; }));
  }
  const auto folded = fold(read->instances);
  require(std::ranges::is_sorted(folded, {}, &Discovered::at));
  require(std::ranges::adjacent_find(folded, {}, &Discovered::at) == folded.end());
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::ctrl::check(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

// Files of sets: whatever is in them, they are refused without a word of theirs, or every prefix that is read
// decides about its own first address as a walk over all of them would.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "ctrl/intent/set_file.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const std::string& text) {
  const auto prefixes = parse_set(text);
  if (!prefixes) {
    return require(prefixes.error().message.starts_with("line ") && prefixes.error().message.size() < 200);
  }
  require(prefixes->size() <= static_cast<size_t>(std::ranges::count(text, '\n')) + 1);
  const auto set = lb::PrefixSet::build(*prefixes);
  require(set->size() <= prefixes->size());
  for (size_t i = 0; i < std::min<size_t>(prefixes->size(), 32); ++i) {
    const IpAddress& address = (*prefixes)[i].address;
    int longest = -1;
    for (const Prefix& one : *prefixes) {
      if (one.contains(address)) longest = std::max<int>(longest, one.length);
    }
    require(set->longest_match(address) == longest);
  }
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::ctrl::check(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}

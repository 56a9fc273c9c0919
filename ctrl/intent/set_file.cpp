#include "ctrl/intent/set_file.h"

#include <algorithm>
#include <string>
#include <utility>

#include "ctrl/intent/whole_file.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kLargestFile = size_t{256} << 20;
constexpr std::string_view kBlank = " \t\r\v\f";

std::string_view without_comment(std::string_view line) {
  line = line.substr(0, line.find('#'));
  const size_t first = line.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kBlank) - first + 1);
}

}  // namespace

Result<std::vector<Prefix>> parse_set(std::string_view text) {
  std::vector<Prefix> prefixes;
  size_t number = 0, first_wrong = 0, wrong = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view entry = without_comment(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (entry.empty()) continue;
    if (prefixes.size() == kMostInSet) {
      return fail("has more than " + std::to_string(kMostInSet) + " prefixes");
    }
    if (const auto prefix = Prefix::parse(entry)) {
      prefixes.push_back(*prefix);
    } else if (++wrong == 1) {
      first_wrong = number;
    }
  }
  if (wrong == 0) return prefixes;
  std::string message =
      "line " + std::to_string(first_wrong) + " is neither an address nor a prefix whose host bits are zero";
  if (wrong > 1) message += ", nor are " + std::to_string(wrong - 1) + " more lines";
  return fail(std::move(message));
}

Result<std::shared_ptr<const lb::PrefixSet>> read_set(const SetModel& set) {
  std::vector<Prefix> prefixes;
  if (!set.file.empty()) {
    const auto file = read_whole_file(set.file, kLargestFile);
    if (!file) return tl::unexpected(file.error());
    auto parsed = parse_set(*file);
    if (!parsed) return fail(set.file + ": " + parsed.error().message);
    prefixes = std::move(*parsed);
  }
  prefixes.insert(prefixes.end(), set.addresses.begin(), set.addresses.end());
  return lb::PrefixSet::build(std::move(prefixes));
}

}  // namespace sluice::ctrl

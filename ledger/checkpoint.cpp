#include "ledger/checkpoint.h"

#include <algorithm>

#include "common/decimal.h"
#include "crypto/encoding.h"

namespace sluice::ledger {
namespace {

// The next line without its end, cut off `text`; nothing where no line end follows.
std::optional<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

}  // namespace

std::string Checkpoint::text() const {
  return origin + "\n" + std::to_string(size) + "\n" + crypto::to_base64(root) + "\n";
}

Result<Checkpoint> Checkpoint::parse(std::string_view note) {
  const auto origin = take_line(note);
  const auto size_line = take_line(note);
  const auto root_line = take_line(note);
  if (!origin || !size_line || !root_line || origin->empty()) return fail("a checkpoint has three lines");
  const auto size = parse_decimal(*size_line);
  if (!size) return fail("the checkpoint's second line is no size");
  const auto root = crypto::from_base64(*root_line);
  if (!root || root->size() != crypto::Digest{}.size()) return fail("the checkpoint's third line is no hash");
  Checkpoint checkpoint{std::string(*origin), *size, {}};
  std::copy(root->begin(), root->end(), checkpoint.root.begin());
  return checkpoint;
}

}  // namespace sluice::ledger

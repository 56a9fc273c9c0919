#include "ctrl/source/secret_file.h"

#include <algorithm>
#include <string_view>

#include "ctrl/net/faults.h"
#include "ctrl/net/open_secrets.h"
#include "ctrl/net/private_file.h"

namespace sluice::ctrl {

crypto::SecretText read_secret(const std::string& reference, bool may_be_open) {
  auto file = read_private_file(reference);
  if (!file) throw PeerFault("cannot read " + file.error().message);
  // Used all the same, so that a rotation that gets the mode wrong does not cut a source off.
  if (!may_be_open) note_secret(reference, file->is_open_to_others);
  std::string_view text = file->text.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const bool is_line = std::ranges::all_of(text, [](char byte) { return byte >= ' ' && byte != 0x7f; });
  if (text.empty()) throw PeerFault(reference + " is empty");
  if (!is_line) throw PeerFault(reference + " is not one line of text");
  file->text.cut(text.size());
  return std::move(file->text);
}

}  // namespace sluice::ctrl

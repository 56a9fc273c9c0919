#include "ctrl/source/secret_file.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <string_view>

#include "ctrl/log/log_line.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/private_file.h"

namespace sluice::ctrl {
namespace {

/// Once for each file: it is read again and again. Using it all the same keeps a rotation that gets the mode
/// wrong from cutting a source off.
void warn_of(const Error& fault) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::lock_guard lock(mutex);
  if (said.insert(fault.message).second) log_warning({fault.message});
}

}  // namespace

crypto::SecretText read_secret(const std::string& reference, bool may_be_open) {
  auto file = read_private_file(reference);
  if (!file) throw PeerFault("cannot read " + file.error().message);
  if (file->is_open_to_others && !may_be_open) warn_of(open_to_others(reference));
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

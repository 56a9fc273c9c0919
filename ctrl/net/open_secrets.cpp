#include "ctrl/net/open_secrets.h"

#include <mutex>
#include <set>
#include <utility>

#include "ctrl/net/private_file.h"

namespace sluice::ctrl {
namespace {

struct Told {
  static constexpr size_t kMost = 1024;  ///< files of configurations that are no more take no room
  std::mutex mutex;
  std::function<void(const std::string&)> tell;
  std::set<std::string> files;
};

Told& told_secrets() {
  static Told all;
  return all;
}

}  // namespace

void tell_of_open_secrets(std::function<void(const std::string& warning)> tell) {
  const std::lock_guard lock(told_secrets().mutex);
  told_secrets().tell = std::move(tell);
}

void note_secret(const std::string& reference, bool is_open_to_others) {
  Told& all = told_secrets();
  const std::lock_guard lock(all.mutex);
  if (!is_open_to_others) {
    all.files.erase(reference);
    return;
  }
  if (all.files.size() >= Told::kMost) all.files.clear();
  if (all.files.insert(reference).second && all.tell) all.tell(open_to_others(reference).message);
}

}  // namespace sluice::ctrl

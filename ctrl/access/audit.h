// Who asked for what that changes something, and what became of it: a JSON line for each call, in a file and
// on the log. Any thread; never waits for a disk.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ctrl/access/peer.h"
#include "ctrl/intent/remote_model.h"

namespace sluice::ctrl {

struct AuditEntry {
  const Peer& peer;
  std::string_view method;
  std::string object = {}, before = {}, after = {};  ///< empty: there is nothing to say
  std::optional<uint64_t> generation_before = {}, generation_after = {};
  std::string_view result = "ok";  ///< else the kind of the refusal
};

class Audit {
 public:
  /// An Error where the file cannot be opened. Without one, the log alone has the lines.
  static Result<std::unique_ptr<Audit>> open(const AuditModel& model);
  /// Whether open() would have its file now. Makes none.
  static Result<void> check(const AuditModel& model);
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  /// `words` are the same for people, on the log.
  void record(const AuditEntry& entry, std::string_view words);
  /// Makes the file anew where it was moved. It also notices by itself, with the next line.
  void reopen();
  /// Goes on with the file of another configuration, or with none: lines that the one before has not taken
  /// yet go there still. An Error where it cannot be opened: all stays as it is.
  Result<void> follow(const AuditModel& model);
  bool has_file() const { return file() != nullptr; }
  /// Lines that files did not take.
  uint64_t lost() const;

 private:
  struct File;
  Audit();
  std::shared_ptr<File> file() const;

  mutable std::mutex mutex_;
  std::shared_ptr<File> file_;  ///< null: there is none
  uint64_t lost_before_ = 0;    ///< by files that are no longer followed
};

/// One entry as a JSON object in one line of ASCII, so that nothing in it is taken for a line end, or a
/// terminal's command.
std::string audit_line(const AuditEntry& entry);

}  // namespace sluice::ctrl

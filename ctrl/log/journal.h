// Entries of systemd's journal with fields of their own, in its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL): a datagram each.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::ctrl {

/// By the names of systemd.journal-fields(7): capital letters, digits and `_`.
using JournalFields = std::vector<std::pair<std::string, std::string>>;

/// A name that a field may have: `ledger_totals` becomes `LEDGER_TOTALS`.
std::string journal_field_name(std::string_view name);
/// The datagram of an entry. Values may have any bytes; one of more than 64 KiB is cut, as a socket takes no
/// more than some 200 KiB at once.
std::string journal_entry(const JournalFields& fields);

/// Where entries go. Any thread; send() may wait for journald.
class JournalSocket {
 public:
  static constexpr const char* kPath = "/run/systemd/journal/socket";

  explicit JournalSocket(std::string path = kPath);
  JournalSocket(const JournalSocket&) = delete;
  JournalSocket& operator=(const JournalSocket&) = delete;
  ~JournalSocket();

  /// Whether somebody listens there now.
  bool is_there() const;
  /// False: it was not taken.
  bool send(std::string_view entry) const;

 private:
  std::string path_;
  int socket_;
};

}  // namespace sluice::ctrl

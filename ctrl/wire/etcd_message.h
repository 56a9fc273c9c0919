// The messages of etcd's JSON gateway (v3, over HTTP) that a reader of a prefix needs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

struct EtcdKeyValue {
  std::string key;
  std::string value;
};

/// A request for keys that begin with `prefix`, from the key behind `after` on (empty: from the first), as of
/// `revision` (0: now), at most `limit`.
std::string etcd_range_request(std::string_view prefix, std::string_view after, int64_t revision,
                               size_t limit);
/// A request for all changes of them from `revision` on.
std::string etcd_watch_request(std::string_view prefix, int64_t revision);
/// For `Authorization`; the caller erases it, for it holds the password.
std::string etcd_authentication_request(std::string_view name, std::string_view password);

struct EtcdPage {
  int64_t revision = 0;
  std::vector<EtcdKeyValue> entries;
  bool has_more = false;
};
Result<EtcdPage> read_etcd_page(std::string_view body);

/// The token of an answer to etcd_authentication_request().
Result<std::string> read_etcd_token(std::string_view body);

struct EtcdEvent {
  EtcdKeyValue entry;  ///< its value is empty where it was deleted
  bool is_deleted = false;
};

/// One line of a watch.
struct EtcdWatchLine {
  std::optional<int64_t> revision;  ///< of the header: a cancellation has none
  bool is_created = false;
  bool is_cancelled = false;
  int64_t compact_revision = 0;  ///< not 0: what was to be told has been forgotten
  std::string reason;            ///< of a cancellation, or of an error that ends the stream
  bool is_error = false;
  std::vector<EtcdEvent> events;
};
Result<EtcdWatchLine> read_etcd_watch_line(std::string_view line);

/// What an answer with another status than 200 says.
struct EtcdError {
  int64_t code = -1;    ///< of gRPC: 11 is a revision that there is not (any more)
  std::string message;  ///< for people, at most 200 bytes; empty where it is none of etcd's
  static constexpr int64_t kOutOfRange = 11, kUnauthenticated = 16;
};
EtcdError read_etcd_error(std::string_view body);

}  // namespace sluice::ctrl

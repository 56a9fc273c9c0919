// ZooKeeper's client protocol (jute over TCP), as far as a reader of nodes speaks it. Frames have a length of
// four bytes before them, which is written here and read by read_zookeeper_length(). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::ctrl {

inline constexpr size_t kMostZookeeperFrame = size_t{16} << 20;
/// Of a frame; nothing where it is more than kMostZookeeperFrame.
std::optional<size_t> read_zookeeper_length(std::span<const uint8_t, 4> bytes);

struct ZookeeperSessionId {
  int64_t id = 0;  ///< 0: a new one is asked for
  std::array<uint8_t, 16> password{};
};

enum class ZookeeperOperation : int32_t { kExists = 3, kGetData = 4, kGetChildren2 = 12 };
enum class ZookeeperError : int32_t { kNone = 0, kNoNode = -101, kNoAuth = -102, kAuthFailed = -115 };
std::string text_of(ZookeeperError error);

inline constexpr int32_t kZookeeperEvent = -1, kZookeeperPing = -2, kZookeeperAuthentication = -4;

std::string zookeeper_connect_request(const ZookeeperSessionId& session, int32_t timeout_ms,
                                      int64_t last_zxid);
std::string zookeeper_read_request(int32_t xid, ZookeeperOperation operation, std::string_view path,
                                   bool watch);
std::string zookeeper_ping();
std::string zookeeper_close();
/// The caller erases it, for it holds the password. `credentials`: NAME:PASSWORD.
std::string zookeeper_digest_authentication(std::string_view credentials);

struct ZookeeperConnected {
  int32_t timeout_ms = 0;  ///< 0: the session has expired
  ZookeeperSessionId session;
};
std::optional<ZookeeperConnected> read_zookeeper_connected(std::span<const uint8_t> frame);

struct ZookeeperReply {
  int32_t xid = 0;
  int64_t zxid = 0;
  ZookeeperError error = ZookeeperError::kNone;
  std::span<const uint8_t> body;  ///< of the frame
};
std::optional<ZookeeperReply> read_zookeeper_reply(std::span<const uint8_t> frame);

/// The body of a reply to kGetChildren2: their names, none with a slash in it.
std::optional<std::vector<std::string>> read_zookeeper_children(std::span<const uint8_t> body);
/// The body of a reply to kGetData.
std::optional<std::string> read_zookeeper_data(std::span<const uint8_t> body);

struct ZookeeperEvent {
  enum class Type : int32_t {
    kNone = -1,
    kCreated = 1,
    kDeleted = 2,
    kDataChanged = 3,
    kChildrenChanged = 4
  };
  Type type = Type::kNone;
  std::string path;
};
/// The body of a reply with kZookeeperEvent. Types that are not known count as kNone.
std::optional<ZookeeperEvent> read_zookeeper_event(std::span<const uint8_t> body);

}  // namespace sluice::ctrl

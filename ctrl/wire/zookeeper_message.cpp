#include "ctrl/wire/zookeeper_message.h"

#include <algorithm>

namespace sluice::ctrl {
namespace {

constexpr int32_t kPingOperation = 11, kAuthenticationOperation = 100, kCloseOperation = -11;
constexpr size_t kStatBytes = 68;

void put32(std::string& bytes, int32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes += static_cast<char>(static_cast<uint32_t>(value) >> shift);
}
void put64(std::string& bytes, int64_t value) {
  put32(bytes, static_cast<int32_t>(value >> 32));
  put32(bytes, static_cast<int32_t>(value));
}
void put_buffer(std::string& bytes, std::string_view buffer) {
  put32(bytes, static_cast<int32_t>(buffer.size()));
  bytes += buffer;
}

/// A frame with room for so much, which is written in one piece.
std::string begin_frame(size_t most) {
  std::string frame;
  frame.reserve(most + 4);
  put32(frame, 0);
  return frame;
}
std::string end_frame(std::string frame) {
  std::string length;
  put32(length, static_cast<int32_t>(frame.size() - 4));
  std::copy(length.begin(), length.end(), frame.begin());
  return frame;
}

/// Reads forwards; every member answers nothing at the end of the bytes.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}
  std::span<const uint8_t> rest() const { return rest_; }

  std::optional<uint32_t> unsigned32() {
    if (rest_.size() < 4) return std::nullopt;
    const uint32_t value =
        uint32_t{rest_[0]} << 24 | uint32_t{rest_[1]} << 16 | uint32_t{rest_[2]} << 8 | rest_[3];
    rest_ = rest_.subspan(4);
    return value;
  }
  std::optional<int32_t> number32() {
    const auto value = unsigned32();
    if (!value) return std::nullopt;
    return static_cast<int32_t>(*value);
  }
  std::optional<int64_t> number64() {
    const auto high = unsigned32();
    const auto low = high ? unsigned32() : std::nullopt;
    if (!low) return std::nullopt;
    return static_cast<int64_t>(uint64_t{*high} << 32 | *low);
  }
  /// Null, which is -1 on the wire, is read as empty.
  std::optional<std::string> buffer() {
    const auto size = number32();
    if (!size || (*size > 0 && rest_.size() < static_cast<size_t>(*size))) return std::nullopt;
    if (*size <= 0) return std::string();
    std::string value(reinterpret_cast<const char*>(rest_.data()), static_cast<size_t>(*size));
    rest_ = rest_.subspan(value.size());
    return value;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace

std::optional<size_t> read_zookeeper_length(std::span<const uint8_t, 4> bytes) {
  const auto length = Reader(bytes).unsigned32();
  if (!length || *length > kMostZookeeperFrame) return std::nullopt;
  return *length;
}

std::string text_of(ZookeeperError error) {
  switch (error) {
    case ZookeeperError::kNone:
      return "no error";
    case ZookeeperError::kNoNode:
      return "there is no such node";
    case ZookeeperError::kNoAuth:
      return "not authorised";
    case ZookeeperError::kAuthFailed:
      return "authentication failed";
  }
  return "error " + std::to_string(static_cast<int32_t>(error));
}

std::string zookeeper_connect_request(const ZookeeperSessionId& session, int32_t timeout_ms,
                                      int64_t last_zxid) {
  std::string frame = begin_frame(64);
  put32(frame, 0);  // the protocol's version
  put64(frame, last_zxid);
  put32(frame, timeout_ms);
  put64(frame, session.id);
  put_buffer(frame, {reinterpret_cast<const char*>(session.password.data()), session.password.size()});
  frame += '\0';  // a server that may only be read from will not do
  return end_frame(std::move(frame));
}

std::string zookeeper_read_request(int32_t xid, ZookeeperOperation operation, std::string_view path,
                                   bool watch) {
  std::string frame = begin_frame(16 + path.size());
  put32(frame, xid);
  put32(frame, static_cast<int32_t>(operation));
  put_buffer(frame, path);
  frame += watch ? '\1' : '\0';
  return end_frame(std::move(frame));
}

std::string zookeeper_ping() {
  std::string frame = begin_frame(8);
  put32(frame, kZookeeperPing);
  put32(frame, kPingOperation);
  return end_frame(std::move(frame));
}

std::string zookeeper_close() {
  std::string frame = begin_frame(8);
  put32(frame, 0);
  put32(frame, kCloseOperation);
  return end_frame(std::move(frame));
}

std::string zookeeper_digest_authentication(std::string_view credentials) {
  std::string frame = begin_frame(64 + credentials.size());
  put32(frame, kZookeeperAuthentication);
  put32(frame, kAuthenticationOperation);
  put32(frame, 0);
  put_buffer(frame, "digest");
  put_buffer(frame, credentials);
  return end_frame(std::move(frame));
}

std::optional<ZookeeperConnected> read_zookeeper_connected(std::span<const uint8_t> frame) {
  Reader reader(frame);
  const auto version = reader.number32();
  const auto timeout = version ? reader.number32() : std::nullopt;
  const auto id = timeout ? reader.number64() : std::nullopt;
  const auto password = id ? reader.buffer() : std::nullopt;
  ZookeeperConnected connected;
  if (!password || password->size() > connected.session.password.size()) return std::nullopt;
  connected.timeout_ms = std::max(*timeout, 0);
  connected.session.id = *id;
  std::ranges::copy(*password, connected.session.password.begin());
  return connected;
}

std::optional<ZookeeperReply> read_zookeeper_reply(std::span<const uint8_t> frame) {
  Reader reader(frame);
  const auto xid = reader.number32();
  const auto zxid = xid ? reader.number64() : std::nullopt;
  const auto error = zxid ? reader.number32() : std::nullopt;
  if (!error) return std::nullopt;
  return ZookeeperReply{*xid, *zxid, static_cast<ZookeeperError>(*error), reader.rest()};
}

std::optional<std::vector<std::string>> read_zookeeper_children(std::span<const uint8_t> body) {
  Reader reader(body);
  const auto count = reader.number32();
  if (!count) return std::nullopt;
  std::vector<std::string> children;
  for (int32_t i = 0; i < *count; ++i) {
    auto name = reader.buffer();
    if (!name || name->empty() || name->find('/') != std::string::npos) return std::nullopt;
    children.push_back(std::move(*name));
  }
  if (reader.rest().size() != kStatBytes) return std::nullopt;
  return children;
}

std::optional<std::string> read_zookeeper_data(std::span<const uint8_t> body) {
  Reader reader(body);
  auto data = reader.buffer();
  if (!data || reader.rest().size() != kStatBytes) return std::nullopt;
  return data;
}

std::optional<ZookeeperEvent> read_zookeeper_event(std::span<const uint8_t> body) {
  Reader reader(body);
  const auto type = reader.number32();
  const auto state = type ? reader.number32() : std::nullopt;
  auto path = state ? reader.buffer() : std::nullopt;
  if (!path) return std::nullopt;
  ZookeeperEvent event;
  const bool is_known = *type >= 1 && *type <= 4;
  event.type = is_known ? static_cast<ZookeeperEvent::Type>(*type) : ZookeeperEvent::Type::kNone;
  event.path = std::move(*path);
  return event;
}

}  // namespace sluice::ctrl

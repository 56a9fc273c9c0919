// The session of one source with ZooKeeper, which all its subscriptions share: one connection, requests side
// by side, pings, and events for those who listen. A connection that is lost is made again when somebody asks
// for something, by the same session as long as the server knows it. Watches are bound to a connection:
// whoever listens reads all anew after it. Used by the thread of the source.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ctrl/source/servers.h"
#include "ctrl/source/source.h"
#include "ctrl/source/turns.h"
#include "ctrl/wire/zookeeper_message.h"

namespace sluice::ctrl {

class ZookeeperListener {
 public:
  virtual ~ZookeeperListener() = default;
  /// A watch of the path that is listened to, or of a child of it.
  virtual void take_event(const ZookeeperEvent& event) = 0;
  /// The server has answered a ping.
  virtual void take_pong() = 0;
  /// The connection is gone, and every watch with it.
  virtual void take_loss(const std::string& reason) = 0;
};

class ZookeeperSession : public std::enable_shared_from_this<ZookeeperSession> {
 public:
  ZookeeperSession(boost::asio::io_context& io, const SourceModel& model);
  ZookeeperSession(const ZookeeperSession&) = delete;
  ZookeeperSession& operator=(const ZookeeperSession&) = delete;

  struct Answer {
    ZookeeperError error = ZookeeperError::kNone;
    int64_t zxid = 0;
    std::vector<uint8_t> body;
  };
  /// Connects first where that is needed. Throws PeerFault where no answer comes.
  boost::asio::awaitable<Answer> read(ZookeeperOperation operation, std::string path, bool watch,
                                      StopSignal& stop);

  void listen(const std::string& path, ZookeeperListener& listener) { listeners_.emplace(path, &listener); }
  void end_listening(const std::string& path, ZookeeperListener& listener);
  /// When nobody listens any more: the server is told, and the connection ends.
  void close();

 private:
  struct Pending;
  struct Link;
  boost::asio::awaitable<std::shared_ptr<Link>> connected(StopSignal& stop);
  boost::asio::awaitable<std::shared_ptr<Link>> connect();
  boost::asio::awaitable<bool> shake_hands(Link& link);
  void forget_session_if_refused();
  boost::asio::awaitable<void> authenticate(Link& link);
  boost::asio::awaitable<std::vector<uint8_t>> read_frame(Link& link);
  boost::asio::awaitable<void> receive(std::shared_ptr<Link> link);
  boost::asio::awaitable<void> ping(std::shared_ptr<Link> link);
  boost::asio::awaitable<void> write_out(std::shared_ptr<Link> link);
  void send(const std::shared_ptr<Link>& link, std::string frame);
  void take_frame(Link& link, const std::vector<uint8_t>& frame);
  void dispatch(const ZookeeperEvent& event);
  void end(Link& link, const std::string& reason);
  void spawn(boost::asio::awaitable<void> task);

  boost::asio::io_context& io_;
  const SourceModel model_;
  Servers servers_;
  Turns connecting_;  ///< one at a time
  Backoff backoff_;
  std::chrono::steady_clock::time_point next_attempt_{};
  ZookeeperSessionId session_;
  int64_t last_zxid_ = 0;
  size_t refusals_ = 0;       ///< handshakes in a row that servers have ended
  std::weak_ptr<Link> link_;  ///< held by its coroutines: its socket must not outlive the io_context
  std::unordered_multimap<std::string, ZookeeperListener*> listeners_;
};

}  // namespace sluice::ctrl

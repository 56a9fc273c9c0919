#include "ctrl/source/zookeeper_session.h"

#include <algorithm>
#include <array>
#include <deque>
#include <exception>

#include "ctrl/log/log_line.h"
#include "ctrl/net/spawn.h"
#include "ctrl/source/secret_file.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kHandshakePatience = 5s;
constexpr UrlDefaults kZookeeperPorts{.port = 2181, .tls_port = 2281};

}  // namespace

/// A request that is under way; it lies in the coroutine that waits for it.
struct ZookeeperSession::Pending {
  explicit Pending(asio::io_context& io) : timer(io, Clock::time_point::max()) {}
  asio::steady_timer timer;
  bool is_done = false;
  Answer answer;
  std::string fault;
};

/// One connection.
struct ZookeeperSession::Link {
  StopSignal stop;
  std::unique_ptr<ClientStream> stream;
  milliseconds timeout{0};
  int32_t last_xid = 0;
  std::map<int32_t, Pending*> pending;
  std::deque<std::string> out;
  bool is_writing = false;
  bool is_ended = false;
};

ZookeeperSession::ZookeeperSession(asio::io_context& io, const SourceModel& model)
    : io_(io), model_(model), servers_(io, model, kZookeeperPorts, {}), connecting_(io, 1) {}

void ZookeeperSession::spawn(awaitable<void> task) {
  ctrl::spawn(io_.get_executor(), std::move(task), [self = shared_from_this()](std::exception_ptr failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log_error({"a task of a source has failed: ", error.what()});
    }
  });
}

void ZookeeperSession::end_listening(const std::string& path, ZookeeperListener& listener) {
  const auto [first, last] = listeners_.equal_range(path);
  for (auto at = first; at != last; ++at) {
    if (at->second != &listener) continue;
    listeners_.erase(at);
    break;
  }
  if (listeners_.empty()) close();
}

void ZookeeperSession::close() {
  const auto link = link_.lock();
  if (link == nullptr) return;
  send(link, zookeeper_close());  // the server answers by ending the connection
  session_ = {};
}

awaitable<std::shared_ptr<ZookeeperSession::Link>> ZookeeperSession::connected(StopSignal& stop) {
  if (auto link = link_.lock()) co_return link;
  const Turns::Turn turn = co_await connecting_.take(stop);
  if (auto link = link_.lock()) co_return link;  // somebody has connected meanwhile
  const auto wait = std::chrono::ceil<milliseconds>(next_attempt_ - Clock::now());
  if (wait > 0ms) co_await wait_for(io_, stop, wait);
  if (stop.is_stopped()) throw PeerFault("stopped");
  std::string reason;
  try {
    auto link = co_await connect();
    backoff_.reset();
    link_ = link;
    spawn(receive(link));
    spawn(ping(link));
    co_return link;
  } catch (const std::exception& error) {
    reason = error.what();
  }
  next_attempt_ = Clock::now() + backoff_.next();
  throw PeerFault(reason);
}

awaitable<std::shared_ptr<ZookeeperSession::Link>> ZookeeperSession::connect() {
  constexpr int kMostAttempts = 2;  // the second for a new session, where the old one has expired
  for (int attempt = 1; attempt <= kMostAttempts; ++attempt) {
    auto link = std::make_shared<Link>();
    Servers::Connected connected = co_await servers_.connect(link->stop);
    link->stream = std::move(connected.stream);
    std::string reason;
    try {
      const bool is_ours = co_await shake_hands(*link);
      refusals_ = 0;
      if (!is_ours) continue;
      co_await authenticate(*link);
      co_return link;
    } catch (const std::exception& error) {
      reason = error.what();
    }
    servers_.turn_away();
    forget_session_if_refused();
    throw PeerFault(connected.url.authority() + ": " + reason);
  }
  throw PeerFault("the session has expired");
}

/// A server closes a connection whose client has seen a later transaction than itself. That is right for one
/// that lags; but where every server does so, the data are others than they were, and would never be read.
void ZookeeperSession::forget_session_if_refused() {
  if (++refusals_ < servers_.size()) return;
  refusals_ = 0;
  last_zxid_ = 0;
  session_ = {};
}

/// False: the session has expired, and the next one is a new one.
awaitable<bool> ZookeeperSession::shake_hands(Link& link) {
  link.stream->expires_after(kHandshakePatience);
  const auto wanted = static_cast<int32_t>(std::clamp<int64_t>(model_.session_timeout.count(), 1, 3'600'000));
  const std::string request = zookeeper_connect_request(session_, wanted, last_zxid_);
  co_await link.stream->write(bytes_of(request));
  const auto frame = co_await read_frame(link);
  const auto connected = read_zookeeper_connected(frame);
  if (!connected) throw PeerFault("it does not answer as ZooKeeper does");
  if (connected->timeout_ms == 0 || connected->session.id == 0) {
    session_ = {};
    co_return false;
  }
  session_ = connected->session;
  link.timeout = milliseconds(connected->timeout_ms);
  co_return true;
}

awaitable<void> ZookeeperSession::authenticate(Link& link) {
  if (model_.username.empty()) co_return;
  const crypto::SecretText password = read_secret(model_.password_file);
  std::string credentials;
  credentials.reserve(model_.username.size() + 1 + password.reveal().size());
  credentials += model_.username;
  credentials += ':';
  credentials += password.reveal();
  const crypto::SecretText whole(std::move(credentials));
  const crypto::SecretText request(zookeeper_digest_authentication(whole.reveal()));
  co_await link.stream->write(bytes_of(request.reveal()));
  const auto frame = co_await read_frame(link);
  const auto reply = read_zookeeper_reply(frame);
  if (!reply || reply->xid != kZookeeperAuthentication)
    throw PeerFault("it does not answer as ZooKeeper does");
  if (reply->error != ZookeeperError::kNone) throw PeerFault(text_of(reply->error));
}

awaitable<std::vector<uint8_t>> ZookeeperSession::read_frame(Link& link) {
  std::array<uint8_t, 4> head;
  co_await link.stream->read_all(head);
  const auto length = read_zookeeper_length(head);
  if (!length) throw PeerFault("a frame that is too long");
  // As it comes: a length alone makes no room.
  constexpr size_t kPiece = 65536;
  std::vector<uint8_t> frame;
  while (frame.size() < *length) {
    const size_t have = frame.size();
    frame.resize(std::min(*length, have + kPiece));
    co_await link.stream->read_all(std::span(frame).subspan(have));
  }
  co_return frame;
}

awaitable<void> ZookeeperSession::receive(std::shared_ptr<Link> link) {
  std::string reason;
  try {
    for (;;) {
      // Every third of the timeout a ping is answered.
      link->stream->expires_after(std::max<milliseconds>(link->timeout * 2 / 3, 1ms));
      const auto frame = co_await read_frame(*link);
      take_frame(*link, frame);
    }
  } catch (const std::exception& error) {
    reason = error.what();
  }
  end(*link, reason);
}

void ZookeeperSession::take_frame(Link& link, const std::vector<uint8_t>& frame) {
  const auto reply = read_zookeeper_reply(frame);
  if (!reply) throw PeerFault("a frame cannot be read");
  if (reply->zxid > 0) last_zxid_ = reply->zxid;
  if (reply->xid == kZookeeperEvent) {
    const auto event = read_zookeeper_event(reply->body);
    if (!event) throw PeerFault("an event cannot be read");
    return dispatch(*event);
  }
  if (reply->xid == kZookeeperPing) {
    for (const auto& [path, listener] : listeners_) listener->take_pong();
    return;
  }
  const auto found = link.pending.find(reply->xid);
  if (found == link.pending.end()) return;  // of a request that is no longer waited for
  Pending& pending = *found->second;
  link.pending.erase(found);
  pending.answer = {reply->error, reply->zxid, {reply->body.begin(), reply->body.end()}};
  pending.is_done = true;
  pending.timer.cancel();
}

void ZookeeperSession::dispatch(const ZookeeperEvent& event) {
  const auto tell = [&](const std::string& path) {
    const auto range = listeners_.equal_range(path);
    for (auto at = range.first; at != range.second; ++at) at->second->take_event(event);
  };
  tell(event.path);
  const size_t slash = event.path.rfind('/');
  if (slash != std::string::npos) tell(slash == 0 ? "/" : event.path.substr(0, slash));
}

void ZookeeperSession::end(Link& link, const std::string& reason) {
  if (link.is_ended) return;
  link.is_ended = true;
  if (link_.lock().get() == &link) link_.reset();
  link.stop.stop();
  for (const auto& [xid, pending] : std::exchange(link.pending, {})) {
    pending->fault = reason;
    pending->is_done = true;
    pending->timer.cancel();
  }
  for (const auto& [path, listener] : listeners_) listener->take_loss(reason);
}

awaitable<void> ZookeeperSession::ping(std::shared_ptr<Link> link) {
  while (!link->is_ended) {
    co_await wait_for(io_, link->stop, std::max<milliseconds>(link->timeout / 3, 1ms));
    if (!link->is_ended) send(link, zookeeper_ping());
  }
}

void ZookeeperSession::send(const std::shared_ptr<Link>& link, std::string frame) {
  link->out.push_back(std::move(frame));
  if (!link->is_writing) {
    link->is_writing = true;
    spawn(write_out(link));
  }
}

awaitable<void> ZookeeperSession::write_out(std::shared_ptr<Link> link) {
  std::string reason;
  try {
    while (!link->out.empty() && !link->is_ended) {
      const std::string frame = std::move(link->out.front());
      link->out.pop_front();
      co_await link->stream->write(bytes_of(frame));
    }
  } catch (const std::exception& error) {
    reason = error.what();
  }
  link->is_writing = false;
  if (!reason.empty()) end(*link, reason);
}

awaitable<ZookeeperSession::Answer> ZookeeperSession::read(ZookeeperOperation operation, std::string path,
                                                           bool watch, StopSignal& stop) {
  const std::shared_ptr<Link> link = co_await connected(stop);
  if (link->is_ended) throw PeerFault("the connection was closed");
  Pending pending(io_);
  link->last_xid = link->last_xid == INT32_MAX ? 1 : link->last_xid + 1;
  const int32_t xid = link->last_xid;
  // Whichever way this ends, nobody is left to write into what lies here.
  struct Entry {
    Link& link;
    int32_t xid;
    ~Entry() { link.pending.erase(xid); }
  };
  link->pending[xid] = &pending;
  const Entry entry{*link, xid};
  send(link, zookeeper_read_request(xid, operation, path, watch));
  const StopSignal::Registration ends(stop, [&pending] { pending.timer.cancel(); });
  boost::system::error_code ignored;
  if (!pending.is_done && !stop.is_stopped()) {
    co_await pending.timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (!pending.is_done) throw PeerFault("stopped");
  if (!pending.fault.empty()) throw PeerFault(pending.fault);
  co_return std::move(pending.answer);
}

}  // namespace sluice::ctrl

#include "ctrl/rpc/control_server.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <set>

#include "crypto/secret.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"

namespace sluice::ctrl {

namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;

/// What connections share; the last of them may outlive the server by the rest of the event loop.
struct ControlServer::Shared {
  ControlLimits limits;
  JsonRpc& rpc;
  std::set<Connection*> connections = {};
  size_t input_bytes = 0;
  size_t output_bytes = 0;
};

/// Lives as long as its coroutine run() does, which holds it. Each co_await is a statement of its own: GCC
/// 12 miscompiles some that stand in conditions.
class ControlServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Shared> shared, Protocol::socket socket, Peer peer)
      : shared_(std::move(shared)),
        socket_(std::move(socket)),
        deadline_(socket_.get_executor()),
        write_deadline_(socket_.get_executor()),
        written_(socket_.get_executor()),
        peer_(std::move(peer)) {
    shared_->connections.insert(this);
  }
  ~Connection() {
    shared_->connections.erase(this);
    account(0);
    shared_->output_bytes -= outgoing_bytes_;
  }

  /// Until it ends; keeps it until then.
  static awaitable<void> run(std::shared_ptr<Connection> self) {
    bool goes_on = true;
    while (goes_on) {
      goes_on = co_await self->answer_what_is_there();
      if (goes_on) goes_on = co_await self->read();
    }
  }

  void close() {
    error_code ignored;
    socket_.close(ignored);
    deadline_.cancel();
    write_deadline_.cancel();
    written_.cancel();
  }

  bool is_there() const { return socket_.is_open() && !is_broken_; }

  /// Sends what nobody asked for, after what waits already. A short line has room where others have not, so
  /// that the last of many gets through. Who does not keep up with events is gone: a stream with holes would
  /// be taken for all that happens.
  Notified notify(std::string_view method, std::string_view params) {
    if (!is_there()) return Notified::kGone;
    if (method.empty()) return Notified::kTaken;
    std::string line = notification(method, params);
    const bool must_keep_up = method == kEventNotification;
    constexpr size_t kShort = 1024;
    const size_t most = shared_->limits.unasked_bytes * (line.size() <= kShort ? 2 : 1);
    const bool leaves_room_for_answers =
        shared_->output_bytes + line.size() <= shared_->limits.output_bytes / 2;
    if (outgoing_bytes_ + line.size() > most || !leaves_room_for_answers) {
      if (must_keep_up) drop("does not keep up with the events");
      return Notified::kFull;
    }
    enqueue({std::move(line), must_keep_up ? shared_->limits.write_stall : shared_->limits.unasked_stall});
    if (is_writing_) return Notified::kTaken;
    spawn(socket_.get_executor(), write_on(shared_from_this()));
    return Notified::kTaken;
  }

 private:
  awaitable<std::string> answer(JsonFramer::Event event) {
    if (const auto* fault = std::get_if<FrameFault>(&event)) co_return frame_fault_answer(*fault);
    // Nothing is notified before the call that it comes from is answered.
    const auto is_answered = std::make_shared<bool>(false);
    const Notify notify = [weak = weak_from_this(), kept = listening_, is_answered](std::string_view method,
                                                                                    std::string_view params) {
      const auto self = weak.lock();
      if (!self) return Notified::kGone;
      return *is_answered || method.empty() ? self->notify(method, params) : Notified::kFull;
    };
    std::string line = co_await shared_->rpc.answer(std::get<std::string_view>(event), peer_, notify);
    *is_answered = true;
    co_return line;
  }

  /// False: the connection ends.
  awaitable<bool> answer_what_is_there() {
    while (auto event = framer_.next()) {
      std::string line = co_await answer(*event);
      const bool written = co_await write(std::move(line));
      if (!written) co_return false;
      value_began_ = Clock::now();
    }
    framer_.erase_taken();
    co_return framer_.skipped_bytes() <= shared_->limits.skipped_bytes;
  }

  /// False: the connection ends.
  awaitable<bool> read() {
    arm(read_patience());
    error_code error;
    const size_t bytes = co_await socket_.async_read_some(asio::buffer(chunk_),
                                                          asio::redirect_error(asio::use_awaitable, error));
    disarm(deadline_);
    if (error) co_return co_await recover(error);
    // What is unfinished keeps the time at which it began: trickling bytes do not buy more.
    if (!framer_.in_value() && !framer_.skipping()) value_began_ = Clock::now();
    framer_.append({chunk_.data(), bytes});
    crypto::erase({reinterpret_cast<uint8_t*>(chunk_.data()), bytes});
    account(framer_.buffered_bytes());
    if (shared_->input_bytes <= shared_->limits.input_bytes) co_return true;
    co_await write(refusal_answer(too_much()));
    co_return false;
  }

  /// After a failed read. True: the connection goes on.
  awaitable<bool> recover(error_code error) {
    if (timed_out_ && framer_.at_line_end()) {
      co_return co_await write(frame_fault_answer(framer_.give_up()));
    }
    if (timed_out_ && framer_.in_value()) co_await write(refusal_answer(too_slow()));
    if (error == asio::error::eof && framer_.in_value()) {
      co_await write(frame_fault_answer(framer_.give_up()));
    }
    co_return false;
  }

  /// False: the peer is gone, or does not read.
  awaitable<bool> write(std::string line) {
    if (line.empty()) co_return true;
    enqueue({std::move(line), shared_->limits.write_stall});
    if (shared_->output_bytes > shared_->limits.output_bytes) co_return false;
    while (is_writing_) {  // notifications are: they take this line along
      written_.expires_at(asio::steady_timer::time_point::max());
      co_await expiry(written_);
    }
    co_await write_all();
    co_return !is_broken_;
  }

  struct Line {
    std::string text;
    std::chrono::milliseconds patience;  ///< for the peer to take some of it
  };

  void enqueue(Line line) {
    outgoing_bytes_ += line.text.size();
    shared_->output_bytes += line.text.size();
    outgoing_.push_back(std::move(line));
  }

  static awaitable<void> write_on(std::shared_ptr<Connection> self) { co_await self->write_all(); }

  /// Writes what waits, unless somebody does already.
  awaitable<void> write_all() {
    if (is_writing_) co_return;
    is_writing_ = true;
    while (!outgoing_.empty() && !is_broken_) {
      const Line line = std::move(outgoing_.front());
      outgoing_.pop_front();
      co_await write_line(line);
      outgoing_bytes_ -= line.text.size();
      shared_->output_bytes -= line.text.size();
    }
    is_writing_ = false;
    written_.cancel();
  }

  awaitable<void> write_line(const Line& line) {
    for (size_t sent = 0; sent < line.text.size() && !is_broken_;) {
      arm_write(line.patience);
      error_code error;
      sent += co_await socket_.async_write_some(asio::buffer(line.text) + sent,
                                                asio::redirect_error(asio::use_awaitable, error));
      disarm(write_deadline_);
      // A read whose time is over is cancelled together with the write under way, which goes on.
      is_broken_ = error && (error != asio::error::operation_aborted || !socket_.is_open());
    }
  }

  /// Ends a deadline whose step is done. cancel() would not do: where the loop was late, the handler of a
  /// deadline that has passed is queued already, and asks is_over() then.
  static void disarm(asio::steady_timer& deadline) {
    deadline.expires_at(asio::steady_timer::time_point::max());
  }
  static bool is_over(const asio::steady_timer& deadline) { return deadline.expiry() <= Clock::now(); }

  /// A peer that takes nothing is dropped, whatever it says meanwhile.
  void arm_write(std::chrono::milliseconds patience) {
    write_deadline_.expires_after(patience);
    write_deadline_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self || !is_over(self->write_deadline_)) return;
      self->drop("does not read");
    });
  }

  void drop(std::string_view why) {
    log_warning({"control socket: ", peer_.subject, " (pid ", peer_.pid, ") ", why, "; dropped"});
    close();
  }

  std::chrono::milliseconds read_patience() const {
    const ControlLimits& limits = shared_->limits;
    if (!framer_.in_value() && !framer_.skipping()) return limits.idle;
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - value_began_);
    const auto left = std::max(limits.request - spent, std::chrono::milliseconds(0));
    return framer_.at_line_end() ? std::min(left, limits.line_end) : left;
  }

  void arm(std::chrono::milliseconds patience) {
    timed_out_ = false;
    deadline_.expires_after(patience);
    deadline_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self || !is_over(self->deadline_)) return;
      if (self->only_listens()) return self->arm(self->shared_->limits.idle);
      self->timed_out_ = true;
      error_code ignored;
      self->socket_.cancel(ignored);
    });
  }

  /// Whether the peer has nothing to say, but somebody may have for the peer.
  bool only_listens() const {
    return listening_.use_count() > 1 && !framer_.in_value() && !framer_.skipping();
  }

  void account(size_t buffered) {
    shared_->input_bytes += buffered - accounted_;
    accounted_ = buffered;
  }

  static Refusal too_slow() {
    return {Refusal::Kind::kUnavailable, "the request took too long to arrive", "", {}};
  }
  static Refusal too_much() {
    return {Refusal::Kind::kUnavailable, "too much is being sent at once", "try again later", {}};
  }

  using Clock = std::chrono::steady_clock;

  std::shared_ptr<Shared> shared_;
  Protocol::socket socket_;
  asio::steady_timer deadline_;        ///< of reading
  asio::steady_timer write_deadline_;  ///< of the write that is under way
  asio::steady_timer written_;         ///< cancelled when nothing waits any more
  Peer peer_;
  JsonFramer framer_;
  std::array<char, 16384> chunk_;
  Clock::time_point value_began_ = Clock::now();
  bool timed_out_ = false;
  size_t accounted_ = 0;
  std::deque<Line> outgoing_;  ///< that wait
  size_t outgoing_bytes_ = 0;  ///< of those, and of the line that is being written
  const std::shared_ptr<char> listening_ = std::make_shared<char>();  ///< shared by all who may notify
  bool is_writing_ = false;
  bool is_broken_ = false;
};

ControlServer::ControlServer(asio::io_context& io, ControlSocket socket, JsonRpc& rpc, ControlLimits limits)
    : socket_(std::move(socket)),
      shared_(std::make_shared<Shared>(Shared{limits, rpc})),
      acceptor_(io, Protocol(), socket_.release_descriptor()) {
  spawn(io.get_executor(), accept());
}

ControlServer::~ControlServer() {
  stop();
}

awaitable<void> ControlServer::accept() {
  asio::steady_timer timer(acceptor_.get_executor());
  while (acceptor_.is_open()) {
    error_code error;
    auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (!error) {
      admit(std::move(socket));
      continue;
    }
    // Out of descriptors, mostly: give others time to end.
    log_warning({"control socket: cannot accept: ", error.message()});
    co_await pause(timer, std::chrono::milliseconds(100));
  }
}

void ControlServer::admit(Protocol::socket socket) {
  auto peer = identify_peer(socket.native_handle(), socket_.group());
  if (!peer) return;
  const ControlLimits& limits = shared_->limits;
  const size_t reserved = peer->role == Role::kAdmin ? 0 : limits.reserved_for_admin;
  if (shared_->connections.size() + reserved >= limits.connections) {
    const std::string line = refusal_answer(
        {Refusal::Kind::kUnavailable, "too many connections to the control socket", "try again later", {}});
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(line), ignored);  // a fresh socket has room for it
    return;
  }
  const auto executor = socket.get_executor();
  auto connection = std::make_shared<Connection>(shared_, std::move(socket), std::move(*peer));
  spawn(executor, Connection::run(std::move(connection)));
}

size_t ControlServer::connections() const {
  return shared_->connections.size();
}

void ControlServer::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  for (Connection* connection : shared_->connections) connection->close();
}

}  // namespace sluice::ctrl

#include "ctrl/telemetry/nats_publisher.h"

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "crypto/secret.h"
#include "ctrl/intent/model.h"
#include "ctrl/log/log_line.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/net/task_group.h"
#include "ctrl/source/secret_file.h"
#include "ctrl/source/servers.h"
#include "ctrl/wire/nats_message.h"
#include "ctrl/wire/nkey.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr uint16_t kPort = 4222;
constexpr std::chrono::milliseconds kFirstPause = 200ms, kLongestPause = 10s;
constexpr std::chrono::milliseconds kHandshake = 5s;
constexpr std::chrono::milliseconds kBetweenPings = 10s;
constexpr std::chrono::milliseconds kPatience = 25s;  ///< for an answer to a ping, or to take what is written
constexpr size_t kMostAtOnce = size_t{256} << 10;     ///< bytes of one write

SourceModel servers_of(const NatsModel& model) {
  SourceModel servers;
  servers.name = "events.nats";
  for (std::string_view server : model.servers) {
    server.remove_prefix(server.find("://") == std::string_view::npos ? 0 : server.find("://") + 3);
    servers.endpoints.emplace_back(server);
  }
  return servers;
}

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
}

}  // namespace

std::string nats_subject(const std::string& pattern, const std::string& gateway, EventKind kind) {
  std::string subject = pattern;
  replace_all(subject, "{kind}", nats::token(word_for(kind)));
  replace_all(subject, "{gateway}", nats::token(gateway));
  return subject;
}

/// Held by its coroutines, which end soon after `stop`.
struct NatsPublisher::State : std::enable_shared_from_this<State> {
  State(asio::io_context& io, EventHub& hub, const NatsModel& model, std::string gateway)
      : io(io),
        hub(hub),
        model(model),
        gateway(std::move(gateway)),
        servers(io, servers_of(model), {.port = kPort, .tls_port = kPort, .is_tls = false}, ""),
        news(io) {}

  struct Waiting {
    EventKind kind;
    std::string text;
  };
  /// From connecting to the end; held by all who work on it.
  struct Connection {
    StopSignal stop;
    std::unique_ptr<ClientStream> stream;
    nats::Reader reader;
    nats::ServerInfo info;
    std::string urgent;  ///< to be written before events
  };
  using Shared = std::shared_ptr<Connection>;

  asio::io_context& io;
  EventHub& hub;
  const NatsModel model;
  const std::string gateway;
  Servers servers;
  TlsContexts contexts;
  StopSignal stop;
  asio::steady_timer news;  ///< cancelled when there is something to write
  std::deque<Waiting> waiting;
  bool is_connected = false;
  bool has_complained = false;

  Notified take(const Event* event) {
    if (event == nullptr) return Notified::kTaken;
    if (waiting.size() == kMostWaiting) {
      waiting.pop_front();
      hub.count_dropped(EventSink::kNats);
    }
    waiting.push_back({event->kind, event->text});
    news.cancel();
    return Notified::kTaken;
  }

  static awaitable<void> run(std::shared_ptr<State> self);
  awaitable<void> serve();
  awaitable<nats::Message> read(Connection& connection);
  awaitable<void> greet(Connection& connection, const ServerUrl& server);
  awaitable<void> secure(Connection& connection, const ServerUrl& server);
  crypto::SecretText hello(const nats::ServerInfo& info) const;
  void act_on(const nats::Message& message, Connection& connection);
  static awaitable<void> listen(std::shared_ptr<State> self, Shared connection);
  static awaitable<void> speak(std::shared_ptr<State> self, Shared connection);
  awaitable<void> write_some(Connection& connection);
  struct Piece {
    std::string text;
    size_t events = 0;
  };
  Piece next_piece(Connection& connection);
};

namespace {

/// Runs a task; whatever ends it ends the other ones of the connection.
awaitable<void> ending(awaitable<void> task, std::shared_ptr<StopSignal> stop) {
  std::exception_ptr failure;
  try {
    co_await std::move(task);
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  stop->stop();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

awaitable<void> NatsPublisher::State::run(std::shared_ptr<State> self) {
  std::chrono::milliseconds time = kFirstPause;
  while (!self->stop.is_stopped()) {
    std::string why;
    try {
      co_await self->serve();
    } catch (const std::exception& error) {
      why = error.what();
    }
    if (self->stop.is_stopped()) co_return;
    if (std::exchange(self->is_connected, false)) {
      time = kFirstPause;
      self->has_complained = false;
    }
    if (!std::exchange(self->has_complained, true)) {
      log_warning({"events.nats: no server takes events: ", why, "; trying again until one does"});
    }
    co_await wait_for(self->io, self->stop, time);
    time = std::min(2 * time, kLongestPause);
  }
}

/// One connection; ends by what it throws.
awaitable<void> NatsPublisher::State::serve() {
  const auto connection = std::make_shared<Connection>();
  const std::shared_ptr<StopSignal> ends(connection, &connection->stop);
  const StopSignal::Registration stopped(stop, [ends] { ends->stop(); });
  Servers::Connected connected = co_await servers.connect(connection->stop);
  connection->stream = std::move(connected.stream);
  bool is_welcome = false;
  std::string why;
  try {
    co_await greet(*connection, connected.url);
    is_welcome = true;
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!is_welcome) {
    servers.turn_away();
    throw PeerFault(connected.url.authority() + ": " + why);
  }
  is_connected = true;
  log_info({"events.nats: events go to ", connected.url.authority()});
  TaskGroup tasks(io);
  tasks.spawn(ending(listen(shared_from_this(), connection), ends));
  tasks.spawn(ending(speak(shared_from_this(), connection), ends));
  co_await tasks.wait();
}

awaitable<nats::Message> NatsPublisher::State::read(Connection& connection) {
  std::array<uint8_t, 4096> bytes;
  for (;;) {
    auto message = connection.reader.next();
    if (!message) throw PeerFault(message.error().message);
    if (*message) co_return std::move(**message);
    const size_t got = co_await connection.stream->read_some(bytes);
    if (got == 0) throw PeerFault("it has ended the connection");
    connection.reader.put(text_of(std::span(bytes).first(got)));
    if (is_connected) connection.stream->expires_after(kPatience);
  }
}

/// As a server has it that says INFO first: then all goes over TLS. What it has said besides is somebody
/// else's, who would have it count as said under TLS.
awaitable<void> NatsPublisher::State::secure(Connection& connection, const ServerUrl& server) {
  if (!connection.info.has_tls) throw PeerFault("it has no TLS");
  if (connection.reader.has_unread()) throw PeerFault("it goes on without TLS");
  const std::shared_ptr<SSL_CTX> context =
      contexts.with({model.tls.ca, model.tls.certificate, model.tls.key});
  const TlsPeer peer{model.tls.server_name.empty() ? server.host : model.tls.server_name, {}, false};
  co_await connection.stream->secure(*context, peer, "");
}

/// Files are read for each connection: what they hold rotates.
crypto::SecretText NatsPublisher::State::hello(const nats::ServerInfo& info) const {
  const std::string name = "sluice " + gateway;
  nats::Hello client{
      .name = name, .is_secure = model.needs_tls(), .user = model.user, .password = {}, .token = {}};
  std::optional<crypto::SecretText> secret;
  if (!model.password_file.empty())
    client.password = secret.emplace(read_secret(model.password_file)).reveal();
  if (!model.token_file.empty()) client.token = secret.emplace(read_secret(model.token_file)).reveal();
  std::string key, signature;
  if (!model.nkey_file.empty()) {
    if (info.nonce.empty()) throw PeerFault("it asks nobody to sign: it knows no keys");
    const auto own = nats::read_user_seed(read_secret(model.nkey_file).reveal());
    if (!own) throw PeerFault(model.nkey_file + ": " + own.error().message);
    const auto signed_nonce = own->sign(bytes_of(info.nonce));
    if (!signed_nonce) throw HostFault(signed_nonce.error().message);
    client.nkey = key = nats::user_text(own->public_bytes());
    client.signature = signature = nats::signature_text(*signed_nonce);
  }
  return crypto::SecretText(nats::hello(client));
}

awaitable<void> NatsPublisher::State::greet(Connection& connection, const ServerUrl& server) {
  connection.stream->expires_after(kHandshake);
  nats::Message first = co_await read(connection);
  if (first.kind != nats::Message::Kind::kInfo) throw PeerFault("it does not begin with INFO");
  act_on(first, connection);
  if (model.needs_tls()) {
    co_await secure(connection, server);
  } else if (connection.info.needs_tls) {
    throw PeerFault("it asks for TLS: give \"tls\", or tls:// before its name");
  }
  const crypto::SecretText words = hello(connection.info);
  co_await connection.stream->write(bytes_of(words.reveal()));
  for (bool is_welcome = false; !is_welcome;) {
    const nats::Message message = co_await read(connection);
    act_on(message, connection);
    is_welcome = message.kind == nats::Message::Kind::kPong;
  }
  connection.stream->expires_after(kPatience);
}

void NatsPublisher::State::act_on(const nats::Message& message, Connection& connection) {
  switch (message.kind) {
    case nats::Message::Kind::kInfo: {
      const auto info = nats::parse_info(message.text);
      if (!info) throw PeerFault(info.error().message);
      connection.info = *info;
      if (info->is_leaving) throw PeerFault("it is about to stop");
      return;
    }
    case nats::Message::Kind::kPing:
      connection.urgent += nats::kPong;
      news.cancel();
      return;
    case nats::Message::Kind::kError:
      throw PeerFault("it refuses: " + message.text.substr(0, 200));
    case nats::Message::Kind::kPong:
    case nats::Message::Kind::kOk:
      return;
  }
}

awaitable<void> NatsPublisher::State::listen(std::shared_ptr<State> self, Shared connection) {
  for (;;) {
    const nats::Message message = co_await self->read(*connection);
    self->act_on(message, *connection);
  }
}

/// Writes what there is, and a ping now and then, whose answer keeps the connection from being given up.
awaitable<void> NatsPublisher::State::speak(std::shared_ptr<State> self, Shared connection) {
  using Clock = std::chrono::steady_clock;
  auto next_ping = Clock::now() + kBetweenPings;
  while (!connection->stop.is_stopped()) {
    if (Clock::now() >= next_ping) {
      connection->urgent += nats::kPing;
      next_ping = Clock::now() + kBetweenPings;
    }
    if (connection->urgent.empty() && self->waiting.empty()) {
      self->news.expires_at(next_ping);
      const StopSignal::Registration ends(connection->stop, [self] { self->news.cancel(); });
      co_await expiry(self->news);
    } else {
      co_await self->write_some(*connection);
    }
  }
}

awaitable<void> NatsPublisher::State::write_some(Connection& connection) {
  const Piece piece = next_piece(connection);
  bool is_written = false;
  std::exception_ptr failure;
  try {
    co_await connection.stream->write(bytes_of(piece.text));
    is_written = true;
  } catch (const std::exception&) {
    failure = std::current_exception();
  }
  if (is_written) co_return;
  hub.count_dropped(EventSink::kNats, piece.events);
  std::rethrow_exception(failure);
}

NatsPublisher::State::Piece NatsPublisher::State::next_piece(Connection& connection) {
  Piece piece{std::exchange(connection.urgent, {})};
  while (!waiting.empty() && piece.text.size() < kMostAtOnce) {
    const Waiting event = std::move(waiting.front());
    waiting.pop_front();
    if (event.text.size() > connection.info.most_payload) {
      hub.count_dropped(EventSink::kNats);
      continue;
    }
    piece.text += nats::publication(nats_subject(model.subject, gateway, event.kind), event.text);
    ++piece.events;
  }
  return piece;
}

NatsPublisher::NatsPublisher(asio::io_context& io, EventHub& hub, const NatsModel& model,
                             const std::string& gateway)
    : state_(std::make_shared<State>(io, hub, model, gateway)), hub_(hub), model_(model) {
  const auto number =
      hub.listen(EventSink::kNats, kAllEvents, [weak = std::weak_ptr(state_)](const Event* event) {
        const auto state = weak.lock();
        return state ? state->take(event) : Notified::kGone;
      });
  if (number) {
    number_ = *number;
  } else {
    log_error({"events.nats: too many follow the events already"});
  }
  spawn(io.get_executor(), State::run(state_));
}

void NatsPublisher::follow(std::unique_ptr<NatsPublisher>& publisher, asio::io_context& io, EventHub& hub,
                           const Model& model) {
  const auto& wanted = model.events.nats;
  if (publisher ? publisher->model_ == wanted : !wanted) return;
  publisher.reset();
  if (wanted) publisher = std::make_unique<NatsPublisher>(io, hub, *wanted, model.gateway_name);
}

NatsPublisher::~NatsPublisher() {
  hub_.end(number_);
  state_->stop.stop();
}

}  // namespace sluice::ctrl

#include "ctrl/registry/registry_server.h"

#include <pthread.h>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <list>
#include <thread>

#include "ctrl/log/log_line.h"
#include "ctrl/net/acceptor.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/registry/registry_session.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Tcp = asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kTick = 100ms;

using Converse = awaitable<void> (*)(std::shared_ptr<RegistryParts>, std::shared_ptr<RegistryAccess>,
                                     Tcp::socket, std::shared_ptr<StopSignal>);

/// One of the two addresses, and who has connected to it.
struct Door {
  Tcp::acceptor acceptor;
  std::shared_ptr<RegistryAccess> access;
  Converse converse;
  std::list<std::shared_ptr<StopSignal>> open = {};  ///< in order of connecting
};

}  // namespace

struct RegistryServer::Running {
  asio::io_context io{1};
  std::shared_ptr<RegistryParts> parts;
  std::list<Door> doors;
  asio::steady_timer timer{io};
  bool is_stopping = false;
  std::thread thread;

  Result<void> open(const std::string& listen, const RegistryModel& model, std::string key,
                    std::string protocol, Converse converse);
  awaitable<void> accept(Door& door);
  void admit(Door& door, Tcp::socket socket);
  awaitable<void> tick();
  void run();
  void stop();
};

Result<void> RegistryServer::Running::open(const std::string& listen, const RegistryModel& model,
                                           std::string key, std::string protocol, Converse converse) {
  if (listen.empty()) return {};
  auto access = RegistryAccess::open(model, std::move(protocol));
  if (!access) return tl::unexpected(access.error());
  auto acceptor = open_acceptor(io, listen, key);
  if (!acceptor) return tl::unexpected(acceptor.error());
  doors.push_back({std::move(*acceptor), std::make_shared<RegistryAccess>(std::move(*access)), converse});
  spawn(io.get_executor(), accept(doors.back()));
  return {};
}

awaitable<void> RegistryServer::Running::accept(Door& door) {
  asio::steady_timer retry(io);
  while (!is_stopping) {
    error_code error;
    auto socket = co_await door.acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (is_stopping) co_return;
    if (!error) {
      admit(door, std::move(socket));
      continue;
    }
    co_await pause(retry, 100ms);  // out of descriptors, mostly: give others time to end
  }
}

void RegistryServer::Running::admit(Door& door, Tcp::socket socket) {
  if (door.open.size() >= kMostConnections) {
    const auto oldest = door.open.front();
    oldest->stop();
  }
  const auto stop = std::make_shared<StopSignal>();
  const auto place = door.open.insert(door.open.end(), stop);
  spawn(io.get_executor(), door.converse(parts, door.access, std::move(socket), stop),
        [&door, place, stop](std::exception_ptr failure) {
          door.open.erase(place);
          if (!failure) return;
          try {
            std::rethrow_exception(failure);
          } catch (const std::exception& error) {  // strangers' doing, mostly
            log_line(LogLevel::kDebug, {"a connection to the registry has failed: ", error.what()});
          }
        });
}

awaitable<void> RegistryServer::Running::tick() {
  while (!is_stopping) {
    parts->registry->tick();
    co_await pause(timer, kTick);
  }
  parts->registry->tick();
}

void RegistryServer::Running::run() {
  ::pthread_setname_np(::pthread_self(), "registry");
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {
      log_error({"the registry has failed and goes on: ", error.what()});
    }
  }
}

/// Everything ends by itself then, and io.run() with it.
void RegistryServer::Running::stop() {
  is_stopping = true;
  for (Door& door : doors) {
    error_code ignored;
    door.acceptor.close(ignored);
    for (const auto& connection : std::list(door.open)) connection->stop();
  }
  timer.cancel();
}

RegistryServer::RegistryServer() : running_(std::make_unique<Running>()) {}

RegistryServer::~RegistryServer() {
  asio::post(running_->io, [running = running_.get()] { running->stop(); });
  if (running_->thread.joinable()) running_->thread.join();
}

Result<std::unique_ptr<RegistryServer>> RegistryServer::start(const RegistryModel& model, LeaseTable& table) {
  std::unique_ptr<RegistryServer> server(new RegistryServer());
  Running& running = *server->running_;
  auto registry = Registry::open(model.state, model.ttl, table);
  if (!registry) return fail("registry.state: " + registry.error().message);
  running.parts = std::shared_ptr<RegistryParts>(new RegistryParts{running.io, table, std::move(*registry)});
  if (auto opened = running.open(model.http, model, "registry.http", "http/1.1", converse_in_http); !opened) {
    return tl::unexpected(opened.error());
  }
  if (auto opened = running.open(model.grpc, model, "registry.grpc", "h2", converse_in_grpc); !opened) {
    return tl::unexpected(opened.error());
  }
  spawn(running.io.get_executor(), running.tick());
  running.thread = std::thread([&running] { running.run(); });
  return server;
}

RegistryServer::Counts RegistryServer::counts() const {
  const RegistryParts& parts = *running_->parts;
  return {parts.table.size(), parts.watchers, parts.registry->ended()};
}

}  // namespace sluice::ctrl

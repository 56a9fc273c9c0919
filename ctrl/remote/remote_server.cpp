#include "ctrl/remote/remote_server.h"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <exception>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "ctrl/log/log_line.h"
#include "ctrl/net/pause.h"
#include "ctrl/net/spawn.h"
#include "ctrl/remote/from_afar.h"
#include "ctrl/remote/rpc_post.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kLook = 2s;  // between two looks at the files

/// A header has room for a token of 16 KiB; a body for what the control socket takes, and the blanks around
/// it.
constexpr HttpLimits kLimits{.connections = 1024,
                             .header_bytes = 32768,
                             .body_bytes = JsonFramer::kMaxConfigRequestBytes + 4096,
                             .handshake = 10s,
                             .idle = 60s,
                             .request = 10s,
                             .progress = 10s};

}  // namespace

struct RemoteServer::Running {
  RemoteCounts counts;
  asio::io_context io{1};
  Audit* audit = nullptr;
  SpanQueue* spans = nullptr;
  HttpServer::Site site;
  std::optional<RemoteModel> model;  ///< nothing: there is no server
  std::shared_ptr<RemoteGate> gate;
  std::unique_ptr<HttpServer> server;
  asio::steady_timer timer{io};
  std::thread thread;

  HttpServer::Site site_of(Behind& behind);
  Result<void> open(const RemoteModel& wanted);
  void close();
  Result<void> follow(const RemoteModel* wanted);
  awaitable<void> look();
  void run();
};

HttpServer::Site RemoteServer::Running::site_of(Behind& behind) {
  HttpServer::Site site = std::move(behind.site);
  for (auto& [path, page] : site.asked) {
    page = [page = std::move(page), &control = behind.control](std::string_view query) {
      return from_afar(page(query), control);
    };
  }
  site.ask = [&control = behind.control](std::function<void()> job) { asio::post(control, std::move(job)); };
  const auto posts = std::make_shared<RpcPosts>(RpcPosts{behind.control, behind.rpc});
  site.posts["/rpc"] = [posts](const Peer& peer, std::string_view traceparent) {
    return std::make_unique<RpcPost>(posts, peer, traceparent);
  };
  const auto streams = std::make_shared<RpcPosts>(RpcPosts{behind.control, behind.rpc});
  streams->tell_more = true;
  site.posts["/rpc/stream"] = [streams](const Peer& peer, std::string_view traceparent) {
    return std::make_unique<RpcPost>(streams, peer, traceparent);
  };
  return site;
}

awaitable<void> RemoteServer::Running::look() {
  for (bool goes_on = true; goes_on;) {
    if (gate) gate->look();
    goes_on = co_await pause(timer, kLook);
  }
}

void RemoteServer::Running::run() {
  ::pthread_setname_np(::pthread_self(), "remote");
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {
      log_error({"remote control has failed and goes on: ", error.what()});
    }
  }
}

RemoteServer::RemoteServer() : running_(std::make_unique<Running>()) {}

RemoteServer::~RemoteServer() {
  stop();
}

Result<void> RemoteServer::Running::open(const RemoteModel& wanted) {
  auto authenticator = Authenticator::open(remote_settings(wanted));
  if (!authenticator) return tl::unexpected(authenticator.error());
  auto next = std::make_shared<RemoteGate>(std::move(*authenticator), wanted.roles, counts, *audit, spans);
  auto opened =
      HttpServer::open(io, {.listen = wanted.listen, .key = "remote.listen", .gate = next}, site, kLimits);
  if (!opened) return tl::unexpected(opened.error());
  gate = std::move(next);
  server = std::move(*opened);
  model = wanted;
  return {};
}

void RemoteServer::Running::close() {
  server.reset();
  gate.reset();  // connections that are left hold it
  model.reset();
}

Result<void> RemoteServer::Running::follow(const RemoteModel* wanted) {
  const std::optional<RemoteModel> before = model;
  close();
  if (!wanted) return {};
  auto opened = open(*wanted);
  if (opened || !before) return opened;
  const auto again = open(*before);
  const std::string rest =
      again ? "; it goes on at " + before->listen + " as before" : "; nor is there any as before";
  return fail(opened.error().message + rest, opened.error().pointer);
}

Result<std::unique_ptr<RemoteServer>> RemoteServer::start(const RemoteModel& model, Behind behind) {
  std::unique_ptr<RemoteServer> remote(new RemoteServer());
  Running& running = *remote->running_;
  running.audit = &behind.audit;
  running.spans = behind.spans;
  running.site = running.site_of(behind);
  if (auto opened = running.open(model); !opened) return tl::unexpected(opened.error());
  spawn(running.io.get_executor(), running.look());
  running.thread = std::thread([&running] { running.run(); });
  return remote;
}

Result<void> RemoteServer::follow(const RemoteModel* model) {
  std::promise<Result<void>> followed;
  asio::post(running_->io, [&] {
    try {
      followed.set_value(running_->follow(model));
    } catch (const std::exception& error) {
      followed.set_value(fail(std::string("remote: ") + error.what(), "/remote"));
    }
  });
  return followed.get_future().get();
}

/// It changes in follow() alone, for which the same thread waits.
const RemoteModel* RemoteServer::model() const {
  return running_->model ? &*running_->model : nullptr;
}

void RemoteServer::stop() {
  running_->io.stop();
  if (running_->thread.joinable()) running_->thread.join();
}

const RemoteCounts& RemoteServer::counts() const {
  return running_->counts;
}

uint16_t RemoteServer::port() const {
  return running_->server->port();
}

}  // namespace sluice::ctrl

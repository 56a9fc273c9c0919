// Connections of the HTTP server: kept, slow, idle, and ended.
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <vector>

#include "tests/unit/ctrl/http_server_fixture.h"

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;
using Client = HttpTestClient;

TEST_F(HttpServerTest, AReaderOfEventsThatDoesNotKeepUpIsClosed) {
  serve({.stream = 1s});
  Client slow(port_);
  slow.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  slow.receive(": what happens from now on\n\n");
  const std::string large(size_t{1} << 19, 'x');
  for (int i = 0; i < 40; ++i) tell(EventKind::kCapture, {{"text", large}});
  size_t bytes = 0;
  for (size_t some; (some = slow.take(4096)) > 0; bytes += some) {
    std::this_thread::sleep_for(1ms);  // much slower than it is told
  }
  EXPECT_LT(bytes, 40 * large.size());
  EXPECT_GT(hub_.dropped(EventSink::kSse), 0u);
}

TEST_F(HttpServerTest, KeepsConnectionsAlive) {
  serve();
  Client client(port_);
  for (int i = 0; i < 3; ++i) {
    client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(client.receive("hello\n").starts_with("HTTP/1.1 200 OK"));
  }
}

TEST_F(HttpServerTest, ASlowRequestCostsItsConnection) {
  serve({.request = 1s});
  Client slow(port_);
  slow.send("GET /hel");
  EXPECT_EQ(slow.receive(), "");  // the end of the connection, or the test hangs on its own limit
}

TEST_F(HttpServerTest, IdleConnectionsKeepNobodyOut) {
  serve({.connections = 2});
  Client silent(port_);  // has never asked
  Client idle(port_);
  for (int i = 0; i < 2; ++i) {
    idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(idle.receive("hello\n"), "");
  }
  EXPECT_TRUE(ask(get("/hello")).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(silent.receive(), "");  // it gave way
  idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(idle.receive("hello\n"), "");
}

TEST_F(HttpServerTest, ConnectionsThatDoNotReadKeepNobodyOut) {
  serve({.connections = 2});
  Client first(port_), second(port_);
  for (Client* client : {&first, &second}) {
    client->send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(client->receive("\r\n\r\n"), "");
  }
  EXPECT_TRUE(ask(get("/hello")).starts_with("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ASlowReaderGetsTheWholeAnswer) {
  serve({.progress = 2s});
  Client client(port_);
  client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.receive("\r\n\r\n"), "");
  size_t received = 0, pause_at = 0;
  while (received < kLarge) {  // some three seconds in all, never two without progress
    if (received >= pause_at) {
      std::this_thread::sleep_for(150ms);
      pause_at += kLarge / 20;
    }
    const size_t bytes = client.take(kLarge / 20);
    ASSERT_GT(bytes, 0u) << received;
    received += bytes;
  }
  EXPECT_EQ(received, kLarge);
}

TEST_F(HttpServerTest, WhenItStopsWhoWaitsIsEndedAndWhoHasAskedIsAnswered) {
  std::promise<std::function<void()>> asked;
  bool is_first = true;
  make_pieces_ = [&](std::function<void()> job) {
    if (std::exchange(is_first, false)) return asked.set_value(std::move(job));
    job();
  };
  serve();
  Client idle(port_), following(port_), asking(port_);
  idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(idle.receive("hello\n").ends_with("hello\n"));
  following.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(following.receive("\n\n").ends_with("\n\n"));
  asking.send("GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::function<void()> job = asked.get_future().get();
  boost::asio::post(io_, [&] {
    server_->stop();
    job();
  });
  EXPECT_EQ(idle.receive(), "");
  following.receive();
  EXPECT_TRUE(asking.receive().ends_with("piece\n\r\n0\r\n\r\n")) << "and its connection ends";
}

}  // namespace
}  // namespace sluice::ctrl

#include "ctrl/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "ctrl/http/event_feed.h"

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;

constexpr size_t kLarge = size_t{32} << 20;  // beyond all socket buffers

/// A blocking client that knows nothing of HTTP.
class Client {
 public:
  explicit Client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(socket_); }

  void send(std::string_view text) { EXPECT_GE(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL), 0); }
  /// All up to `end`, or to the end of the connection.
  std::string receive(std::string_view end = "\x01never") {
    std::string text;
    char byte;
    pollfd waiting{socket_, POLLIN, 0};
    while (!text.ends_with(end) && ::poll(&waiting, 1, 20'000) > 0 && ::recv(socket_, &byte, 1, 0) > 0)
      text += byte;
    return text;
  }
  /// Up to so many bytes; 0: the connection has ended.
  size_t take(size_t bytes) {
    std::string text(bytes, 0);
    const ssize_t taken = ::recv(socket_, text.data(), bytes, MSG_WAITALL);
    return taken > 0 ? static_cast<size_t>(taken) : 0;
  }

 private:
  int socket_;
};

class HttpServerTest : public testing::Test {
 protected:
  void serve(HttpLimits limits = {}) {
    HttpServer::Pages pages = {
        {"/hello",
         [] {
           return HttpAnswer{200, "text/plain", "hello\n"};
         }},
        {"/gone",
         [] {
           return HttpAnswer{503, "text/plain", "stopping\n"};
         }},
        {"/compressed",
         [] {
           HttpAnswer answer{200, "text/html", "in full"};
           answer.gzip_body = "gz";
           answer.fields = {{"X-Own", "one"}, {"X-Other", "two"}};
           return answer;
         }},
        {"/large",
         [] {
           return HttpAnswer{200, "text/plain", std::string(kLarge, 'x')};
         }},
        {"/endless",
         [] {
           HttpAnswer answer;
           answer.pieces = [](std::string& piece) {
             piece.assign(1 << 16, 'x');
             return true;
           };
           return answer;
         }},
        {"/pieces",
         [] {
           HttpAnswer answer;
           answer.pieces = [left = 3](std::string& piece) mutable {
             piece = "piece\n";
             return left-- > 0;
           };
           return answer;
         }},
    };
    HttpServer::Trees trees = {
        {"/tree/",
         [this](std::string_view path, const HttpServer::Reply& reply) {
           HttpAnswer answer{200, "application/octet-stream", "at " + std::string(path), "public"};
           boost::asio::post(io_, [answer, reply] { reply(answer); });
         }},
    };
    HttpServer::Pages verbose = {{"/gone", [] {
                                    return HttpAnswer{503, "text/plain", "[-]process failed\n"};
                                  }}};
    HttpServer::Site site{std::move(pages), std::move(trees)};
    site.verbose = std::move(verbose);
    site.asked = {{"/events", [this](std::string_view query) { return events_answer(hub_, io_, query); }}};
    site.make_pieces = std::move(make_pieces_);
    auto server = HttpServer::open(io_, {.listen = "127.0.0.1:0"}, std::move(site), limits);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    port_ = server_->port();
    loop_ = std::thread([this] { io_.run(); });
  }
  ~HttpServerTest() override {
    io_.stop();
    if (loop_.joinable()) loop_.join();
  }
  std::string ask(const std::string& request) {
    Client client(port_);
    client.send(request);
    return client.receive();
  }
  static std::string get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  }

  boost::asio::io_context io_{1};
  /// Tells an event, on the server's thread.
  void tell(EventKind kind, nlohmann::json fields) {
    boost::asio::post(io_, [this, kind, fields = std::move(fields)] {
      hub_.tell(kind, fields);
      hub_.tick(std::chrono::steady_clock::now());
    });
  }

  EventHub hub_;
  std::function<void(std::function<void()>)> make_pieces_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
  std::thread loop_;
};

TEST_F(HttpServerTest, PiecesMayBeMadeByAnotherThread) {
  std::atomic<int> made = 0;
  std::vector<std::jthread> makers;
  make_pieces_ = [&](std::function<void()> make) {
    ++made;
    makers.emplace_back(std::move(make));
  };
  serve();
  const auto answer = ask(get("/pieces"));
  EXPECT_TRUE(answer.ends_with("piece\n\r\n6\r\npiece\n\r\n6\r\npiece\n\r\n0\r\n\r\n"));
  EXPECT_EQ(made, 4);  // and the end
}

TEST_F(HttpServerTest, AnswersGetAndHead) {
  serve();
  const auto answer = ask(get("/hello?verbose"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(answer.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nhello\n"));
  const auto head = ask("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_TRUE(ask(get("/gone")).starts_with("HTTP/1.1 503 "));
}

TEST_F(HttpServerTest, CompressesForThoseThatAcceptIt) {
  serve();
  const auto asked_with = [this](const std::string& fields) {
    return ask("GET /compressed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + "\r\n");
  };
  for (const char* list : {"gzip", "br, GZIP", "gzip;q=0.1", "*", "identity;q=0, *;q=0.5", "*;q=0, gzip"}) {
    const auto answer = asked_with("Accept-Encoding: " + std::string(list) + "\r\n");
    EXPECT_NE(answer.find("Content-Encoding: gzip\r\n"), std::string::npos) << list;
    EXPECT_TRUE(answer.ends_with("\r\n\r\ngz")) << list;
  }
  for (const char* list : {"", "br", "gzip;q=0", "gzip ; q=0.000", "*;q=0", "gzip2", "*, gzip;q=0"}) {
    const auto answer = asked_with("Accept-Encoding: " + std::string(list) + "\r\n");
    EXPECT_EQ(answer.find("Content-Encoding"), std::string::npos) << list;
    EXPECT_TRUE(answer.ends_with("\r\n\r\nin full")) << list;
  }
  EXPECT_TRUE(asked_with("").ends_with("in full"));
  EXPECT_TRUE(asked_with("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n").ends_with("gz"));
}

TEST_F(HttpServerTest, APageHasHeadFieldsOfItsOwn) {
  serve();
  const auto answer = ask(get("/compressed"));
  EXPECT_NE(answer.find("\r\nX-Own: one\r\nX-Other: two\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\nVary: Accept-Encoding\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersMoreWhereTheQueryAsksForIt) {
  serve();
  for (const char* path :
       {"/gone?verbose", "/gone?verbose=1", "/gone?a=b&verbose", "http://x/gone?verbose&a"}) {
    EXPECT_TRUE(ask(get(path)).ends_with("[-]process failed\n")) << path;
  }
  for (const char* path : {"/gone", "/gone?", "/gone?verbosely", "/gone?a=verbose"}) {
    EXPECT_TRUE(ask(get(path)).ends_with("stopping\n")) << path;
  }
}

TEST_F(HttpServerTest, KnowsOnlyItsPagesAndMethods) {
  serve();
  EXPECT_TRUE(ask(get("/")).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask(get("/hello/")).starts_with("HTTP/1.1 404 "));
  const auto post = ask("POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(post.starts_with("HTTP/1.1 405 "));
  EXPECT_NE(post.find("Allow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, ATreeAnswersAllBelowItAndLater) {
  serve();
  const auto answer = ask(get("/tree/x/001?query"));
  EXPECT_NE(answer.find("Content-Type: application/octet-stream\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Cache-Control: public\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\nat x/001"));
  EXPECT_TRUE(ask(get("/tree/")).ends_with("\r\n\r\nat "));
  EXPECT_TRUE(ask(get("/tree")).starts_with("HTTP/1.1 404 "));
  EXPECT_TRUE(ask("PUT /tree/x HTTP/1.1\r\nHost: x\r\n\r\n").starts_with("HTTP/1.1 405 "));
}

TEST_F(HttpServerTest, SendsPiecesInChunks) {
  serve();
  EXPECT_TRUE(
      ask(get("/pieces")).ends_with("\r\n\r\n6\r\npiece\n\r\n6\r\npiece\n\r\n6\r\npiece\n\r\n0\r\n\r\n"));
  const auto old = ask("GET /pieces HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.ends_with("\r\n\r\npiece\npiece\npiece\n"));
  EXPECT_EQ(old.find("chunked"), std::string::npos);
  EXPECT_TRUE(ask("HEAD /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, EventsComeAsTheyHappen) {
  serve();
  Client all(port_), some(port_), old(port_);
  all.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
  some.send("GET /events?kinds=capture%2Cport_link HTTP/1.1\r\nHost: x\r\n\r\n");
  old.send("GET /events HTTP/1.0\r\n\r\n");
  constexpr auto kBegun = ": what happens from now on\n\n";
  const std::string head = all.receive(kBegun);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(head.find("Cache-Control: no-store\r\n"), std::string::npos);
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  some.receive(kBegun);
  EXPECT_EQ(old.receive(kBegun).find("chunked"), std::string::npos);
  tell(EventKind::kConfigApplied, {{"generation", 7}});
  tell(EventKind::kPortLink, {{"port", "edge0"}, {"up", true}});
  EXPECT_NE(
      all.receive("\n\n").find("event: config_applied\ndata: {\"generation\":7,\"kind\":\"config_applied\""),
      std::string::npos);
  EXPECT_NE(all.receive("\n\n").find("event: port_link\ndata: {"), std::string::npos);
  EXPECT_NE(some.receive("\n\n").find("event: port_link\ndata: {"), std::string::npos);
  EXPECT_TRUE(old.receive("\n\n").starts_with("event: config_applied\ndata: {"));
}

TEST_F(HttpServerTest, EventsOfNoSuchKindAreRefused) {
  serve();
  for (const char* const query : {"?kinds=rumours", "?kind=capture", "?kinds=", "?kinds=capture,", "?x"}) {
    EXPECT_TRUE(ask(get("/events" + std::string(query))).starts_with("HTTP/1.1 400")) << query;
  }
  EXPECT_TRUE(ask(get("/eventsx")).starts_with("HTTP/1.1 404"));
}

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

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  serve();
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(
      ask("GET /hello HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
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
  serve({.progress = 1s});
  Client client(port_);
  client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.receive("\r\n\r\n"), "");
  size_t received = 0;
  while (received < kLarge) {  // some three seconds in all, never one without progress
    std::this_thread::sleep_for(100ms);
    const size_t bytes = client.take(kLarge / 30);
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

TEST_F(HttpServerTest, TakesTheAbsoluteForm) {
  serve();
  for (const char* target : {"http://x/hello", "HTTP://x:80/hello?query", "https://x/hello"}) {
    EXPECT_TRUE(ask(get(target)).starts_with("HTTP/1.1 200 ")) << target;
  }
  EXPECT_TRUE(ask(get("http://x")).starts_with("HTTP/1.1 404 "));
}

TEST_F(HttpServerTest, WantsOneHost) {
  serve();
  EXPECT_TRUE(ask("GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(ask("GET /hello HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n").starts_with("HTTP/1.0 400 "));
  EXPECT_TRUE(ask("GET /hello HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  serve();
  boost::asio::io_context io;
  const auto taken = HttpServer::open(io, {.listen = "127.0.0.1:" + std::to_string(port_)}, {});
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().message.find("Address already in use"), std::string::npos);
  for (const char* bad : {"", "9464", "localhost:9464", "127.0.0.1:", "127.0.0.1:65536", "[::1:80"}) {
    EXPECT_FALSE(HttpServer::open(io, {.listen = bad}, {})) << bad;
  }
}

}  // namespace
}  // namespace sluice::ctrl

#include "ctrl/http/http_server.h"

#include <atomic>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "tests/unit/ctrl/http_server_fixture.h"

namespace sluice::ctrl {
namespace {

using namespace std::chrono_literals;
using Client = HttpTestClient;

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
  EXPECT_TRUE(
      ask("PUT /tree/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405 "));
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

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  serve();
  EXPECT_TRUE(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(
      ask("GET /hello HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n").starts_with("HTTP/1.1 431 "));
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

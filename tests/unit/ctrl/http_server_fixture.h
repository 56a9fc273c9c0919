// An HTTP server with a few pages on a thread of its own, and a client that knows nothing of HTTP.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ctrl/http/event_feed.h"
#include "ctrl/http/http_server.h"

namespace sluice::ctrl {

inline constexpr size_t kLarge = size_t{32} << 20;  // beyond all socket buffers

/// A blocking client that knows nothing of HTTP.
class HttpTestClient {
 public:
  explicit HttpTestClient(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  HttpTestClient(const HttpTestClient&) = delete;
  HttpTestClient& operator=(const HttpTestClient&) = delete;
  ~HttpTestClient() { ::close(socket_); }

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
    const ssize_t taken = ::recv(socket_, text.data(), bytes, 0);
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
    HttpTestClient client(port_);
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

}  // namespace sluice::ctrl

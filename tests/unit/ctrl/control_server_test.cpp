#include "ctrl/rpc/control_server.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

/// A blocking client, as simple as can be.
class LineClient {
 public:
  explicit LineClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  LineClient(const LineClient&) = delete;
  LineClient& operator=(const LineClient&) = delete;
  ~LineClient() { ::close(socket_); }

  /// False: the other side has closed.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  /// The next line without its end; "" at the end of the stream or after 20 s.
  std::string line() {
    while (received_.find('\n') == std::string::npos) {
      if (!receive()) return "";
    }
    const size_t end = received_.find('\n');
    const std::string text = received_.substr(0, end);
    received_.erase(0, end + 1);
    return text;
  }
  bool closed() {
    while (receive()) {
    }
    return ended_;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }

 private:
  bool receive() {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) <= 0) return false;
    char buffer[65536];
    const ssize_t bytes = ::recv(socket_, buffer, sizeof buffer, 0);
    ended_ = bytes <= 0;
    if (!ended_) received_.append(buffer, static_cast<size_t>(bytes));
    return !ended_;
  }

  int socket_;
  std::string received_;
  bool ended_ = false;
};

Notify kept_notify;  ///< of whoever called `subscribe` last

std::vector<Method> served_methods() {
  return {{"echo",
           Role::kView,
           "",
           "",
           {{"value", ParamType::kInteger, false, ""}},
           [](MethodContext&, const Call& call, Reply reply) { reply(call.params); }},
          {"large",
           Role::kView,
           "",
           "",
           {},
           [](MethodContext&, const Call&, Reply reply) { reply(json(std::string(8u << 20, 'x'))); }},
          {"hasty",
           Role::kView,
           "",
           "",
           {},
           [](MethodContext&, const Call& call, Reply reply) {
             kept_notify = call.notify;
             reply(json(static_cast<int>(call.notify("told", "0"))));
           },
           Where::kLoop},
          {"subscribe", Role::kView, "", "", {}, [](MethodContext&, const Call& call, Reply reply) {
             kept_notify = call.notify;
             reply(json(true));
           }}};
}

class ControlServerTest : public testing::Test {
 protected:
  void serve(ControlLimits limits) {
    auto socket = ControlSocket::open(path_, 0600);
    ASSERT_TRUE(socket) << socket.error().message;
    server_ = std::make_unique<ControlServer>(io_, std::move(*socket), rpc_, limits);
    loop_ = std::thread([this] { io_.run(); });
  }
  ~ControlServerTest() override {
    io_.stop();
    if (loop_.joinable()) loop_.join();
  }
  /// How many the server has, asked on its own thread.
  size_t connections() {
    std::promise<size_t> count;
    boost::asio::post(io_, [&] { count.set_value(server_->connections()); });
    return count.get_future().get();
  }
  /// Notifies the subscriber on the server's thread.
  Notified notify(const json& params, std::string_view method = "told") {
    std::promise<Notified> delivery;
    boost::asio::post(io_, [&] { delivery.set_value(kept_notify(method, params.dump())); });
    return delivery.get_future().get();
  }
  static std::string request(int value) {
    return json{{"jsonrpc", "2.0"}, {"method", "echo"}, {"params", {value}}, {"id", value}}.dump();
  }
  static int value_of(const std::string& line) {
    const auto answer = json::parse(line, nullptr, false);
    return answer.is_object() && answer.contains("result") ? answer["result"]["value"].get<int>() : -1;
  }
  static int code_of(const std::string& line) {
    const auto answer = json::parse(line, nullptr, false);
    return answer.is_object() && answer.contains("error") ? answer["error"]["code"].get<int>() : 0;
  }

  TemporaryDirectory directory_;
  std::string path_ = directory_.file("sluice.sock");
  boost::asio::io_context io_{1};
  alignas(16) char nothing_[64] = {};
  JsonRpc rpc_{served_methods(), reinterpret_cast<MethodContext*>(nothing_)};
  std::unique_ptr<ControlServer> server_;
  std::thread loop_;
};

TEST_F(ControlServerTest, AnswersLinesConcatenationsAndBatchesInOrder) {
  serve({});
  LineClient client(path_);
  client.send(request(1) + "\n" + request(2) + request(3) + "\n[" + request(4) + "," + request(5) + "]\n");
  for (const int value : {1, 2, 3}) EXPECT_EQ(value_of(client.line()), value);
  const auto batch = json::parse(client.line());
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(batch[1]["result"]["value"], 5);
}

TEST_F(ControlServerTest, AMalformedRequestIsAnsweredAndTheConnectionGoesOn) {
  serve({});
  LineClient client(path_);
  client.send("not json\n" + request(1) + "\n{\"jsonrpc\":\"2.0\",\n" + std::string(100, '[') + "\n" +
              request(2) + "\n");
  EXPECT_EQ(code_of(client.line()), -32700);
  EXPECT_EQ(value_of(client.line()), 1);
  EXPECT_EQ(code_of(client.line()), -32700);
  EXPECT_EQ(code_of(client.line()), -32600);
  EXPECT_EQ(value_of(client.line()), 2);
}

TEST_F(ControlServerTest, ARequestBrokenOffAtItsLineEndIsAnswered) {
  serve({.line_end = 20ms});
  LineClient client(path_);
  client.send("{\"jsonrpc\":\"2.0\"\n");
  EXPECT_EQ(code_of(client.line()), -32700);
  client.send(request(7));
  EXPECT_EQ(value_of(client.line()), 7);
}

TEST_F(ControlServerTest, AnOversizedRequestIsRefusedAndOthersAreServed) {
  serve({});
  LineClient client(path_), other(path_);
  std::thread sender(
      [&] { client.send("{\"method\":\"echo\",\"params\":\"" + std::string(6u << 20, 'x') + "\"}\n"); });
  EXPECT_EQ(code_of(client.line()), -32600);
  sender.join();
  other.send(request(1));
  EXPECT_EQ(value_of(other.line()), 1);
  client.send(request(2));
  EXPECT_EQ(value_of(client.line()), 2);
}

TEST_F(ControlServerTest, ASlowRequestCostsItsConnection) {
  serve({.request = 200ms});
  LineClient slow(path_);
  bool open = slow.send("{");
  for (int i = 0; open && i < 2000; ++i) {  // trickling does not buy time
    std::this_thread::sleep_for(10ms);
    open = slow.send(" ");
  }
  EXPECT_FALSE(open);
}

TEST_F(ControlServerTest, EndlessGarbageCostsItsConnection) {
  serve({.request = 200ms});
  LineClient endless(path_);
  const std::string garbage(65536, 'x');
  bool open = true;
  for (int i = 0; open && i < 1'000'000; ++i) open = endless.send(garbage);
  EXPECT_FALSE(open);
}

TEST_F(ControlServerTest, APeerThatDoesNotReadIsDropped) {
  serve({.write_stall = 100ms});
  LineClient client(path_), other(path_);
  client.send(request(1));
  ASSERT_EQ(value_of(client.line()), 1);
  client.send(R"({"jsonrpc":"2.0","method":"large","id":1})");
  while (connections() > 1) {
    other.send(request(1));
    ASSERT_EQ(value_of(other.line()), 1);
  }
  EXPECT_TRUE(client.closed());
}

/// As where the machine is busy: what has been written by then is known only after its time is over.
TEST_F(ControlServerTest, ALateLoopDropsNobodyWhoReads) {
  serve({.write_stall = 50ms});
  LineClient client(path_);
  client.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
  client.line();
  boost::asio::post(io_, [&] {
    kept_notify(kEventNotification, "0");
    boost::asio::post(io_, [] { std::this_thread::sleep_for(100ms); });
  });
  EXPECT_EQ(json::parse(client.line(), nullptr, false)["params"], 0);
  client.send(request(1));
  EXPECT_EQ(value_of(client.line()), 1);
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, ManyConnectionsStandOpenAndMoreAreRefusedPolitely) {
  serve({.connections = 256, .reserved_for_admin = 0});
  std::vector<std::unique_ptr<LineClient>> clients;
  for (int i = 0; i < 256; ++i) {
    clients.push_back(std::make_unique<LineClient>(path_));
    clients.back()->send(request(i));
    ASSERT_EQ(value_of(clients.back()->line()), i);
  }
  LineClient refused(path_);
  EXPECT_EQ(json::parse(refused.line())["error"]["data"]["kind"], "unavailable");
  EXPECT_TRUE(refused.closed());
  clients[255]->send(request(1000));
  EXPECT_EQ(value_of(clients[255]->line()), 1000);
}

TEST_F(ControlServerTest, BoundsWhatAllConnectionsSendTogether) {
  serve({.input_bytes = 1u << 20});
  LineClient first(path_), second(path_);
  const std::string half = "{\"params\":\"" + std::string(700'000, 'x');
  first.send(half);
  second.send(half);
  // Whichever of the two crosses the bound is told so; the other may finish.
  const auto refused = [](LineClient& client) {
    const auto line = client.line();
    return line.find("too much") != std::string::npos;
  };
  first.send("\",\n\"method\":\"echo\"}\n");
  second.send("\",\n\"method\":\"echo\"}\n");
  EXPECT_NE(refused(first), refused(second));
}

TEST_F(ControlServerTest, NotifiesBetweenAnswers) {
  serve({});
  LineClient client(path_);
  client.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
  EXPECT_EQ(json::parse(client.line())["result"], true);
  constexpr int kEach = 200;
  std::thread asker([&] {
    for (int i = 0; i < kEach; ++i) client.send(request(i));
  });
  for (int i = 0; i < kEach; ++i) EXPECT_EQ(notify({{"number", i}}), Notified::kTaken);
  asker.join();
  int answers = 0, notifications = 0;
  for (int i = 0; i < 2 * kEach; ++i) {
    const json line = json::parse(client.line(), nullptr, false);
    ASSERT_TRUE(line.is_object());
    if (line.contains("method")) {
      EXPECT_EQ(line,
                (json{{"jsonrpc", "2.0"}, {"method", "told"}, {"params", {{"number", notifications++}}}}));
    } else {
      EXPECT_EQ(line["id"], answers++);
    }
  }
  EXPECT_EQ(answers, kEach);
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, NotifiesNothingBeforeTheAnswer) {
  serve({});
  LineClient client(path_);
  client.send(R"({"jsonrpc":"2.0","method":"hasty","id":0})");
  EXPECT_EQ(json::parse(client.line())["result"], static_cast<int>(Notified::kFull));
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, WhoListensMayBeSilent) {
  serve({.idle = 1s});
  LineClient listening(path_);
  listening.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
  EXPECT_EQ(json::parse(listening.line())["result"], true);
  LineClient silent(path_);
  EXPECT_TRUE(silent.closed()) << "so that the one that listens has been silent for longer";
  EXPECT_EQ(notify("still"), Notified::kTaken);
  EXPECT_EQ(json::parse(listening.line())["params"], "still");
  kept_notify = nullptr;
  EXPECT_TRUE(listening.closed()) << "nobody has anything to say to it any more";
}

TEST_F(ControlServerTest, BoundsWhatIsNotifiedAndSaysWhenNobodyIsThere) {
  serve({.unasked_bytes = 1u << 20, .write_stall = 60s});
  {
    LineClient client(path_);
    client.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
    client.line();
    const json much(std::string(100'000, 'x'));
    int taken = 0;
    while (notify(much) == Notified::kTaken) ++taken;
    EXPECT_GE(taken, 10);
    EXPECT_LT(taken, 100);
    EXPECT_EQ(notify(much), Notified::kFull);
    EXPECT_EQ(notify("last"), Notified::kTaken) << "a short one still has room";
    for (int i = 0; i < taken; ++i) EXPECT_EQ(json::parse(client.line())["params"], much);
    EXPECT_EQ(json::parse(client.line())["params"], "last");
  }
  Notified last = Notified::kTaken;
  for (int i = 0; i < 2000 && last != Notified::kGone; ++i) {
    last = notify(0);
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(last, Notified::kGone);
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, WhoDoesNotKeepUpWithEventsIsGone) {
  serve({.unasked_bytes = 1u << 20, .write_stall = 60s});
  LineClient client(path_);
  client.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
  client.line();
  const json much(std::string(100'000, 'x'));
  Notified last = Notified::kTaken;
  int told = 0;
  for (; told < 100 && last == Notified::kTaken; ++told) last = notify(much, kEventNotification);
  EXPECT_EQ(last, Notified::kFull);
  EXPECT_LT(told, 100);
  EXPECT_EQ(notify(much, kEventNotification), Notified::kGone);
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, ASubscriberThatTakesNothingIsDroppedAsSoonAsOneThatAsked) {
  serve({.write_stall = 200ms, .unasked_stall = 600s});
  LineClient client(path_);
  client.send(R"({"jsonrpc":"2.0","method":"subscribe","id":0})");
  client.line();
  const json much(std::string(1'000'000, 'x'));  // more than the socket holds
  EXPECT_EQ(notify(much, kEventNotification), Notified::kTaken);
  Notified last = Notified::kTaken;
  for (int i = 0; i < 2000 && last != Notified::kGone; ++i) {
    last = notify(nullptr, "");
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(last, Notified::kGone) << "and nothing need be said for that to be noticed";
  kept_notify = nullptr;
}

TEST_F(ControlServerTest, AHalfRequestBeforeTheEndIsAnswered) {
  serve({});
  LineClient client(path_);
  client.send(request(1) + "{\"a\":");
  client.finish_sending();
  EXPECT_EQ(value_of(client.line()), 1);
  EXPECT_EQ(code_of(client.line()), -32700);
  EXPECT_TRUE(client.closed());
}

}  // namespace
}  // namespace sluice::ctrl

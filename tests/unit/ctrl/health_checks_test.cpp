#include "ctrl/health/health_checks.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <thread>

#include "ctrl/health/probe.h"
#include "ctrl/observed/unite.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

using Turn = RiseFall::Change;

TEST(RiseFall, AFirstFailureTakesItDownAtOnce) {
  RiseFall state;
  EXPECT_TRUE(state.healthy());
  EXPECT_EQ(state.observe(false, 2, 3), Turn::kDown);
  EXPECT_EQ(state.observe(true, 2, 3), Turn::kNone);
  EXPECT_EQ(state.observe(true, 2, 3), Turn::kUp);
}

TEST(RiseFall, AfterAPassItTakesFallFailuresInARow) {
  RiseFall state;
  EXPECT_EQ(state.observe(true, 2, 3), Turn::kNone);
  for (const bool passed : {false, false, true, false, false}) {
    EXPECT_EQ(state.observe(passed, 2, 3), Turn::kNone);
  }
  EXPECT_EQ(state.observe(false, 2, 3), Turn::kDown);
  for (const bool passed : {true, false, true}) EXPECT_EQ(state.observe(passed, 2, 3), Turn::kNone);
  EXPECT_EQ(state.observe(true, 2, 3), Turn::kUp);
}

/// A server on a port of its own that answers every connection with `answer` (nothing: never), in pieces.
/// Once it is closed, nobody else gets that port.
class Server {
 public:
  Server(asio::io_context& io, std::string answer, const char* address = "127.0.0.1")
      : bound_(bound(io, tcp::endpoint(asio::ip::make_address(address), 0))),
        acceptor_(io, bound_.local_endpoint()),
        answer_(std::move(answer)) {
    asio::co_spawn(io, accept(), asio::detached);
  }
  uint16_t port() const { return bound_.local_endpoint().port(); }
  void close() { acceptor_.close(); }

  std::string last_request;
  size_t connections = 0;
  size_t open = 0;
  size_t most_open = 0;

 private:
  static tcp::acceptor bound(asio::io_context& io, const tcp::endpoint& endpoint) {
    tcp::acceptor made(io, endpoint.protocol());
    made.set_option(tcp::acceptor::reuse_address(true));
    made.bind(endpoint);
    return made;
  }
  asio::awaitable<void> accept() {
    for (;;) {
      boost::system::error_code error;
      auto socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      ++connections;
      asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)), asio::detached);
    }
  }
  asio::awaitable<void> serve(tcp::socket socket) {
    most_open = std::max(most_open, ++open);
    boost::system::error_code error;
    std::string request;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "\r\n\r\n",
                                    asio::redirect_error(asio::use_awaitable, error));
    last_request = request;
    if (!error && answer_.empty()) {
      co_await asio::async_read_until(socket, asio::dynamic_buffer(request), "never",
                                      asio::redirect_error(asio::use_awaitable, error));
    }
    if (!answer_.empty()) {
      co_await asio::async_write(socket, asio::buffer(answer_),
                                 asio::redirect_error(asio::use_awaitable, error));
    }
    --open;
  }

  tcp::acceptor bound_;  ///< never listens
  tcp::acceptor acceptor_;
  std::string answer_;
};

class ProbeTest : public testing::Test {
 protected:
  ProbeResult check(HealthCheck check, uint16_t port, const char* address = "127.0.0.1") {
    ProbeResult result{Verdict::kUnknown, "never ended"};
    bool ended = false;
    asio::co_spawn(io_, probe(check, {"web", IpAddress::parse(address).value(), port}, means_),
                   [&](std::exception_ptr, ProbeResult found) {
                     result = std::move(found);
                     ended = true;
                   });
    while (!ended) {
      io_.restart();  // a check that ends at once may have left it without work
      io_.run_one();
    }
    return result;
  }
  static HealthCheck http(std::vector<unsigned> expect = {200}) {
    HealthCheck check;
    check.type = HealthType::kHttp;
    check.path = "/healthz";
    check.expect = std::move(expect);
    check.timeout = 5s;
    return check;
  }
  static HealthCheck tcp_check() {
    HealthCheck check;
    check.type = HealthType::kTcp;
    check.timeout = 5s;
    return check;
  }
  asio::io_context io_{1};
  CheckMeans means_;
};

TEST_F(ProbeTest, TcpPassesWhereSomethingListens) {
  Server server(io_, "x");
  const uint16_t port = server.port();
  EXPECT_EQ(check(tcp_check(), port).verdict, Verdict::kPassed);
  server.close();
  const auto result = check(tcp_check(), port);
  EXPECT_EQ(result.verdict, Verdict::kFailed);
  EXPECT_EQ(result.reason, "connection refused");
}

TEST_F(ProbeTest, HttpJudgesByTheStatus) {
  Server server(io_, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(check(http({200, 204}), server.port()).verdict, Verdict::kPassed);
  EXPECT_TRUE(server.last_request.starts_with(
      "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  const auto result = check(http({200}), server.port());
  EXPECT_EQ(result.verdict, Verdict::kFailed);
  EXPECT_EQ(result.reason, "HTTP status 204");
}

TEST_F(ProbeTest, WorksOverIpv6) {
  Server server(io_, "HTTP/1.0 200 OK\r\n\r\nhello", "::1");
  EXPECT_EQ(check(http(), server.port(), "::1").verdict, Verdict::kPassed);
  EXPECT_NE(server.last_request.find("Host: [::1]:"), std::string::npos);
}

TEST_F(ProbeTest, TheChecksPortIsUsedWhereItNamesOne) {
  Server server(io_, "HTTP/1.1 200 OK\r\n\r\n");
  auto other_port = http();
  other_port.port = server.port();
  EXPECT_EQ(check(other_port, 1).verdict, Verdict::kPassed);
}

TEST_F(ProbeTest, SaysWhatIsNotHttp) {
  Server garbage(io_, "SSH-2.0-OpenSSH\r\n"), huge(io_, "HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x')),
      closing(io_, "HTTP/1.1 2");
  for (Server* server : {&garbage, &huge, &closing})
    EXPECT_EQ(check(http(), server->port()).verdict, Verdict::kFailed);
}

TEST_F(ProbeTest, TimesOut) {
  Server silent(io_, "");
  auto impatient = http();
  impatient.timeout = 400ms;
  ProbeResult result = check(impatient, silent.port());
  // On a machine that is busy the loop may be late itself, now and then.
  for (int i = 0; i < 50 && result.verdict == Verdict::kUnknown; ++i)
    result = check(impatient, silent.port());
  EXPECT_EQ(result.verdict, Verdict::kFailed);
  EXPECT_EQ(result.reason, "timed out after 400 ms");
}

TEST_F(ProbeTest, KnowsNothingWhereTheGatewayItselfWasLate) {
  Server silent(io_, "");
  auto check_it = http();
  check_it.timeout = 300ms;
  asio::steady_timer stall(io_, 50ms);
  stall.async_wait([](auto) { std::this_thread::sleep_for(900ms); });  // as a long step of the loop does
  const auto result = check(check_it, silent.port());
  EXPECT_EQ(result.verdict, Verdict::kUnknown) << result.reason;
  EXPECT_NE(result.reason.find("late itself"), std::string::npos) << result.reason;
}

TEST_F(ProbeTest, KnowsNothingWithoutADescriptor) {
  Server server(io_, "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(check(http(), server.port()).verdict, Verdict::kPassed);  // it waits for the next one, too
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest_free = ::dup(0);
  ASSERT_GE(lowest_free, 0);
  ::close(lowest_free);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(lowest_free);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  for (const auto& kind : {http(), tcp_check()}) {
    const auto result = check(kind, server.port());
    EXPECT_EQ(result.verdict, Verdict::kUnknown);
    EXPECT_EQ(result.reason, "too many open files");
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(check(http(), server.port()).verdict, Verdict::kPassed);
}

// The network of a test machine is anything, but no kernel has a route to these: an IPv6 address in a block
// that is reserved, and limited broadcast, which TCP refuses.
TEST_F(ProbeTest, KnowsNothingOfWhatTheKernelHasNoWayTo) {
  for (const char* address : {"255.255.255.255", "ff02::1"}) {
    EXPECT_EQ(check(tcp_check(), 80, address).verdict, Verdict::kUnknown) << address;
  }
}

TEST(RiseFall, CountsWhatSpeaksAgainstTheState) {
  RiseFall state;
  state.observe(true, 2, 3);
  EXPECT_EQ(state.against(), 0u);
  state.observe(false, 2, 3);
  EXPECT_EQ(state.against(), 1u);
  state.observe(true, 2, 3);
  EXPECT_EQ(state.against(), 0u);
}

class HealthChecksTest : public testing::Test {
 protected:
  HealthChecks::Pools pool(
      std::vector<std::pair<const char*, uint16_t>> backends, HealthType type = HealthType::kTcp,
      const std::function<void(HealthCheck&)>& change = [](HealthCheck&) {}) {
    auto model = std::make_shared<PoolModel>();
    model->name = "web";
    for (const auto& [address, port] : backends) {
      model->backends.push_back({IpAddress::parse(address).value(), port, 1});
    }
    model->health.type = type;
    model->health.interval = 20ms;
    model->health.timeout = 5s;
    model->health.rise = 2;
    model->health.fall = 3;
    change(model->health);
    auto pool = std::make_shared<EffectivePool>();
    pool->members = std::make_shared<const MemberList>(unite(model->backends, {}, {}, nullptr).list);
    pool->intent = std::move(model);
    HealthChecks::Pools pools;
    pools.set("web", pool);
    return pools;
  }
  void run_until(const std::function<bool()>& condition) {
    while (!condition() && io_.run_one_for(20s) > 0) {
    }
    ASSERT_TRUE(condition());
  }
  HealthChecks make(size_t concurrency = 16) {
    return HealthChecks(
        io_, [this](const auto& results) { deliveries_.push_back(results); }, concurrency);
  }

  asio::io_context io_{1};
  std::vector<HealthChecks::Results> deliveries_;
};

TEST_F(HealthChecksTest, ReportsWhatIsDownTogetherAndWhatComesBack) {
  auto checks = make();
  auto gone = std::make_unique<Server>(io_, "x");
  const uint16_t port = gone->port();
  gone->close();
  checks.follow(pool({{"127.0.0.1", port}}));
  run_until([&] { return !deliveries_.empty(); });
  ASSERT_EQ(deliveries_[0].size(), 1u);
  EXPECT_FALSE(deliveries_[0][0].healthy);
  EXPECT_EQ(deliveries_[0][0].key.port, port);
  EXPECT_EQ(deliveries_[0][0].reason, "connection refused");

  tcp::acceptor back(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), port));
  run_until([&] { return deliveries_.back()[0].healthy; });
  EXPECT_GT(deliveries_.size(), 1u);
}

TEST_F(HealthChecksTest, TellsAgainWhatWasForgottenWhileNobodyLooked) {
  auto checks = make();
  auto gone = std::make_unique<Server>(io_, "x");
  const uint16_t port = gone->port();
  gone->close();
  checks.follow(pool({{"127.0.0.1", port}}));
  run_until([&] { return !deliveries_.empty() && checks.counts().at("web").failed >= 3; });
  const size_t told = deliveries_.size();

  // Taken out and listed anew: to the gateway it is a backend that nobody has checked.
  auto listed_anew = std::make_shared<EffectivePool>(*pool({{"127.0.0.1", port}}).find("web")->second);
  listed_anew->backends = {{.at = {*IpAddress::parse("127.0.0.1"), port}, .weight = 1}};
  HealthChecks::Pools pools;
  pools.set("web", listed_anew);
  checks.follow(pools);
  run_until([&] { return deliveries_.size() > told; });
  EXPECT_FALSE(deliveries_.back()[0].healthy);
}

TEST_F(HealthChecksTest, OnlyTheFirstPassIsNews) {
  auto checks = make();
  Server server(io_, "x");
  checks.follow(pool({{"127.0.0.1", server.port()}}));
  run_until([&] { return server.connections >= 4; });
  ASSERT_EQ(deliveries_.size(), 1u);
  ASSERT_EQ(deliveries_[0].size(), 1u);
  EXPECT_TRUE(deliveries_[0][0].healthy);
  EXPECT_EQ(deliveries_[0][0].reason, "connected");
  EXPECT_GE(checks.counts().at("web").passed, 3u);
  EXPECT_EQ(checks.counts().at("web").failed, 0u);
}

TEST_F(HealthChecksTest, SaysHowNearAChangeIs) {
  auto checks = make();
  auto server = std::make_unique<Server>(io_, "x");
  const uint16_t port = server->port();
  checks.follow(pool({{"127.0.0.1", port}}));
  run_until([&] { return deliveries_.size() == 1; });
  server->close();
  run_until([&] { return deliveries_.size() == 4; });
  const char* const kReasons[] = {"connected", "connection refused, 1 of 3", "connection refused, 2 of 3",
                                  "connection refused"};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(deliveries_[i][0].reason, kReasons[i]);
    EXPECT_EQ(deliveries_[i][0].healthy, i < 3);
  }
}

TEST_F(HealthChecksTest, WhatCannotBeCheckedStaysWhatItIs) {
  auto checks = make();
  auto gone = std::make_unique<Server>(io_, "x");
  const uint16_t port = gone->port();
  gone->close();
  checks.follow(pool({{"127.0.0.1", port}, {"255.255.255.255", 80}}));
  run_until([&] { return checks.counts().at("web").unknown >= 4 && checks.counts().at("web").failed >= 4; });
  std::map<uint16_t, Gateway::HealthResult> last;
  for (const auto& delivery : deliveries_) {
    for (const auto& result : delivery) last[result.key.port] = result;
  }
  EXPECT_FALSE(last[port].healthy);
  EXPECT_TRUE(last[port].known);
  EXPECT_TRUE(last[80].healthy);
  EXPECT_FALSE(last[80].known);
  EXPECT_TRUE(last[80].reason.starts_with("unknown: ")) << last[80].reason;
}

TEST_F(HealthChecksTest, NeverHasMoreUnderWayThanItMay) {
  auto checks = make(3);
  Server slow(io_, "");
  std::vector<std::pair<const char*, uint16_t>> backends;
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6"}) {
    backends.emplace_back(address, slow.port());
  }
  checks.follow(pool(backends, HealthType::kTcp));
  size_t most = 0;
  for (int i = 0; i < 300; ++i) {
    io_.run_one_for(20s);
    most = std::max(most, checks.under_way());
  }
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, 3u);
}

TEST_F(HealthChecksTest, FollowsTheModel) {
  auto checks = make();
  Server server(io_, "x");
  const auto both = pool({{"127.0.0.1", server.port()}, {"127.0.0.2", 1}});
  checks.follow(both);
  EXPECT_EQ(checks.checked(), 2u);
  run_until([&] { return !deliveries_.empty(); });  // 127.0.0.2 is down

  checks.follow(pool({{"127.0.0.1", server.port()}, {"127.0.0.2", 1}}, HealthType::kNone));
  EXPECT_EQ(checks.checked(), 0u);
  EXPECT_TRUE(checks.counts().empty());

  checks.follow({});
  EXPECT_EQ(checks.checked(), 0u);
}

TEST_F(HealthChecksTest, AnAnswerToWhatNobodyAsksAnyMoreSaysNothing) {
  auto checks = make();
  Server silent(io_, ""), other(io_, "x");
  const auto soon = [](HealthCheck& check) { check.timeout = 100ms; };
  const auto elsewhere = [&](HealthCheck& check) { check.port = other.port(); };
  checks.follow(pool({{"127.0.0.1", silent.port()}}, HealthType::kHttp, soon));
  run_until([&] { return checks.under_way() == 1; });
  checks.follow(pool({{"127.0.0.1", silent.port()}}, HealthType::kTcp, elsewhere));
  run_until([&] { return !deliveries_.empty(); });
  EXPECT_TRUE(deliveries_[0][0].healthy);
  EXPECT_EQ(deliveries_[0][0].reason, "connected");
  EXPECT_EQ(checks.counts().at("web").failed + checks.counts().at("web").unknown, 0u);
}

TEST_F(HealthChecksTest, OutlivedByItsProbes) {
  Server silent(io_, "");
  {
    auto checks = make();
    checks.follow(pool({{"127.0.0.1", silent.port()}}, HealthType::kHttp));
    run_until([&] { return checks.under_way() == 1; });
  }
  silent.close();
  io_.run_for(50ms);
  EXPECT_TRUE(deliveries_.empty());
}

}  // namespace
}  // namespace sluice::ctrl

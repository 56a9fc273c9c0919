#include "ctrl/observed/transition_log.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <sstream>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;
using State = lb::BackendState;

class TransitionLogTest : public testing::Test {
 protected:
  TransitionLogTest() : before_(spdlog::default_logger()) {
    auto logger =
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_));
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
    auto pool = std::make_shared<PoolModel>();
    pool->name = "web";
    model_.pools.set("web", pool);
    auto service = std::make_shared<ServiceModel>();
    service->name = "www";
    service->address = *Prefix::parse("203.0.113.10");
    service->first_port = service->last_port = 80;
    service->pool = "web";
    model_.services.set("www", service);
  }
  ~TransitionLogTest() override { spdlog::set_default_logger(before_); }

  static LineBudget::Time at(int time) { return LineBudget::Time(milliseconds(1'000'000 + time)); }
  static BackendTransition transition(State from, State to, const char* reason, bool is_checked = true) {
    return {{"web", *IpAddress::parse("2001:db8::1"), 8080}, from, to, reason, is_checked};
  }
  std::vector<std::string> lines() {
    std::vector<std::string> found;
    std::istringstream all(text_.str());
    for (std::string line; std::getline(all, line);) found.push_back(line);
    text_.str("");
    return found;
  }

  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
  Model model_;
  TransitionLog log_;
};

TEST_F(TransitionLogTest, SaysWhoBecameWhatAndWhy) {
  log_.write({{transition(State::kActive, State::kDown, "connection refused"),
               transition(State::kDown, State::kActive, "HTTP status 200"),
               transition(State::kActive, State::kActive, "unknown: too many open files", false),
               transition(State::kActive, State::kActive, "connected")},
              {}},
             model_, at(0));
  EXPECT_EQ(lines(),
            (std::vector<std::string>{
                "warning backend is down: pool=web address=2001:db8::1 port=8080 from=active to=down "
                "reason=\"connection refused\"",
                "info backend is active: pool=web address=2001:db8::1 port=8080 from=down to=active "
                "reason=\"HTTP status 200\"",
                "warning backend cannot be checked: pool=web address=2001:db8::1 port=8080 state=active "
                "reason=\"unknown: too many open files\"",
                "info backend is checked again: pool=web address=2001:db8::1 port=8080 state=active "
                "reason=\"connected\""}));
}

TEST_F(TransitionLogTest, SaysThatAPoolAndItsServicesHaveNobodyLeftAndAreBack) {
  log_.write({{}, {{"web", 1, {3, 0}}}}, model_, at(0));
  EXPECT_EQ(lines(), (std::vector<std::string>{
                         "error pool has nobody left: pool=web backends=3 fail_open=false",
                         "error service has nobody left: service=www address=203.0.113.10/32 port=80 "
                         "protocol=tcp pool=web"}));
  log_.write({{}, {{"web", 0, {3, 2}}}}, model_, at(1));
  EXPECT_EQ(lines(), (std::vector<std::string>{
                         "info pool is back: pool=web backends=3 available=2",
                         "info service is back: service=www address=203.0.113.10/32 port=80 protocol=tcp "
                         "pool=web"}));
  // One of several, and a new pool that has somebody, are no news.
  log_.write({{}, {{"web", 3, {3, 2}}}}, model_, at(2));
  log_.write({{}, {{"web", std::nullopt, {3, 3}}}}, model_, at(3));
  EXPECT_TRUE(lines().empty());
  log_.write({{}, {{"web", std::nullopt, {0, 0}}}}, model_, at(4));
  EXPECT_EQ(lines().size(), 2u);
}

TEST_F(TransitionLogTest, WritesSoManyLinesASecondAndCountsTheRest) {
  StatusChanges many;
  many.backends.assign(100'000, transition(State::kActive, State::kDown, "timed out"));
  log_.write(many, model_, at(0));
  EXPECT_EQ(lines().size(), LineBudget::kLinesPerSecond);
  // Pools have lines of their own.
  log_.write({{}, {{"web", 1, {3, 0}}}}, model_, at(1));
  EXPECT_EQ(lines().size(), 2u);
  log_.tick(at(500));
  EXPECT_TRUE(lines().empty());
  log_.tick(at(1000));
  EXPECT_EQ(lines(), std::vector<std::string>{
                         "warning 99950 more lines about backends were left out: see backend.list and "
                         "/readyz?verbose"});
  log_.tick(at(5000));
  EXPECT_TRUE(lines().empty());
  many.backends.resize(1);
  log_.write(many, model_, at(5000));
  EXPECT_EQ(lines().size(), 1u);
}

}  // namespace
}  // namespace sluice::ctrl

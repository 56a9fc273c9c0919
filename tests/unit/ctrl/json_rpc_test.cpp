#include <gtest/gtest.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <future>
#include <thread>

#include "ctrl/rpc/json_rpc.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

Reply late_reply;
int set_value = 0;
std::thread::id called_on;

std::vector<Method> methods() {
  return {
      {"echo",
       Role::kView,
       "",
       "",
       {{"value", ParamType::kInteger, false, ""}},
       [](MethodContext&, const Call& call, Reply reply) { reply(call.params); }},
      {"late", Role::kView, "", "", {}, [](MethodContext&, const Call&, Reply reply) { late_reply = reply; }},
      {"admin", Role::kAdmin, "", "", {}, [](MethodContext&, const Call&, Reply reply) { reply(json(1)); }},
      {"refuse",
       Role::kView,
       "",
       "",
       {},
       [](MethodContext&, const Call&, Reply reply) {
         Refusal refusal{Refusal::Kind::kConflict, "no", "why", {{"/a", "b"}}};
         reply(tl::unexpected(refusal));
       }},
      {"throw",
       Role::kView,
       "",
       "",
       {},
       [](MethodContext&, const Call&, Reply) { throw std::runtime_error("broken"); }},
      {"where",
       Role::kView,
       "",
       "",
       {{"text", ParamType::kString, false, ""}},
       [](MethodContext&, const Call&, Reply reply) {
         called_on = std::this_thread::get_id();
         reply(json(1));
       }},
      {"here",
       Role::kView,
       "",
       "",
       {},
       [](MethodContext&, const Call&, Reply reply) {
         called_on = std::this_thread::get_id();
         reply(json(1));
       },
       Where::kLoop},
      {"large",
       Role::kView,
       "",
       "",
       {},
       [](MethodContext&, const Call&, Reply reply) { reply(json(std::string(30u << 20, 'x'))); }},
      {"set",
       Role::kOperate,
       "",
       "",
       {{"value", ParamType::kInteger, true, ""}},
       [](MethodContext&, const Call& call, Reply reply) {
         set_value = call.params["value"].get<int>();
         reply(json{{"changed", {"a", "b"}}});
       },
       Where::kAnswers,
       [](const MethodContext&, const json& params) {
         return Subject{"value " + params["value"].dump(), std::to_string(set_value)};
       }},
  };
}

class JsonRpcTest : public testing::Test {
 protected:
  /// The answer's text; "" for none.
  std::string ask_text(std::string_view text, Role role = Role::kView) { return ask_text(rpc_, text, role); }
  std::string ask_text(JsonRpc& rpc, std::string_view text, Role role = Role::kView) {
    const Peer peer{role, 1000, 1, "tester"};
    std::string answer = "never";
    boost::asio::co_spawn(io_, rpc.answer(text, peer),
                          [&](std::exception_ptr, std::string result) { answer = std::move(result); });
    io_.restart();
    while (!io_.stopped()) {
      io_.poll();
      if (late_reply) std::exchange(late_reply, {})(json("late"));
    }
    return answer;
  }
  json ask(std::string_view text, Role role = Role::kView) { return json::parse(ask_text(text, role)); }

  boost::asio::io_context io_{1};
  alignas(16) char nothing_[64] = {};
  JsonRpc rpc_{methods(), reinterpret_cast<MethodContext*>(nothing_)};
};

TEST_F(JsonRpcTest, AnswersWithTheIdAsItCame) {
  for (const char* id : {"1", "\"x\"", "null", "1.5"}) {
    const auto answer = ask(std::string(R"({"jsonrpc":"2.0","method":"echo","params":[7],"id":)") + id + "}");
    EXPECT_EQ(answer, (json{{"jsonrpc", "2.0"}, {"id", json::parse(id)}, {"result", {{"value", 7}}}}));
  }
}

TEST_F(JsonRpcTest, AnswersAreOneLine) {
  const auto text = ask_text(R"({"jsonrpc":"2.0","method":"echo","id":"a\nb"})");
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

// The cases of the specification's own chapter 7.
TEST_F(JsonRpcTest, FollowsTheSpecificationsExamples) {
  EXPECT_EQ(ask(R"({"jsonrpc": "2.0", "method": "foobar", "id": "1"})")["error"]["code"], -32601);
  EXPECT_EQ(ask(R"({"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz])")["error"]["code"], -32700);
  EXPECT_EQ(ask(R"({"jsonrpc": "2.0", "method": 1, "params": "bar"})")["error"]["code"], -32600);
  EXPECT_EQ(ask("[]")["error"]["code"], -32600);
  EXPECT_EQ(ask("\"a string\"")["error"]["code"], -32600);
  const auto answers = ask("[1,2,3]");
  ASSERT_EQ(answers.size(), 3u);
  for (const auto& answer : answers) {
    EXPECT_EQ(answer["error"]["code"], -32600);
    EXPECT_EQ(answer["id"], nullptr);
  }
  EXPECT_EQ(ask_text(R"([{"jsonrpc":"2.0","method":"echo"},{"jsonrpc":"2.0","method":"echo"}])"), "");
  EXPECT_EQ(ask_text(R"({"jsonrpc":"2.0","method":"nowhere"})"), "");
}

TEST_F(JsonRpcTest, AnswersABatchInOrder) {
  const auto answers = ask(R"([{"jsonrpc":"2.0","method":"echo","params":[1],"id":1},
      {"jsonrpc":"2.0","method":"echo"}, {"jsonrpc":"2.0","method":"late","id":2},
      {"jsonrpc":"2.0","method":"echo","params":[3],"id":3}])");
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0]["result"]["value"], 1);
  EXPECT_EQ(answers[1]["result"], "late");
  EXPECT_EQ(answers[2]["result"]["value"], 3);
}

TEST_F(JsonRpcTest, BoundsBatches) {
  json batch = json::array();
  for (size_t i = 0; i <= JsonRpc::kMaxBatch; ++i) batch.push_back(1);
  EXPECT_EQ(ask(batch.dump())["error"]["code"], -32600);
  const json large = {{"jsonrpc", "2.0"}, {"method", "large"}, {"id", 1}};
  const auto answers = ask(json(std::vector<json>(5, large)).dump());
  ASSERT_EQ(answers.size(), 5u);
  EXPECT_TRUE(answers[2].contains("result"));
  EXPECT_EQ(answers[3]["error"]["data"]["kind"], "unavailable");
  EXPECT_EQ(answers[4]["error"]["data"]["kind"], "unavailable");
}

TEST_F(JsonRpcTest, KeepsRoles) {
  const char* request = R"({"jsonrpc":"2.0","method":"admin","id":1})";
  EXPECT_EQ(ask(request, Role::kOperate)["error"]["data"]["kind"], "forbidden");
  EXPECT_EQ(ask(request, Role::kAdmin)["result"], 1);
}

TEST_F(JsonRpcTest, RefusalsCarryKindHintAndFaults) {
  const auto error = ask(R"({"jsonrpc":"2.0","method":"refuse","id":1})")["error"];
  EXPECT_EQ(error["code"], -32001);
  EXPECT_EQ(error["message"], "no");
  EXPECT_EQ(error["data"], json::parse(R"({"kind":"conflict","hint":"why",
                                           "faults":[{"pointer":"/a","message":"b"}]})"));
  const auto params = ask(R"({"jsonrpc":"2.0","method":"echo","params":{"valu":1},"id":1})")["error"];
  EXPECT_EQ(params["code"], -32602);
  EXPECT_EQ(params["data"]["faults"][0]["pointer"], "/valu");
}

TEST_F(JsonRpcTest, AMethodThatThrowsIsAnError) {
  EXPECT_TRUE(ask(R"({"jsonrpc":"2.0","method":"throw","id":1})").contains("error"));
}

TEST_F(JsonRpcTest, BadUtf8IsNoCrash) {
  EXPECT_TRUE(ask("{\"jsonrpc\":\"2.0\",\"method\":\"\xff\xfe\",\"id\":1}").contains("error"));
}

/// What is logged at level info and above during a call.
std::vector<std::string> logged_during(const std::function<void()>& call) {
  auto sink = std::make_shared<spdlog::sinks::ringbuffer_sink_st>(100);
  sink->set_pattern("%l: %v");
  auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  call();
  spdlog::set_default_logger(before);
  return sink->last_formatted();
}

TEST_F(JsonRpcTest, LogsWhatAChangeHasMadeOfWhat) {
  set_value = 3;
  const auto lines = logged_during([&] {
    ask_text(R"({"jsonrpc":"2.0","id":1,"method":"set","params":{"value":7}})", Role::kOperate);
    ask_text(R"({"jsonrpc":"2.0","id":1,"method":"echo"})", Role::kAdmin);
  });
  EXPECT_EQ(
      lines,
      (std::vector<std::string>{"info: set by tester (uid 1000, pid 1) of value 7: 3 -> 7, changed a, b\n"}));
}

TEST_F(JsonRpcTest, LogsWhyAChangeWasRefused) {
  const auto lines = logged_during([&] {
    ask_text(R"({"jsonrpc":"2.0","id":1,"method":"admin"})", Role::kView);
    ask_text(R"({"jsonrpc":"2.0","id":1,"method":"set","params":{"value":"x"}})", Role::kAdmin);
  });
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].find("warning: admin by tester (uid 1000, pid 1): refused: admin needs the role admin"),
            0u);
  EXPECT_EQ(lines[1].find("warning: set by tester (uid 1000, pid 1): refused: "), 0u);
  EXPECT_NE(lines[1].find("/value: "), std::string::npos) << lines[1];
}

TEST_F(JsonRpcTest, RefusesAKeyThatIsThereTwice) {
  set_value = 3;
  for (const char* request :
       {R"({"jsonrpc":"2.0","id":1,"method":"echo","method":"set","params":{"value":7}})",
        R"({"jsonrpc":"2.0","id":1,"method":"set","params":{"value":7,"value":8}})",
        R"([{"jsonrpc":"2.0","id":1,"method":"set","params":{"v":[{"a":1,"\u0061":2}]}}])"}) {
    const auto answer = json::parse(ask_text(request, Role::kAdmin));
    EXPECT_EQ(answer["error"]["code"], rpc_code::kInvalidRequest) << request;
    EXPECT_NE(answer["error"]["message"].get<std::string>().find("twice"), std::string::npos);
  }
  EXPECT_EQ(set_value, 3);
  // The same name in two objects is no repetition.
  EXPECT_TRUE(
      json::parse(ask_text(R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{}})")).contains("result"));
}

TEST_F(JsonRpcTest, CallsMethodsOnTheThreadsThatTheyAskFor) {
  ControlThreads threads;
  JsonRpc rpc(methods(), reinterpret_cast<MethodContext*>(nothing_), &threads);
  const json answer = {{"jsonrpc", "2.0"}, {"id", 1}, {"result", 1}};
  EXPECT_EQ(json::parse(ask_text(rpc, R"({"jsonrpc":"2.0","method":"here","id":1})")), answer);
  EXPECT_EQ(called_on, std::this_thread::get_id());
  EXPECT_EQ(json::parse(ask_text(rpc, R"({"jsonrpc":"2.0","method":"where","id":1})")), answer);
  EXPECT_NE(called_on, std::this_thread::get_id());
  const std::string large = json{
      {"jsonrpc", "2.0"},
      {"method", "where"},
      {"params", {{"text", std::string(JsonRpc::kReadAtOnce, 'x')}}},
      {"id", 1}}.dump();
  EXPECT_EQ(json::parse(ask_text(rpc, large)), answer);
  EXPECT_EQ(json::parse(ask_text(rpc, "[" + large + "," + large + "]")), (json{answer, answer}));
  EXPECT_EQ(json::parse(ask_text(rpc, "{" + large))["error"]["code"], -32700);
  EXPECT_TRUE(json::parse(ask_text(rpc, R"({"jsonrpc":"2.0","method":"throw","id":1})")).contains("error"));
}

TEST(ControlThreads, MakesChangesInTheOrderInWhichTheyCame) {
  ControlThreads threads;
  std::vector<int> order;
  std::promise<void> last;
  for (int i = 0; i < 100; ++i) {
    threads.change([&, i] {
      if (i % 10 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      order.push_back(i);
      if (i == 99) last.set_value();
    });
  }
  last.get_future().wait();
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(order.size(), 100u);
}

TEST(ControlThreads, AJobThatFailsDoesNotEndTheOthers) {
  ControlThreads threads;
  std::promise<void> done;
  threads.observe([] { throw std::runtime_error("broken"); });
  threads.observe([&] { done.set_value(); });
  done.get_future().wait();
}

}  // namespace
}  // namespace sluice::ctrl

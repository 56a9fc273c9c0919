// The pure parts of sluicectl: what it prints, and how it reads endpoints and errors.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "sluicectl/client.h"
#include "sluicectl/endpoint.h"
#include "sluicectl/render.h"
#include "sluicectl/top.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

TEST(RenderTable, AlignsRowsUnderTheirHeader) {
  const json rows = {{{"pool", "web"}, {"port", 80}, {"share", 0.25}, {"hidden", 1}},
                     {{"pool", "a-long-name"}, {"port", 8080}, {"share", nullptr}}};
  EXPECT_EQ(render_table(rows, {"pool", "port", "share"}),
            "POOL         PORT  SHARE\n"
            "web            80   0.25\n"
            "a-long-name  8080  -\n");
}

TEST(RenderTable, AnEmptyListHasAHeader) {
  EXPECT_EQ(render_table(json::array(), {"pool", "port"}), "POOL  PORT\n");
}

TEST(RenderTable, AnObjectHasALineForEachMember) {
  EXPECT_EQ(render_table({{"b", 1}, {"long", "x"}, {"rows", {{{"n", 1}}}}}, {}),
            "b     1\nlong  x\n\nROWS\nN\n1\n");
}

TEST(RenderYaml, ComesBackAsItWas) {
  const json value =
      json::parse(R"({"no": "no", "number": "012", "n": 12, "t": true, "z": null, "e": {}, "l": [],
                                     "list": [{"a": "x: y"}, [1, "2"]], "text": "two\nlines \"quoted\""})");
  const auto back = YAML::Load(render_yaml(value));
  EXPECT_EQ(back["no"].Tag(), "!");  // quoted: a string for every reader
  EXPECT_EQ(back["number"].Tag(), "!");
  EXPECT_EQ(back["n"].Tag(), "?");
  EXPECT_EQ(back["n"].as<int>(), 12);
  EXPECT_TRUE(back["t"].as<bool>());
  EXPECT_TRUE(back["z"].IsNull());
  EXPECT_TRUE(back["e"].IsMap());
  EXPECT_EQ(back["e"].size(), 0u);
  EXPECT_TRUE(back["l"].IsSequence());
  EXPECT_EQ(back["list"][0]["a"].as<std::string>(), "x: y");
  EXPECT_EQ(back["text"].as<std::string>(), "two\nlines \"quoted\"");
}

TEST(ParseEndpoint, TakesBothFamilies) {
  const auto text = [](const std::string& endpoint) {
    const auto parsed = parse_endpoint(endpoint);
    return parsed ? parsed->address + " " + (parsed->port ? std::to_string(*parsed->port) : "-") : "refused";
  };
  EXPECT_EQ(text("192.0.2.1:80"), "192.0.2.1 80");
  EXPECT_EQ(text("192.0.2.1"), "192.0.2.1 -");
  EXPECT_EQ(text("[2001:db8::1]:0"), "2001:db8::1 0");
  EXPECT_EQ(text("[2001:db8::1]"), "2001:db8::1 -");
  EXPECT_EQ(text("2001:db8::1"), "2001:db8::1 -");
  for (const char* bad : {"", ":80", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:80x", "[2001:db8::1",
                          "web:80", "[2001:db8::1]80", "2001:db8::1]:80"}) {
    EXPECT_EQ(text(bad), "refused") << bad;
  }
}

TEST(FailureOf, KnowsTheExitCodes) {
  const auto code = [](const char* method, const char* kind) {
    return failure_of(method, {{"message", "m"}, {"data", {{"kind", kind}}}}).code;
  };
  EXPECT_EQ(code("config.apply", "invalid"), ExitCode::kConfigInvalid);
  EXPECT_EQ(code("backend.set", "invalid"), ExitCode::kRefused);
  EXPECT_EQ(code("config.apply", "conflict"), ExitCode::kConflict);
  EXPECT_EQ(code("config.apply", "forbidden"), ExitCode::kNotPermitted);
  EXPECT_EQ(code("config.apply", "restart_needed"), ExitCode::kRefused);
  EXPECT_EQ(code("service.table", "not_found"), ExitCode::kRefused);
  EXPECT_EQ(failure_of("x", json::object()).code, ExitCode::kRefused);
}

TEST(ShortNumber, HasThreeDigits) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.5), "0.5");
  EXPECT_EQ(short_number(999), "999");
  EXPECT_EQ(short_number(1234), "1.23k");
  EXPECT_EQ(short_number(999'999), "1M");
  EXPECT_EQ(short_number(12'345'678), "12.3M");
}

TopReading reading(double seconds, uint64_t packets, uint64_t drops) {
  TopReading reading;
  reading.seconds = seconds;
  reading.stats = {{"generation", 3},
                   {"received_packets", packets},
                   {"transmitted_packets", packets},
                   {"dropped_packets", drops},
                   {"ports",
                    {{{"port", "edge0"},
                      {"received_packets", packets},
                      {"received_bytes", packets * 100},
                      {"transmitted_packets", packets},
                      {"transmitted_bytes", 0},
                      {"missed_packets", 0}}}},
                   {"workers",
                    {{{"worker", 0},
                      {"cpu", 1},
                      {"role", "worker"},
                      {"busy_cycles", packets},
                      {"idle_cycles", packets * 3},
                      {"flow_entries", 42}}}}};
  reading.services = json::array();
  for (int i = 0; i < 30; ++i) {
    reading.services.push_back({{"service", "s" + std::to_string(i)},
                                {"packets", packets * static_cast<unsigned>(i)},
                                {"bytes", 0},
                                {"flows", 0},
                                {"active_flows", 1}});
  }
  for (const auto& [address, state, flows] :
       {std::tuple("192.0.2.1", "active", 5), std::tuple("192.0.2.2", "down", 0),
        std::tuple("192.0.2.3", "active", 9)}) {
    reading.backends.push_back({{"pool", "web"},
                                {"address", address},
                                {"port", 80},
                                {"state", state},
                                {"reason", "why"},
                                {"share", 0.5},
                                {"active_flows", flows}});
  }
  reading.drops = {{"no_service", drops}, {"tx_full", 0}};
  return reading;
}

TEST(Top, ShowsRates) {
  const auto screen = render_top(reading(10, 1000, 0), reading(12, 5000, 10), 100);
  EXPECT_NE(screen.find("generation 3  received 2k/s  transmitted 2k/s  dropped 5/s  flows 42\n"),
            std::string::npos);
  EXPECT_NE(screen.find("edge0  2k      1.6M"), std::string::npos) << screen;
  EXPECT_NE(screen.find("25.0%"), std::string::npos);
  EXPECT_NE(screen.find("no_service"), std::string::npos);
  EXPECT_EQ(screen.find("tx_full"), std::string::npos);
  EXPECT_LT(screen.find("s29 "), screen.find("s28 "));
  EXPECT_EQ(screen.find("s1 "), std::string::npos);
  EXPECT_LT(screen.find("192.0.2.2"), screen.find("192.0.2.3"));  // what is not active first
  EXPECT_LT(screen.find("192.0.2.3"), screen.find("192.0.2.1"));  // then by flows
  EXPECT_NE(screen.find("192.0.2.1"), std::string::npos);
}

TEST(Top, FitsTheScreen) {
  const auto screen = render_top(reading(10, 0, 0), reading(11, 1, 1), 5);
  EXPECT_EQ(std::ranges::count(screen, '\n'), 5);
}

TEST(Top, ARestartIsNoNegativeRate) {
  EXPECT_NE(render_top_line(reading(10, 1000, 50), reading(11, 10, 0)).find("received 10/s"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::sluicectl

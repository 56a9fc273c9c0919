#include "ctrl/rpc/method.h"

#include <gtest/gtest.h>

#include "ctrl/rpc/methods/methods.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

const Method kMethod{"example.set",
                     Role::kView,
                     "",
                     "",
                     {{"pool", ParamType::kString, true, ""},
                      {"address", ParamType::kAddress, true, ""},
                      {"port", ParamType::kInteger, true, "", 0, 65535},
                      {"state", ParamType::kString, false, "", 0, 0, {"active", "draining"}},
                      {"config", ParamType::kObject, false, ""},
                      {"dry_run", ParamType::kBoolean, false, ""}},
                     nullptr};

std::vector<std::string> pointers(const json& params) {
  const auto checked = check_params(kMethod, params);
  std::vector<std::string> found;
  if (!checked) {
    for (const auto& fault : checked.error().faults) found.push_back(fault.pointer);
  }
  return found;
}

using List = std::vector<std::string>;

TEST(CheckParams, AcceptsNamesAndPositions) {
  const json named = {{"pool", "web"}, {"address", "2001:db8::1"}, {"port", 80}};
  EXPECT_EQ(check_params(kMethod, named).value(), named);
  EXPECT_EQ(check_params(kMethod, json::array({"web", "2001:db8::1", 80})).value(), named);
  EXPECT_EQ(check_params(kMethod, json::array({"web", "2001:db8::1", 80, nullptr})).value(), named);
}

TEST(CheckParams, NamesEveryFault) {
  EXPECT_EQ(pointers(nullptr), (List{"/pool", "/address", "/port"}));
  EXPECT_EQ(pointers({{"pool", 1}, {"address", "10.0.0.256"}, {"port", 65536}, {"p/~", 1}}),
            (List{"/address", "/p~1~0", "/pool", "/port"}));
  EXPECT_EQ(pointers(json::array({"web", "10.0.0.1", 80, "active", json::object(), true, 7})), List{"/6"});
}

TEST(CheckParams, KeepsRangesAndChoices) {
  json params = {{"pool", "web"}, {"address", "10.0.0.1"}, {"port", 0}};
  EXPECT_TRUE(pointers(params).empty());
  for (const json& port : {json(-1), json(65536), json(18446744073709551615u), json(80.5), json("80")}) {
    params["port"] = port;
    EXPECT_EQ(pointers(params), List{"/port"}) << port;
  }
  params["port"] = 65535;
  params["state"] = "broken";
  EXPECT_EQ(pointers(params), List{"/state"});
  params["state"] = "draining";
  EXPECT_TRUE(pointers(params).empty());
}

TEST(ParamsSchema, SaysWhatIsChecked) {
  const json schema = params_schema(kMethod);
  EXPECT_EQ(schema["required"], json({"pool", "address", "port"}));
  EXPECT_EQ(schema["properties"]["port"]["maximum"], 65535);
  EXPECT_EQ(schema["properties"]["state"]["enum"], json({"active", "draining"}));
  EXPECT_EQ(schema["properties"]["config"]["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
}

TEST(Methods, EachThatChangesSomethingSaysWhatForTheLog) {
  for (const Method& method : all_methods()) {
    EXPECT_EQ(method.subject != nullptr, method.role > Role::kView) << method.name;
  }
}

}  // namespace
}  // namespace sluice::ctrl

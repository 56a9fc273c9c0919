// Compared with valijson, which shares nothing with ours but the schema.
#include "ctrl/intent/json_schema.h"

#include <gtest/gtest.h>

#include <random>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "ctrl/intent/config_schema.h"
#include "tests/unit/ctrl/sample_config.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

/// The schema without `pattern`, which is not ours to check.
json without_patterns(json schema) {
  if (schema.is_object() && schema.contains("pattern") && schema["pattern"].is_string())
    schema.erase("pattern");
  if (schema.is_structured()) {
    for (json& child : schema) child = without_patterns(child);
  }
  return schema;
}

class Valijson {
 public:
  explicit Valijson(const json& schema) {
    valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), schema_);
  }
  bool accepts(const json& document) const {
    return valijson::Validator().validate(schema_, valijson::adapters::NlohmannJsonAdapter(document),
                                          nullptr);
  }

 private:
  valijson::Schema schema_;
};

std::vector<json*> places_in(json& root) {
  std::vector<json*> places{&root};
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i]->is_structured()) continue;
    for (json& child : *places[i]) places.push_back(&child);
  }
  return places;
}

void bend(json& config, std::mt19937& random) {
  static const json kValues[] = {nullptr,
                                 true,
                                 -1,
                                 0,
                                 1,
                                 70000,
                                 1.5,
                                 "",
                                 "x",
                                 "any",
                                 "tcp",
                                 json::array(),
                                 json::object(),
                                 json::array({1, 2, 3}),
                                 {{"name", "n"}}};
  const auto places = places_in(config);
  json& place = *places[random() % places.size()];
  switch (random() % 3) {
    case 0:
      place = kValues[random() % std::size(kValues)];
      break;
    case 1:
      if (place.is_object() && !place.empty()) {
        place.erase(std::next(place.begin(), static_cast<long>(random() % place.size())));
      } else if (place.is_array()) {
        place.push_back(kValues[random() % std::size(kValues)]);
      }
      break;
    default:
      if (place.is_object()) place[random() % 2 ? "name" : "nmae"] = kValues[random() % std::size(kValues)];
  }
}

TEST(JsonSchema, AgreesWithValijson) {
  const json schema = without_patterns(json::parse(config_schema()));
  const JsonSchema ours(schema);
  const Valijson theirs(schema);
  std::mt19937 random(1);
  size_t accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    json config = test::sample_config();
    for (unsigned changes = random() % 3; changes-- > 0;) bend(config, random);
    const auto faults = ours.check(config);
    EXPECT_EQ(faults.empty(), theirs.accepts(config)) << config << testing::PrintToString(faults.size());
    accepted += faults.empty();
  }
  EXPECT_GT(accepted, 100u);
  EXPECT_LT(accepted, 1400u);
}

TEST(JsonSchema, RefusesKeywordsThatItDoesNotKnow) {
  EXPECT_THROW(JsonSchema(json{{"type", "object"}, {"minProperties", 1}}), std::invalid_argument);
  EXPECT_THROW(JsonSchema(json{{"type", "thing"}}), std::invalid_argument);
}

TEST(JsonSchema, RefusesCycles) {
  EXPECT_THROW(JsonSchema(json::parse(R"({"$ref": "#/definitions/a",
      "definitions": {"a": {"type": "array", "items": {"$ref": "#/definitions/a"}}}})")),
               std::invalid_argument);
}

TEST(Nearest, FindsTheWordThatWasMeant) {
  const std::vector<std::string> words{"ports", "routes", "pools"};
  EXPECT_EQ(nearest("prots", words), "ports");
  EXPECT_EQ(nearest("pool", words), "pools");
  EXPECT_EQ(nearest("elephant", words), std::nullopt);
  EXPECT_EQ(nearest(std::string(1 << 20, 'p'), words), std::nullopt);
}

}  // namespace
}  // namespace sluice::ctrl

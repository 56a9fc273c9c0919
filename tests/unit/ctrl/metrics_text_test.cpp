#include "ctrl/metrics_text.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

ClientMetric counter(std::string label, double value) {
  ClientMetric metric;
  metric.label = {{"pool", std::move(label)}};
  metric.counter.value = value;
  return metric;
}

std::vector<std::string> pieces(std::vector<MetricSource> sources) {
  MetricsText text(std::move(sources));
  std::vector<std::string> found;
  for (std::string piece; text.next(piece);) found.push_back(piece);
  return found;
}

TEST(MetricsText, DescribesAFamilyOnceThoughItComesInPieces) {
  int round = 0;
  const auto found = pieces({{"sluice_a_total", "Help.", MetricType::Counter, [&](auto& samples) {
                                samples.push_back(counter("p" + std::to_string(round), round));
                                return ++round < 3;
                              }}});
  EXPECT_EQ(found,
            (std::vector<std::string>{"# HELP sluice_a_total Help.\n# TYPE sluice_a_total counter\n"
                                      "sluice_a_total{pool=\"p0\"} 0\n",
                                      "sluice_a_total{pool=\"p1\"} 1\n", "sluice_a_total{pool=\"p2\"} 2\n"}));
}

TEST(MetricsText, AFamilyWithoutSamplesLeavesNoTrace) {
  const auto nothing = [](auto&) { return false; };
  const auto one = [](auto& samples) {
    samples.push_back(counter("x", 7));
    return false;
  };
  const auto found = pieces({{"a", "A.", MetricType::Counter, nothing},
                             {"b_total", "B.", MetricType::Counter, one},
                             {"c", "C.", MetricType::Counter, nothing}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], "# HELP b_total B.\n# TYPE b_total counter\nb_total{pool=\"x\"} 7\n");
  EXPECT_TRUE(pieces({}).empty());
}

TEST(MetricsText, EmptyPiecesBeforeTheFirstSampleAreNoEnd) {
  int round = 0;
  const auto found = pieces({{"a_total", "A.", MetricType::Counter, [&](auto& samples) {
                                if (++round == 3) samples.push_back(counter("x", 1));
                                return round < 3;
                              }}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("# HELP"));
}

TEST(MetricsText, EscapesLabels) {
  const auto found = pieces({{"a_total", "A.", MetricType::Counter, [](auto& samples) {
                                samples.push_back(counter("a\"b\\c\nd", 1));
                                return false;
                              }}});
  EXPECT_NE(found.at(0).find(R"({pool="a\"b\\c\nd"})"), std::string::npos);
}

}  // namespace
}  // namespace sluice::ctrl

#include "ctrl/telemetry/metrics_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

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

TEST(MetricsText, WritesEveryNumberSoThatItIsReadAsTheSame) {
  std::vector<double> values = {0,     1,   -3,     0.1,    1e6, 123456789012, 1e15, 9007199254740993.0,
                                1e300, 2.5, 5e-324, 1.0 / 3};
  const auto found = pieces({{"a", "A.", MetricType::Gauge, [&](auto& samples) {
                                for (const double value : values) {
                                  samples.emplace_back().gauge.value = value;
                                }
                                return false;
                              }}});
  ASSERT_EQ(found.size(), 1u);
  std::istringstream lines(found[0].substr(found[0].find("\na ") + 1));
  for (const double value : values) {
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(std::strtod(line.c_str() + 2, nullptr), value) << line;
  }
  EXPECT_NE(found[0].find("\na 123456789012\n"), std::string::npos);
}

TEST(MetricsText, AHistogramHasItsBuckets) {
  const auto found = pieces({{"h", "H.", MetricType::Histogram, [](auto& samples) {
                                ClientMetric sample;
                                sample.histogram = {3, 1.5, {{1, 0.5}, {3, INFINITY}}};
                                samples.push_back(sample);
                                return false;
                              }}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].starts_with("# HELP h H.\n# TYPE h histogram\n"));
  EXPECT_NE(found[0].find("h_bucket{le=\"0.5\"} 1\n"), std::string::npos);
  EXPECT_NE(found[0].find("h_count 3\n"), std::string::npos);
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

#include "ctrl/telemetry/metrics_text.h"

#include <prometheus/text_serializer.h>

#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

namespace sluice::ctrl {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricType;

void add_value(std::string& text, double value) {
  if (!std::isfinite(value)) {
    text += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> digits;
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  const bool is_integer = std::abs(value) < kExactIntegers && value == std::trunc(value);
  const auto end = is_integer ? std::to_chars(digits.begin(), digits.end(), static_cast<int64_t>(value)).ptr
                              : std::to_chars(digits.begin(), digits.end(), value).ptr;
  text.append(digits.data(), end);
}

void add_escaped(std::string& text, std::string_view value) {
  for (const char byte : value) {
    if (byte == '\n') {
      text += "\\n";
    } else {
      if (byte == '\\' || byte == '"') text += '\\';
      text += byte;
    }
  }
}

/// Counters and gauges, of which there may be a million: prometheus-cpp's serializer takes several times as
/// long.
void add_samples(std::string& text, const MetricSource& source, const std::vector<ClientMetric>& samples) {
  for (const ClientMetric& sample : samples) {
    text += source.name;
    char before = '{';
    for (const auto& label : sample.label) {
      text += before;
      before = ',';
      text.append(label.name).append("=\"");
      add_escaped(text, label.value);
      text += '"';
    }
    if (before == ',') text += '}';
    text += ' ';
    add_value(text, source.type == MetricType::Counter ? sample.counter.value : sample.gauge.value);
    text += '\n';
  }
}

void add_description(std::string& text, const MetricSource& source) {
  text += "# HELP " + source.name + " " + source.help + "\n# TYPE " + source.name +
          (source.type == MetricType::Counter ? " counter\n" : " gauge\n");
}

/// One piece, with its description.
std::string histogram_text(const MetricSource& source, std::vector<ClientMetric> samples) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, {{source.name, source.help, source.type, std::move(samples)}});
  return std::move(out).str();
}

}  // namespace

bool MetricsText::next(std::string& text) {
  text.clear();
  while (text.empty() && current_ < sources_.size()) {
    const MetricSource& source = sources_[current_];
    std::vector<ClientMetric> samples;
    const bool more = source.fill(samples);
    if (!samples.empty() && source.type == MetricType::Histogram) {
      text = histogram_text(source, std::move(samples));
    } else if (!samples.empty()) {
      if (!described_) add_description(text, source);
      add_samples(text, source, samples);
      described_ = true;
    }
    if (!more) {
      ++current_;
      described_ = false;
    }
  }
  return !text.empty();
}

}  // namespace sluice::ctrl

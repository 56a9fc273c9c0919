#include "ctrl/metrics_text.h"

#include <prometheus/text_serializer.h>

#include <sstream>

namespace sluice::ctrl {
namespace {

/// The samples alone: the serializer writes HELP and TYPE, a line each, before them.
void remove_description(std::string& text) {
  for (int line = 0; line < 2; ++line) text.erase(0, text.find('\n') + 1);
}

}  // namespace

bool MetricsText::next(std::string& text) {
  text.clear();
  while (text.empty() && current_ < sources_.size()) {
    const MetricSource& source = sources_[current_];
    std::vector<prometheus::MetricFamily> family(1);
    const bool more = source.fill(family[0].metric);
    if (!family[0].metric.empty()) {
      family[0].name = source.name;
      family[0].help = source.help;
      family[0].type = source.type;
      std::ostringstream out;
      prometheus::TextSerializer().Serialize(out, family);
      text = std::move(out).str();
      if (described_) remove_description(text);
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

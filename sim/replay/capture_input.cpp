#include "sim/replay/capture_input.h"

#include <algorithm>

namespace sluice::sim {

PortFile parse_port_file(const std::string& word) {
  const size_t equals = word.find('=');
  const size_t slash = word.find('/');
  if (equals == std::string::npos || slash < equals) return {"", word};
  return {word.substr(0, equals), word.substr(equals + 1)};
}

Result<unsigned> find_port(const std::string& name, const std::vector<std::string>& ports) {
  const auto found = std::ranges::find(ports, name);
  if (found != ports.end()) return static_cast<unsigned>(found - ports.begin());
  std::string all;
  for (const std::string& port : ports) all += (all.empty() ? "" : ", ") + port;
  return fail("the configuration has no port \"" + name + "\"; it has: " + all);
}

Result<CaptureInput> CaptureInput::open(const std::vector<PortFile>& files,
                                        const std::vector<std::string>& ports,
                                        const std::vector<MacAddress>& macs) {
  CaptureInput input;
  input.macs_ = macs;
  for (const PortFile& file : files) {
    std::optional<unsigned> port;
    if (!file.port.empty()) {
      const auto found = find_port(file.port, ports);
      if (!found) return tl::unexpected(found.error());
      port = *found;
    } else if (ports.size() == 1) {
      port = 0;
    }
    auto reader = CaptureReader::open(file.path);
    if (!reader) return tl::unexpected(reader.error());
    input.sources_.push_back({file.path, port, std::move(*reader), std::nullopt});
    input.read_next(input.sources_.back());
  }
  std::ranges::stable_sort(input.sources_, {}, [](const Source& source) { return source.port.value_or(0); });
  return input;
}

void CaptureInput::read_next(Source& source) {
  const uint64_t before = source.next ? source.next->since_1970_ns : 0;
  source.next = source.reader.next();
  if (source.next) {
    source.next->since_1970_ns = std::max(source.next->since_1970_ns, before);
  } else if (source.reader.was_torn()) {
    notices_.push_back(source.path + ": the capture is cut off within a frame; what is before it was used");
  }
}

std::optional<uint64_t> CaptureInput::next_time() const {
  std::optional<uint64_t> first;
  for (const Source& source : sources_) {
    if (source.next && (!first || source.next->since_1970_ns < *first)) first = source.next->since_1970_ns;
  }
  return first;
}

std::vector<CaptureInput::Arrival> CaptureInput::take() {
  std::vector<Arrival> arrivals;
  const auto now = next_time();
  for (Source& source : sources_) {
    while (source.next && source.next->since_1970_ns <= *now) {
      const unsigned port = port_of(source, source.next->bytes);
      arrivals.push_back({port, std::move(*source.next)});
      source.next->since_1970_ns = *now;  // the order of times is kept from here
      read_next(source);
    }
  }
  return arrivals;
}

unsigned CaptureInput::port_of(const Source& source, const Frame& frame) const {
  if (source.port) return *source.port;
  const auto view = view_frame(frame);
  const auto found = view ? std::ranges::find(macs_, view->destination) : macs_.end();
  return found == macs_.end() ? 0 : static_cast<unsigned>(found - macs_.begin());
}

}  // namespace sluice::sim

#include "sim/replay/replay.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "ctrl/store/traffic_totals.h"
#include "sim/core/simulated_gateway.h"
#include "sim/replay/assumed_neighbors.h"
#include "sim/replay/flow_report.h"
#include "sim/replay/replay_notices.h"
#include "sim/replay/report_json.h"

namespace sluice::sim {
namespace {

using nlohmann::json;

constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kAfterwards = 1'000'000'000;
constexpr Nanoseconds kNeighborDelay = 100'000;

/// A port without a MAC address of its own is who its capture's frames are sent to.
void take_macs(ctrl::Model& model, const std::vector<PortFile>& files, std::vector<std::string>& notices) {
  auto& ports = model.boot.ports;
  for (const PortFile& file : files) {
    for (dataplane::PortConfig& port : ports) {
      const bool is_its = file.port == port.name || (file.port.empty() && ports.size() == 1);
      if (!is_its || port.mac) continue;
      port.mac = most_frequent_destination(file.path);
      if (port.mac) notices.push_back(notice_of_mac(port.name, *port.mac, file.path));
    }
  }
}

class Replay {
 public:
  Replay(SimulatedGateway& gateway, CaptureInput input, const ReplayWish& wish)
      : gateway_(gateway), input_(std::move(input)), wish_(wish), report_(gateway) {}

  Result<void> open_outputs(const std::vector<std::string>& ports);
  void run();
  Result<void> finish();
  json result(const std::vector<std::string>& ports, std::vector<std::string> notices) const;

 private:
  void take_arrivals();
  void take_answers();
  void send(unsigned port, Frame frame);
  Nanoseconds virtual_time(uint64_t since_1970_ns) const { return since_1970_ns - first_ + begin_; }
  bool assumes_neighbors(unsigned port) const;

  SimulatedGateway& gateway_;
  CaptureInput input_;
  const ReplayWish& wish_;
  FlowReport report_;
  std::vector<std::string> ports_;
  std::vector<std::pair<std::optional<unsigned>, CaptureWriter>> outputs_;
  AssumedNeighbors neighbors_;
  std::multimap<Nanoseconds, std::pair<unsigned, Frame>> answers_;  ///< of neighbors, under way
  uint64_t first_ = 0;                                              ///< when the first frame was captured
  Nanoseconds begin_ = 0;
  ReplayCounts counts_;
};

Result<void> Replay::open_outputs(const std::vector<std::string>& ports) {
  ports_ = ports;
  for (const PortFile& file : wish_.out) {
    std::optional<unsigned> port;
    if (!file.port.empty()) {
      const auto found = find_port(file.port, ports);
      if (!found) return tl::unexpected(found.error());
      port = *found;
    }
    auto writer = CaptureWriter::open(file.path);
    if (!writer) return tl::unexpected(writer.error());
    outputs_.emplace_back(port, std::move(*writer));
  }
  gateway_.on_sent([this](unsigned port, Frame frame) { send(port, std::move(frame)); });
  return {};
}

bool Replay::assumes_neighbors(unsigned port) const {
  if (wish_.assumes_neighbors) return *wish_.assumes_neighbors;
  return ports_.size() == 1 ||
         std::ranges::none_of(wish_.in, [&](const PortFile& file) { return file.port == ports_[port]; });
}

void Replay::send(unsigned port, Frame frame) {
  const uint64_t since_1970_ns = first_ + (gateway_.now() - begin_);
  for (auto& [wanted, writer] : outputs_) {
    if (!wanted || *wanted == port) writer.write(since_1970_ns, frame);
  }
  if (!assumes_neighbors(port)) return;
  if (auto answer = neighbors_.answer(port, frame)) {
    answers_.emplace(gateway_.now() + kNeighborDelay, std::pair(port, std::move(*answer)));
  }
}

void Replay::take_arrivals() {
  for (auto& [port, frame] : input_.take()) {
    ++counts_.frames;
    if (frame.is_cut) ++counts_.cut;
    const auto view = view_frame(frame.bytes);
    const auto& mac = gateway_.gateway().data_plane().ports()[port].mac;
    if (view && view->is_ip && !view->destination.is_multicast() && view->destination != mac)
      ++counts_.foreign;
    report_.note_arrival(port, frame.since_1970_ns, frame.bytes);
    gateway_.arrive(port, std::move(frame.bytes));
  }
}

void Replay::take_answers() {
  while (!answers_.empty() && answers_.begin()->first <= gateway_.now()) {
    auto& [port, frame] = answers_.begin()->second;
    gateway_.arrive(port, std::move(frame));
    answers_.erase(answers_.begin());
  }
}

void Replay::run() {
  begin_ = gateway_.now();
  first_ = input_.next_time().value_or(0);
  std::optional<Nanoseconds> end;
  if (wish_.until) end = begin_ + static_cast<Nanoseconds>(wish_.until->count());
  gateway_.settle();
  while (true) {
    const auto next = input_.next_time();
    if (!next && !end) end = gateway_.now() + kAfterwards;
    // A millisecond at a time: neighbors may answer to what is sent meanwhile.
    Nanoseconds then = (gateway_.now() / kMillisecond + 1) * kMillisecond;
    if (next) then = std::min(then, std::max(virtual_time(*next), gateway_.now()));
    if (!answers_.empty()) then = std::min(then, answers_.begin()->first);
    if (end && then > *end) break;
    gateway_.advance(then);
    const bool arrives = next && virtual_time(*next) <= then;
    if (arrives) take_arrivals();
    take_answers();
    gateway_.settle();
    if (arrives) report_.explain_new();
  }
  if (gateway_.now() < *end) gateway_.advance(*end);
  counts_.is_all_read = !input_.next_time();
  counts_.duration_ns = gateway_.now() - begin_;
}

Result<void> Replay::finish() {
  report_.explain_new();
  counts_.totals = ctrl::traffic_totals(gateway_.gateway().data_plane());
  for (auto& [port, writer] : outputs_) {
    if (auto written = writer.finish(); !written) return written;
  }
  outputs_.clear();
  return {};
}

json Replay::result(const std::vector<std::string>& ports, std::vector<std::string> notices) const {
  notices.insert(notices.end(), input_.notices().begin(), input_.notices().end());
  json result = report_object(counts_, report_.flows(), ports, first_);
  result["assumed_neighbors"] = neighbors_array(neighbors_.known(), ports);
  add_notices_of(counts_, neighbors_.known().size(), notices);
  result["notices"] = std::move(notices);
  return result;
}

}  // namespace

Result<json> replay(ctrl::Model model, const ReplayWish& wish) {
  std::vector<std::string> notices = notices_of(model);
  take_macs(model, wish.in, notices);
  std::vector<std::string> ports;
  for (const dataplane::PortConfig& port : model.boot.ports) ports.push_back(port.name);
  std::vector<MacAddress> macs;
  for (const dataplane::PortConfig& port : model.boot.ports) macs.push_back(port.mac.value_or(MacAddress{}));
  auto input = CaptureInput::open(wish.in, ports, macs);
  if (!input) return tl::unexpected(input.error());

  const std::chrono::nanoseconds first(input->next_time().value_or(0));
  auto gateway = SimulatedGateway::start(std::move(model), {.since_1970 = first});
  if (!gateway) return tl::unexpected(gateway.error());
  Replay replayed(**gateway, std::move(*input), wish);
  if (auto opened = replayed.open_outputs(ports); !opened) return tl::unexpected(opened.error());
  replayed.run();
  if (auto finished = replayed.finish(); !finished) return tl::unexpected(finished.error());
  (*gateway)->on_sent([](unsigned, Frame) {});
  return replayed.result(ports, std::move(notices));
}

}  // namespace sluice::sim

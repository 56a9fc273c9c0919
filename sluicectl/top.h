// The live view: what two readings of the counters say about the time between them. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sluice::sluicectl {

/// What the gateway answered at one moment.
struct TopReading {
  double seconds = 0;       ///< on any steady clock
  nlohmann::json stats;     ///< stats.get
  nlohmann::json services;  ///< service.list
  nlohmann::json backends;  ///< backend.list
  nlohmann::json drops;     ///< drops.get
};

/// A screen of at most `lines` lines: totals, ports, workers, the drops that grow, the
/// busiest services, and the backends: those that are not active first.
std::string render_top(const TopReading& before, const TopReading& now, size_t lines);

/// The same in one line, for files and pipes.
std::string render_top_line(const TopReading& before, const TopReading& now);

/// `1.23M`: four characters or so for any number.
std::string short_number(double value);

}  // namespace sluice::sluicectl

// What arrives in a replay: the frames of one capture or several, in the order of their times, each with the
// port that it comes in by. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/address.h"
#include "common/result.h"
#include "sim/replay/capture_file.h"

namespace sluice::sim {

/// `PORT=FILE`, or `FILE` alone.
struct PortFile {
  std::string port;  ///< empty: none was named
  std::string path;
};
/// A path with `=` in it is named with its port, or by `./`.
PortFile parse_port_file(const std::string& word);

class CaptureInput {
 public:
  /// `ports` and `macs` by configured port. A file without a port is the only port's, or holds frames of
  /// several: each comes in by the port whose MAC address it is sent to, else by the first.
  static Result<CaptureInput> open(const std::vector<PortFile>& files, const std::vector<std::string>& ports,
                                   const std::vector<MacAddress>& macs);

  /// When the next frame comes; nothing where there is none. A frame that was captured before the one in
  /// front of it comes with that.
  std::optional<uint64_t> next_time() const;
  struct Arrival {
    unsigned port;
    CapturedFrame frame;
  };
  /// All frames of next_time(): those of one capture in their order, captures in the order of their ports.
  std::vector<Arrival> take();

  /// A line for each capture that was torn.
  const std::vector<std::string>& notices() const { return notices_; }

 private:
  struct Source {
    std::string path;
    std::optional<unsigned> port;  ///< nothing: by MAC address
    CaptureReader reader;
    std::optional<CapturedFrame> next;
  };
  void read_next(Source& source);
  unsigned port_of(const Source& source, const Frame& frame) const;

  std::vector<Source> sources_;
  std::vector<MacAddress> macs_;
  std::vector<std::string> notices_;
};

/// The place of a port among the configured ones, or an Error that names those.
Result<unsigned> find_port(const std::string& name, const std::vector<std::string>& ports);

}  // namespace sluice::sim

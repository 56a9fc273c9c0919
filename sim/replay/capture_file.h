// Captures on disk as the simulator reads and writes them, by libpcap: pcap and pcapng in, pcap out. One
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "common/result.h"
#include "sim/core/frame.h"

struct pcap;
struct pcap_dumper;

namespace sluice::sim {

/// A frame as it was captured.
struct CapturedFrame {
  uint64_t since_1970_ns = 0;
  Frame bytes;
  bool is_cut = false;  ///< the capture kept only its beginning
};

class CaptureReader {
 public:
  /// `-`: standard input. Fails where it is no capture of Ethernet frames.
  static Result<CaptureReader> open(const std::string& path);

  /// The next frame, nothing at the end. A capture that ends within a frame ends before it: was_torn().
  std::optional<CapturedFrame> next();
  bool was_torn() const { return was_torn_; }

 private:
  struct Close {
    void operator()(pcap* capture) const;
  };
  std::unique_ptr<pcap, Close> capture_;
  bool was_torn_ = false;
};

class CaptureWriter {
 public:
  /// `-`: standard output.
  static Result<CaptureWriter> open(const std::string& path);
  void write(uint64_t since_1970_ns, FrameBytes frame);
  /// Whether all of it was taken; the file is closed.
  Result<void> finish();

 private:
  struct Close {
    void operator()(pcap* capture) const;
    void operator()(pcap_dumper* dumper) const;
  };
  std::string path_;
  std::unique_ptr<pcap, Close> format_;
  std::unique_ptr<pcap_dumper, Close> dumper_;
};

/// The unicast MAC address that most of a capture's first frames are sent to; nothing where there is none, or
/// the capture can be read only once.
std::optional<MacAddress> most_frequent_destination(const std::string& path);

}  // namespace sluice::sim

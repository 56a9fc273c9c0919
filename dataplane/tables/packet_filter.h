// An expression of pcap-filter(7), compiled for Ethernet frames by libpcap. Compiling may ask for names, and
// so wait; matching is for any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "common/result.h"

struct bpf_program;

namespace sluice::dataplane {

class PlainFilter;

/// Frames that are looked at together: their bytes, how many of them are there at least, and their lengths.
struct FilterLanes {
  static constexpr size_t kLanes = 8;

  std::array<const uint8_t*, kLanes> frames;
  std::array<uint32_t, kLanes> lengths;
  size_t shortest;
};

class PacketFilter {
 public:
  static constexpr size_t kMostText = 4096;  ///< bytes of an expression

  /// An Error says what libpcap says of the expression.
  static Result<PacketFilter> compile(const std::string& expression);

  /// Whether a frame matches of `length` bytes, which begins with `bytes`.
  bool matches(std::span<const uint8_t> bytes, uint32_t length) const;
  /// Bit i: matches() may hold of frame i; else it does not. Where PlainFilter leaves that open, eight frames
  /// are looked at for little more than one: the program only jumps forward, so each of its instructions is
  /// carried out once, for those that come by.
  uint32_t may_match(const FilterLanes& lanes) const;

 private:
  struct Free {
    void operator()(bpf_program* program) const;
    void operator()(const PlainFilter* filter) const;
  };
  explicit PacketFilter(bpf_program* program);
  std::unique_ptr<bpf_program, Free> program_;
  std::unique_ptr<const PlainFilter, Free> plain_;  ///< rules out most of what does not match
};

}  // namespace sluice::dataplane

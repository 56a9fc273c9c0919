// What a capture's filter asks of frames of the usual form, as masked comparisons of their first bytes: rules
// out most of what does not match for a few instructions each. Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

struct bpf_insn;

namespace sluice::dataplane {

/// The bytes of a frame that are compared: from behind its Ethernet addresses to an IPv6 packet's ports.
struct FrontBytes {
  static constexpr size_t kBegin = 12, kEnd = 58;
  static constexpr size_t kHalf = 32;               ///< bytes that are looked at in one register
  static constexpr size_t kSecond = kEnd - kHalf;   ///< where the second of them begins
  static constexpr size_t kLeast = kBegin + kHalf;  ///< that a frame of IPv4 must have
  static_assert(kSecond < kBegin + kHalf, "nothing between");

  std::array<uint8_t, kHalf> first{}, second{};
};

/// What those bytes must be: `value` where `mask` has ones.
struct FrontTerm {
  FrontBytes mask, value;
};

class PlainFilter {
 public:
  static constexpr size_t kMostTerms = 12;

  /// Of a program that bpf_filter() takes.
  explicit PlainFilter(std::span<const bpf_insn> program);

  enum class Verdict : uint8_t {
    kNo,        ///< the program does not match
    kMaybe,     ///< it may match
    kUnlooked,  ///< the frame has another form, or the program asks for something else
  };
  /// Of a frame that has FrontBytes::kLeast bytes, and kEnd where `is_long`.
  Verdict look(const uint8_t* frame, bool is_long) const;

 private:
  /// A form of frames: what makes one, and what of them may match. Not useful: all may.
  struct Form {
    Verdict look(const uint8_t* frame, bool is_long) const;

    FrontTerm term{};
    std::vector<FrontTerm> may_match{};
    bool is_useful = false;
  };

  Form v4_, v6_;  ///< no VLAN tag; IPv4 without options and fragments; any IPv6
};

}  // namespace sluice::dataplane

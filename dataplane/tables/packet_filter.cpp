#include "dataplane/tables/packet_filter.h"

#include <immintrin.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <bit>

#include "common/bytes.h"
#include "dataplane/tables/plain_filter.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kMostInstructions = 64;  ///< of programs that are carried out in lanes
constexpr uint32_t kFarthest = 1u << 16;  ///< no frame is longer
constexpr uint32_t kAll = (1u << FilterLanes::kLanes) - 1;
static_assert(FilterLanes::kLanes == 8);

/// A word of each frame.
using Words [[gnu::vector_size(32)]] = uint32_t;

[[gnu::always_inline]] inline bool is_none(Words mask) {
  return _mm256_testz_si256(reinterpret_cast<__m256i>(mask), reinterpret_cast<__m256i>(mask)) != 0;
}
/// A bit for each lane whose mask is all ones.
[[gnu::always_inline]] inline uint32_t bits_of(Words mask) {
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
}

/// The machine of bpf(4), for all frames at a time. What it does not know it leaves undecided. All of it is
/// inlined, so that its registers are the CPU's.
class Machines {
 public:
  explicit Machines(const FilterLanes& lanes) : lanes_(lanes) {}

  /// Bits of those that match, or may.
  uint32_t run(std::span<const bpf_insn> program) {
    std::fill_n(active_.begin(), program.size() + 1, Words{});
    active_[0] = ~Words{};
    for (size_t at = 0; at < program.size(); ++at) {
      here_ = active_[at];
      if (is_none(here_)) continue;
      if (!carry_out(program[at], at, program.size())) return kAll;
    }
    return bits_of(matched_);
  }

 private:
  /// False: this cannot be decided here.
  [[gnu::always_inline]] bool carry_out(const bpf_insn& instruction, size_t at, size_t size) {
    switch (BPF_CLASS(instruction.code)) {
      case BPF_LD:
        active_[at + 1] |= here_;
        return load_into(accumulator_, instruction);
      case BPF_LDX:
        active_[at + 1] |= here_;
        return load_into(index_, instruction);
      case BPF_ALU:
        active_[at + 1] |= here_;
        return calculate(instruction);
      case BPF_JMP:
        return jump(instruction, at, size);
      case BPF_RET:
        return leave(instruction);
      default:  // BPF_MISC
        active_[at + 1] |= here_;
        BPF_MISCOP(instruction.code) == BPF_TAX ? set(index_, accumulator_) : set(accumulator_, index_);
        return true;
    }
  }

  /// Only in the lanes that are here.
  [[gnu::always_inline]] void set(Words& target, Words value) {
    target = (target & ~here_) | (value & here_);
  }

  [[gnu::always_inline]] bool load_into(Words& target, const bpf_insn& instruction) {
    switch (BPF_MODE(instruction.code)) {
      case BPF_IMM:
        set(target, Words{} + instruction.k);
        return true;
      case BPF_LEN:
        set(target, load<Words>(lanes_.lengths.data()));
        return true;
      case BPF_ABS:
        return load_packet(target, instruction.code, instruction.k);
      case BPF_IND:
        return load_packet(target, instruction.code, (index_ & here_) + instruction.k);
      case BPF_MSH: {
        Words byte{};
        if (!load_packet(byte, BPF_B, instruction.k)) return false;
        set(target, (byte & 0xf) << 2);
        return true;
      }
      default:
        return false;
    }
  }

  /// Loads from one place of every frame. False: a frame ends before it, where bpf_filter() says no.
  [[gnu::always_inline]] bool load_packet(Words& target, uint16_t code, uint32_t place) {
    if (place > kFarthest || place + size_of(code) > lanes_.shortest) return false;
    load_lanes(target, code, [place](size_t) { return place; });
    return true;
  }
  /// The same from a place of each.
  [[gnu::always_inline]] bool load_packet(Words& target, uint16_t code, Words places) {
    alignas(32) std::array<uint32_t, FilterLanes::kLanes> at;
    store(at.data(), places);
    const uint32_t farthest = *std::ranges::max_element(at);
    if (farthest > kFarthest || farthest + size_of(code) > lanes_.shortest) return false;
    load_lanes(target, code, [&at](size_t i) { return at[i]; });
    return true;
  }
  static size_t size_of(uint16_t code) {
    return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
  }
  template <typename PlaceOf>
  [[gnu::always_inline]] void load_lanes(Words& target, uint16_t code, const PlaceOf& place_of) {
    switch (BPF_SIZE(code)) {
      case BPF_W:
        return load_as<uint32_t>(target, place_of);
      case BPF_H:
        return load_as<uint16_t>(target, place_of);
      default:
        return load_as<uint8_t>(target, place_of);
    }
  }
  template <typename T, typename PlaceOf>
  [[gnu::always_inline]] void load_as(Words& target, const PlaceOf& place_of) {
    const auto word = [&](size_t i) { return uint32_t{byte_swap(load<T>(lanes_.frames[i] + place_of(i)))}; };
    set(target, Words{word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)});
  }

  [[gnu::always_inline]] Words operand(const bpf_insn& instruction) const {
    return BPF_SRC(instruction.code) == BPF_X ? index_ : Words{} + instruction.k;
  }

  [[gnu::always_inline]] bool calculate(const bpf_insn& instruction) {
    const Words a = accumulator_, b = operand(instruction);
    const auto shifted = [](__m256i words) { return reinterpret_cast<Words>(words); };
    const auto raw = [](Words words) { return reinterpret_cast<__m256i>(words); };
    switch (BPF_OP(instruction.code)) {
      case BPF_ADD:
        set(accumulator_, a + b);
        return true;
      case BPF_SUB:
        set(accumulator_, a - b);
        return true;
      case BPF_MUL:
        set(accumulator_, a * b);
        return true;
      case BPF_AND:
        set(accumulator_, a & b);
        return true;
      case BPF_OR:
        set(accumulator_, a | b);
        return true;
      case BPF_XOR:
        set(accumulator_, a ^ b);
        return true;
      case BPF_LSH:
        set(accumulator_, shifted(_mm256_sllv_epi32(raw(a), raw(b))));
        return true;
      case BPF_RSH:
        set(accumulator_, shifted(_mm256_srlv_epi32(raw(a), raw(b))));
        return true;
      case BPF_NEG:
        set(accumulator_, -a);
        return true;
      default:
        return false;
    }
  }

  [[gnu::always_inline]] bool jump(const bpf_insn& instruction, size_t at, size_t size) {
    if (BPF_OP(instruction.code) == BPF_JA) {
      if (instruction.k >= size - at - 1) return false;
      active_[at + 1 + instruction.k] |= here_;
      return true;
    }
    const size_t if_so = at + 1 + instruction.jt, if_not = at + 1 + instruction.jf;
    if (if_so >= size || if_not >= size) return false;
    const Words a = accumulator_, b = operand(instruction);
    Words holds;
    switch (BPF_OP(instruction.code)) {
      case BPF_JEQ:
        holds = reinterpret_cast<Words>(a == b);
        break;
      case BPF_JGT:
        holds = reinterpret_cast<Words>(a > b);
        break;
      case BPF_JGE:
        holds = reinterpret_cast<Words>(a >= b);
        break;
      case BPF_JSET:
        holds = reinterpret_cast<Words>((a & b) != 0);
        break;
      default:
        return false;
    }
    active_[if_so] |= here_ & holds;
    active_[if_not] |= here_ & ~holds;
    return true;
  }

  [[gnu::always_inline]] bool leave(const bpf_insn& instruction) {
    const bool is_by_value = BPF_RVAL(instruction.code) == BPF_A;
    const Words value = is_by_value ? accumulator_ : Words{} + instruction.k;
    matched_ |= here_ & reinterpret_cast<Words>(value != 0);
    return true;
  }

  const FilterLanes& lanes_;
  Words here_{}, accumulator_{}, index_{}, matched_{};
  std::array<Words, kMostInstructions + 1> active_;  ///< by instruction: who comes by there
};

}  // namespace

void PacketFilter::Free::operator()(bpf_program* program) const {
  pcap_freecode(program);
  delete program;
}
void PacketFilter::Free::operator()(const PlainFilter* filter) const {
  delete filter;
}

PacketFilter::PacketFilter(bpf_program* program)
    : program_(program),
      plain_(new PlainFilter(std::span<const bpf_insn>(program->bf_insns, program->bf_len))) {}

Result<PacketFilter> PacketFilter::compile(const std::string& expression) {
  if (expression.size() > kMostText) return fail("the filter is longer than 4096 bytes", "/filter");
  constexpr int kMostBytes = 1 << 18;
  const std::unique_ptr<pcap_t, void (*)(pcap_t*)> handle(pcap_open_dead(DLT_EN10MB, kMostBytes), pcap_close);
  if (handle == nullptr) return fail("no memory for a filter", "/filter");
  auto* const program = new bpf_program{};
  if (pcap_compile(handle.get(), program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
    delete program;
    return fail(std::string("the filter is not understood: ") + pcap_geterr(handle.get()), "/filter");
  }
  return PacketFilter(program);
}

bool PacketFilter::matches(std::span<const uint8_t> bytes, uint32_t length) const {
  if (bytes.size() >= FrontBytes::kLeast &&
      plain_->look(bytes.data(), bytes.size() >= FrontBytes::kEnd) == PlainFilter::Verdict::kNo) {
    return false;
  }
  return bpf_filter(program_->bf_insns, bytes.data(), length, static_cast<uint32_t>(bytes.size())) != 0;
}

uint32_t PacketFilter::may_match(const FilterLanes& lanes) const {
  uint32_t may = 0, unlooked = 0;
  if (lanes.shortest < FrontBytes::kLeast) {
    unlooked = kAll;
  } else {
    const bool are_long = lanes.shortest >= FrontBytes::kEnd;
    for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
      const PlainFilter::Verdict verdict = plain_->look(lanes.frames[i], are_long);
      if (verdict == PlainFilter::Verdict::kMaybe) may |= 1u << i;
      if (verdict == PlainFilter::Verdict::kUnlooked) unlooked |= 1u << i;
    }
  }
  // Of many that may match, eight are looked at for little more than one.
  constexpr int kFew = 2;
  if (unlooked == 0 && std::popcount(may) <= kFew) return may;
  const std::span<const bpf_insn> program(program_->bf_insns, program_->bf_len);
  if (program.empty() || program.size() > kMostInstructions) return may | unlooked;
  return (may | unlooked) & Machines(lanes).run(program);
}

}  // namespace sluice::dataplane

#include "dataplane/tables/plain_filter.h"

#include <immintrin.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "common/bytes.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kMostSteps = 4096;  ///< of all ways through a program together

/// What is known of the bytes of a front, on one way through a program: `value` where `mask` has ones.
struct Known {
  static constexpr size_t kBytes = FrontBytes::kEnd - FrontBytes::kBegin;
  std::array<uint8_t, kBytes> mask{}, value{};

  bool operator==(const Known&) const = default;

  /// Learns that those bits of the word at `place` have this value. False: they have another.
  bool learn(size_t place, size_t size, uint32_t bits, uint32_t word) {
    for (size_t i = 0; i < size; ++i) {
      const size_t shift = 8 * (size - 1 - i), at = place - FrontBytes::kBegin + i;
      const auto some = static_cast<uint8_t>(bits >> shift);
      const auto byte = static_cast<uint8_t>(static_cast<uint8_t>(word >> shift) & some);
      if (((value[at] ^ byte) & mask[at] & some) != 0) return false;
      mask[at] |= some;
      value[at] |= byte;
    }
    return true;
  }
  /// Those bits of that word, if all are known.
  std::optional<uint32_t> word(size_t place, size_t size, uint32_t bits) const {
    uint32_t known = 0, found = 0;
    for (size_t i = 0; i < size; ++i) {
      known = known << 8 | mask[place - FrontBytes::kBegin + i];
      found = found << 8 | value[place - FrontBytes::kBegin + i];
    }
    if ((bits & ~known) != 0) return std::nullopt;
    return found & bits;
  }
  /// Whether whatever is as `other` says is as this says.
  bool holds_for(const Known& other) const {
    for (size_t i = 0; i < kBytes; ++i) {
      if ((mask[i] & ~other.mask[i]) != 0 || ((value[i] ^ other.value[i]) & mask[i]) != 0) return false;
    }
    return true;
  }
  FrontTerm term() const {
    constexpr size_t kFrom = FrontBytes::kSecond - FrontBytes::kBegin;
    FrontTerm made;
    std::copy_n(mask.begin(), FrontBytes::kHalf, made.mask.first.begin());
    std::copy_n(value.begin(), FrontBytes::kHalf, made.value.first.begin());
    std::copy_n(mask.begin() + kFrom, FrontBytes::kHalf, made.mask.second.begin());
    std::copy_n(value.begin() + kFrom, FrontBytes::kHalf, made.value.second.begin());
    return made;
  }
};

/// What a register of the program's machine has.
struct Value {
  enum class Kind : uint8_t {
    kUnknown,
    kNumber,
    kField,  ///< the bits `number` of a word of the front
  };
  Kind kind = Kind::kUnknown;
  uint32_t number = 0;
  size_t place = 0, size = 0;

  static Value of(std::optional<uint32_t> number) { return number ? Value{Kind::kNumber, *number} : Value{}; }
  bool is_number() const { return kind == Kind::kNumber; }
};

/// Goes all ways through a program that frames may go of which something is known, and notes what is known of
/// those that match. Where it cannot tell, it knows less: then more frames may match.
class Explorer {
 public:
  Explorer(std::span<const bpf_insn> program, const Known& all) : program_(program), all_(all) {
    follow(0, {all, {}, {}});
  }
  /// Nothing: there is too much to say, or nothing.
  std::optional<std::vector<FrontTerm>> terms() const {
    if (is_lost_) return std::nullopt;
    std::vector<FrontTerm> made;
    for (const Known& known : matching_) made.push_back(known.term());
    return made;
  }

 private:
  struct Way {
    Known known;
    Value accumulator, index;
  };

  void follow(size_t at, Way way) {
    for (; !is_lost_; ++at) {
      if (at >= program_.size() || ++steps_ > kMostSteps) return lose();
      const bpf_insn& instruction = program_[at];
      if (BPF_CLASS(instruction.code) == BPF_RET) return leave(instruction, way);
      if (BPF_CLASS(instruction.code) != BPF_JMP) {
        carry_out(instruction, way);
      } else if (BPF_OP(instruction.code) == BPF_JA) {
        at += instruction.k;
      } else {
        Way other = way;
        if (may_jump(instruction, other)) follow(at + 1 + instruction.jt, other);
        if (!may_stay(instruction, way)) return;
        at += instruction.jf;
      }
    }
  }

  void lose() { is_lost_ = true; }

  void leave(const bpf_insn& instruction, const Way& way) {
    const bool is_by_value = BPF_RVAL(instruction.code) == BPF_A;
    const Value value = is_by_value ? way.accumulator : Value{Value::Kind::kNumber, instruction.k};
    if (value.is_number() && value.number == 0) return;
    const auto is_told = [&](const Known& other) { return other.holds_for(way.known); };
    if (std::ranges::any_of(matching_, is_told)) return;
    if (way.known == all_ || matching_.size() == PlainFilter::kMostTerms) return lose();
    matching_.push_back(way.known);
  }

  void carry_out(const bpf_insn& instruction, Way& way) {
    switch (BPF_CLASS(instruction.code)) {
      case BPF_LD:
        way.accumulator = loaded(instruction, way);
        return;
      case BPF_LDX:
        way.index = loaded(instruction, way);
        return;
      case BPF_ALU:
        way.accumulator = calculated(instruction, way);
        return;
      case BPF_MISC:
        BPF_MISCOP(instruction.code) == BPF_TAX ? way.index = way.accumulator : way.accumulator = way.index;
        return;
      default:  // what is stored is unknown when it is loaded
        return;
    }
  }

  static Value loaded(const bpf_insn& instruction, const Way& way) {
    const size_t size = BPF_SIZE(instruction.code) == BPF_W ? 4 : BPF_SIZE(instruction.code) == BPF_H ? 2 : 1;
    switch (BPF_MODE(instruction.code)) {
      case BPF_IMM:
        return Value::of(instruction.k);
      case BPF_ABS:
        return field(way, instruction.k, size, UINT32_MAX);
      case BPF_IND:
        if (!way.index.is_number()) return {};
        return field(way, uint64_t{way.index.number} + instruction.k, size, UINT32_MAX);
      case BPF_MSH: {
        const Value byte = field(way, instruction.k, 1, 0xf);
        return byte.is_number() ? Value::of(byte.number << 2) : Value{};
      }
      default:
        return {};
    }
  }
  static Value field(const Way& way, uint64_t place, size_t size, uint32_t bits) {
    if (place < FrontBytes::kBegin || place + size > FrontBytes::kEnd) return {};
    const uint32_t whole = size == 4 ? UINT32_MAX : (1u << 8 * size) - 1;
    if (const auto number = way.known.word(place, size, bits & whole)) return Value::of(number);
    return {Value::Kind::kField, bits & whole, place, size};
  }

  static Value calculated(const bpf_insn& instruction, const Way& way) {
    const Value operand = operand_of(instruction, way), value = way.accumulator;
    if (BPF_OP(instruction.code) != BPF_AND || !operand.is_number()) return {};
    if (value.is_number()) return Value::of(value.number & operand.number);
    if (value.kind == Value::Kind::kUnknown) return {};
    return field(way, value.place, value.size, value.number & operand.number);
  }

  static Value operand_of(const bpf_insn& instruction, const Way& way) {
    return BPF_SRC(instruction.code) == BPF_X ? way.index : Value::of(instruction.k);
  }

  static bool holds(const bpf_insn& instruction, uint32_t a, uint32_t b) {
    switch (BPF_OP(instruction.code)) {
      case BPF_JEQ:
        return a == b;
      case BPF_JGT:
        return a > b;
      case BPF_JGE:
        return a >= b;
      default:  // BPF_JSET
        return (a & b) != 0;
    }
  }

  /// Whether the condition may hold; then it is known that it does.
  static bool may_jump(const bpf_insn& instruction, Way& way) {
    const Value a = way.accumulator, b = operand_of(instruction, way);
    if (!b.is_number() || a.kind == Value::Kind::kUnknown) return true;
    if (a.is_number()) return holds(instruction, a.number, b.number);
    switch (BPF_OP(instruction.code)) {
      case BPF_JEQ:
        return (b.number & ~a.number) == 0 && way.known.learn(a.place, a.size, a.number, b.number);
      case BPF_JSET: {
        const uint32_t bits = a.number & b.number;
        return std::popcount(bits) == 1 ? way.known.learn(a.place, a.size, bits, bits) : bits != 0;
      }
      default:
        return true;
    }
  }
  /// The same for its contrary.
  static bool may_stay(const bpf_insn& instruction, Way& way) {
    const Value a = way.accumulator, b = operand_of(instruction, way);
    if (!b.is_number() || a.kind == Value::Kind::kUnknown) return true;
    if (a.is_number()) return !holds(instruction, a.number, b.number);
    switch (BPF_OP(instruction.code)) {
      case BPF_JEQ:  // that a word is not another cannot be told by a mask, unless it is a bit
        if (std::popcount(a.number) != 1 || (b.number & ~a.number) != 0) return true;
        return way.known.learn(a.place, a.size, a.number, ~b.number);
      case BPF_JSET:
        return way.known.learn(a.place, a.size, a.number & b.number, 0);
      default:
        return true;
    }
  }

  std::span<const bpf_insn> program_;
  const Known& all_;  ///< of every frame that is explored
  std::vector<Known> matching_;
  unsigned steps_ = 0;
  bool is_lost_ = false;
};

Known plain_v4() {
  Known known;
  known.learn(12, 2, 0xffff, 0x0800);
  known.learn(14, 1, 0xff, 0x45);
  known.learn(20, 2, 0x1fff, 0);  // no fragment but a first one
  return known;
}
Known plain_v6() {
  Known known;
  known.learn(12, 2, 0xffff, 0x86dd);
  known.learn(14, 1, 0xf0, 0x60);
  return known;
}

[[gnu::always_inline]] inline bool is_as(__m256i bytes, const std::array<uint8_t, FrontBytes::kHalf>& mask,
                                         const std::array<uint8_t, FrontBytes::kHalf>& value) {
  return _mm256_testz_si256(_mm256_xor_si256(bytes, load<__m256i>(value.data())),
                            load<__m256i>(mask.data())) != 0;
}

}  // namespace

PlainFilter::PlainFilter(std::span<const bpf_insn> program) {
  for (const auto& [form, known] : {std::pair(&v4_, plain_v4()), std::pair(&v6_, plain_v6())}) {
    form->term = known.term();
    auto terms = Explorer(program, known).terms();
    form->is_useful = terms.has_value();
    if (terms) form->may_match = std::move(*terms);
  }
}

/// Of a frame of that form.
PlainFilter::Verdict PlainFilter::Form::look(const uint8_t* frame, bool is_long) const {
  const auto first = load<__m256i>(frame + FrontBytes::kBegin);
  for (const FrontTerm& each : may_match) {
    if (!is_as(first, each.mask.first, each.value.first)) continue;
    if (!is_long) return Verdict::kMaybe;
    const auto second = load<__m256i>(frame + FrontBytes::kSecond);
    if (is_as(second, each.mask.second, each.value.second)) return Verdict::kMaybe;
  }
  return is_useful ? Verdict::kNo : Verdict::kUnlooked;
}

PlainFilter::Verdict PlainFilter::look(const uint8_t* frame, bool is_long) const {
  const auto first = load<__m256i>(frame + FrontBytes::kBegin);
  if (is_as(first, v4_.term.mask.first, v4_.term.value.first)) return v4_.look(frame, is_long);
  const bool is_v6 = is_long && is_as(first, v6_.term.mask.first, v6_.term.value.first);
  return is_v6 ? v6_.look(frame, is_long) : Verdict::kUnlooked;
}

}  // namespace sluice::dataplane

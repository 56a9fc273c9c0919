// How a file of instructions compares models with the CPU. All of it is internal to each file, as in
// vectors.h.
#pragma once

#include "tests/unit/crypto/models/vectors.h"

namespace instruction_model {
namespace {

/// Random operands, each as the model and as the CPU has it.
class Comparison {
 public:
  explicit Comparison(uint64_t seed) : state_(seed) {}

  uint64_t random() {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return state_ ^ state_ >> 33;
  }
  template <typename V>
  V vector() {
    return long_words<V>([&](unsigned) { return random(); });
  }
  template <typename Model, typename Real>
  void expect_same(const char* instruction, const Model& model, const Real& real) {
    static_assert(sizeof model == sizeof real);
    if (std::memcmp(&model, &real, sizeof real) != 0 && wrong_ == nullptr) wrong_ = instruction;
  }
  const char* wrong() const { return wrong_; }

 private:
  uint64_t state_;
  const char* wrong_ = nullptr;
};

template <typename Real, typename Model>
Real real(const Model& model) {
  return as<Real>(model);
}

}  // namespace
}  // namespace instruction_model

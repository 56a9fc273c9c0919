// The models of instructions beside this CPU's own.
#pragma once

#include <cstdint>

namespace instruction_model {

/// The first instruction whose model errs on operands drawn from `seed`; null where none does. Only for a CPU
/// that has the instructions: each is in a file of its own, which is compiled for them.
const char* first_wrong_avx512(uint64_t seed);
const char* first_wrong_avx2(uint64_t seed);
const char* first_wrong_sha_ni(uint64_t seed);

}  // namespace instruction_model

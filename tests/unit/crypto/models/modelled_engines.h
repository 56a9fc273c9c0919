// Sluice's own engines over their kernels in software: the same source, each instruction by its model. They
// run on every CPU, so that no change to a kernel goes untried where the CPU lacks its instructions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "crypto/sha256_choice.h"

namespace sluice::crypto {

void sha256_avx512_x16_in_software(const LaneGroup& group);
void sha256_avx512_x32_in_software(const LaneGroup& group);
void sha256_avx512_nodes_x16_in_software(const uint8_t* children, uint8_t* parents, unsigned count);
void sha256_avx512_nodes_x32_in_software(const uint8_t* children, uint8_t* parents, unsigned count);
void sha256_avx2_x8_in_software(const LaneGroup& group);
void sha256_avx2_nodes_x8_in_software(const uint8_t* children, uint8_t* parents, unsigned count);
void sha256_shani_in_software(const Message* messages, size_t count);
void sha256_shani_nodes_in_software(const uint8_t* children, uint8_t* parents, size_t count);

namespace modelled {

/// An engine under test: its name, and its calls, or why this CPU has none.
struct TriedEngine {
  std::string name;
  Result<Sha256Calls> (*make)();
};

inline Sha256Calls calls_of(std::shared_ptr<LaneSha256> engine) {
  return {.hash = [engine](std::span<const Message> messages) { engine->hash(messages); },
          .hash_nodes = [engine](std::span<const Digest> children,
                                 std::span<Digest> parents) { engine->hash_nodes(children, parents); }};
}

inline LaneKernels avx512_in_software() {
  return {.lanes = kLanes,
          .few_lanes = 3,
          .hash = sha256_avx512_x16_in_software,
          .hash_nodes = sha256_avx512_nodes_x16_in_software,
          .hash_few = sha256_shani_in_software};
}
inline LaneKernels two_avx512_in_software() {
  LaneKernels kernels = avx512_in_software();
  kernels.hash_two = sha256_avx512_x32_in_software;
  kernels.hash_two_nodes = sha256_avx512_nodes_x32_in_software;
  return kernels;
}
inline LaneKernels avx2_in_software() {
  return {.lanes = kAvx2Lanes,
          .few_lanes = 3,
          .hash = sha256_avx2_x8_in_software,
          .hash_nodes = sha256_avx2_nodes_x8_in_software};
}

inline std::vector<TriedEngine> engines() {
  const auto lanes = [](const LaneKernels& kernels) -> Result<Sha256Calls> {
    return calls_of(std::make_shared<LaneSha256>(kernels));
  };
  static const auto made = lanes;
  return {{"avx512_in_software", [] { return made(avx512_in_software()); }},
          {"two_avx512_in_software", [] { return made(two_avx512_in_software()); }},
          {"avx2_in_software", [] { return made(avx2_in_software()); }},
          {"sha_ni_in_software", []() -> Result<Sha256Calls> {
             return Sha256Calls{.hash =
                                    [](std::span<const Message> messages) {
                                      sha256_shani_in_software(messages.data(), messages.size());
                                    },
                                .hash_nodes =
                                    [](std::span<const Digest> children, std::span<Digest> parents) {
                                      sha256_shani_nodes_in_software(children.front().data(),
                                                                     parents.front().data(), parents.size());
                                    }};
           }}};
}

}  // namespace modelled
}  // namespace sluice::crypto

// What decided that a packet is dropped, where its reason alone leaves that open. For the drop recorder and
// for people: nothing is counted by it. A value is a word for one place in the code; the list may grow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::dataplane {

enum class DropDetail : uint8_t {
  kNone,  ///< the reason says it all, or the bytes do
  kChained,
  kOwnSource,
  kNotFromBackend,
  kNoBackendTakesFlows,
  kNoRouteToBackend,
  kNoRouteToSender,
  kNeighborSilent,
  kNeighborQueueFull,
  kWorkerRingFull,
  kLedgerRingFull,
  kKernelBudget,
  kEchoBudget,
  kBeyondMtu,
  kLinkDown,
  kTransmitQueueFull,
  kAccessRule,
  kServiceLimit,
  kSourceLimit,
  kTunnel,
  kInspectionRule,
  kInspectionPending,
  kSegmentContradicts,
  kSegmentNotHeld,
  kAfterLast,  ///< no detail: how many there are
};
inline constexpr size_t kDropDetails = static_cast<size_t>(DropDetail::kAfterLast);

/// In the order of the enumeration, for people.
inline constexpr std::array<std::string_view, kDropDetails> kDropDetailTexts = {
    "",
    "the frame is longer than the port's MTU allows",
    "its source is an address of this gateway",
    "it is no answer from the place where the backend is",
    "no backend of the pool takes new flows",
    "no route leads to the backend",
    "no route leads back to the sender",
    "the next hop has not answered to ARP or NDP",
    "too many packets wait for the next hop's answer",
    "the ring to the worker that owns the flow is full",
    "the ring to the ledger's hash worker is full",
    "more packets for the kernel than gateway.limits allows",
    "more echo requests than gateway.limits allows",
    "longer than the MTU of the port that it leaves by",
    "the link of the port that it leaves by is down",
    "the transmit queue is full",
    "an access rule denies it",
    "beyond a limit of its service",
    "beyond a limit for its source",
    "a tunnel refused it",
    "an inspection rule matched in its flow",
    "the rules of its inspection are not compiled yet",
    "it has other bytes at places of its stream that are taken",
    "too early in its stream, and there was no room to hold it, or no end to waiting",
};

inline constexpr std::string_view text_of(DropDetail detail) {
  return kDropDetailTexts[static_cast<size_t>(detail)];
}

}  // namespace sluice::dataplane

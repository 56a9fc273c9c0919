#include "sim/world/ledgers.h"

#include <filesystem>
#include <fstream>

#include "crypto/sha256_openssl.h"
#include "crypto/signed_note.h"
#include "dataplane/roles/ledger_plane.h"
#include "sim/world/world.h"

namespace sluice::sim {
namespace {

/// When a disk that hangs has to be noticed: two seconds, and somewhat more for workers that stand still.
constexpr Nanoseconds kUntilNoticed = 2500 * kMillisecondNs;
/// What a full disk, or one that hung, leaves behind: it is looked at once a second.
constexpr Nanoseconds kUntilMended = 2 * kSecondNs;
constexpr Nanoseconds kBetweenCheckpoints = 100;  ///< milliseconds
constexpr uint64_t kCallsUnderWay = 6;

const dataplane::LedgerPlane& plane_of(const GatewayNode& node) {
  return *node.gateway->gateway().ledger();
}

}  // namespace

Ledgers::Log::Log(const std::string& directory, uint64_t window, Chance chance, Trace& trace,
                  LogPromises::Violate violate)
    : disk(directory, chance), promises(directory, window, trace, std::move(violate)) {}

Ledgers::Ledgers(World& world, LedgerPlan& plan, Chance chance)
    : world_(world), chance_(chance), plan_(plan) {
  plan.directory = directory_.path();
  for (const auto& node : world_.nodes_) {
    const auto signer = crypto::NoteSigner::generate(kLogOrigin);
    if (!signer) throw Violation{"no key for a ledger"};
    const std::string key = log_key_path(plan, node->index);
    std::ofstream(key) << signer->private_line().reveal() << '\n';
    std::filesystem::permissions(key, std::filesystem::perms::owner_read);
    logs_.push_back(std::make_unique<Log>(log_directory(plan, node->index), plan.window, chance_.branch(),
                                          world_.trace_,
                                          [this, &node](const std::string& what) { violate(*node, what); }));
  }
}

Ledgers::~Ledgers() = default;

void Ledgers::violate(const GatewayNode& node, const std::string& what) {
  world_.violate(node.name() + ": ledger: " + what);
}

bool Ledgers::is_troubled() const {
  return plan_.has_disk_faults && world_.now() < troubled_until_ + kUntilMended;
}

Nanoseconds Ledgers::sync_time(GatewayNode& node) {
  Log& log = *logs_[node.index];
  if (!std::exchange(log.hangs, false)) return chance_.below(2 * kMillisecondNs);
  const Nanoseconds hangs = chance_.between(100, 4000) * kMillisecondNs;
  world_.trace_.say(world_.now(), node.name() + ": its disk hangs");
  troubled_until_ = std::max(troubled_until_, world_.now() + hangs);
  expect_stall(node, world_.now() + hangs);
  return hangs;
}

/// Where it hangs for so long that transactions have to be refused.
void Ledgers::expect_stall(GatewayNode& node, Nanoseconds until) {
  if (until < world_.now() + kUntilNoticed + 100 * kMillisecondNs) return;
  world_.after(kUntilNoticed, [this, &node, life = node.life] {
    const bool goes_on = node.is_up(world_.now()) && node.life == life && !has_failed(node);
    if (goes_on && !plane_of(node).reach().is_stalled) violate(node, "nobody notices that its disk hangs");
  });
}

void Ledgers::trouble_until(Nanoseconds until) {
  until_ = until;
  if (plan_.has_disk_faults) trouble_later();
}

void Ledgers::trouble_later() {
  world_.after(chance_.below(3 * kSecondNs), [this] {
    if (world_.now() >= until_) return;
    GatewayNode& node = *chance_.pick(world_.nodes_);
    if (node.is_up(world_.now())) trouble(node);
    trouble_later();
  });
}

void Ledgers::trouble(GatewayNode& node) {
  Log& log = *logs_[node.index];
  const Nanoseconds lasts = chance_.between(50, 2500) * kMillisecondNs;
  const auto say = [&](const char* what) { world_.trace_.say(world_.now(), node.name() + ": " + what); };
  troubled_until_ = std::max(troubled_until_, world_.now() + lasts);
  switch (chance_.below(8)) {
    case 0:
      say("a sync of its disk fails");
      log.may_fail = true;
      return log.disk.fail_next_sync(true);
    case 1:
    case 2:
      log.hangs = true;
      return;
    case 3:
    case 4:
      say("its disk has no room for new files");
      log.disk.refuse_files(true);
      break;
    default:
      say("its disk is full");
      log.disk.set_full(true);
  }
  world_.after(lasts, [this, &node, &log, life = node.life] {
    if (node.life == life) heal(log);
  });
}

void Ledgers::heal() {
  for (const auto& log : logs_) heal(*log);
}

void Ledgers::heal(Log& log) {
  log.hangs = false;
  log.disk.set_full(false);
  log.disk.refuse_files(false);
  log.disk.fail_next_sync(false);
}

void Ledgers::note_start(GatewayNode& node) {
  Log& log = *logs_[node.index];
  log.may_fail = log.has_failed = false;
  log.refused_from = UINT64_MAX;
  node.gateway->on_sync([this, &node] { return sync_time(node); });
  const uint64_t size = plane_of(node).reach().tree_size;
  world_.trace_.say(world_.now(), node.name() + " has " + std::to_string(size) + " transactions");
  log.promises.check_size(size);
  log.promises.note_checkpoint(log.disk);
  log.promises.check_log(log.disk);
}

void Ledgers::cut_power(const GatewayNode& node) {
  logs_[node.index]->disk.cut_after(chance_.between(1, kCallsUnderWay));
}

void Ledgers::check_stopped(GatewayNode& node) {
  Log& log = *logs_[node.index];
  look_for_failure(node);
  const dataplane::LedgerPlane& plane = plane_of(node);
  if (is_troubled()) return;
  uint64_t ended = 0;
  for (size_t outcome = 0; outcome < ledger::kOutcomes; ++outcome) {
    ended += plane.ended(static_cast<ledger::Outcome>(outcome));
  }
  if (plane.received() != ended) {
    violate(node, std::to_string(plane.received()) + " transactions were received, and " +
                      std::to_string(ended) + " have ended");
  }
  log.promises.check_size(plane.reach().tree_size);
  log.promises.note_checkpoint(log.disk);
  const bool is_covered = log.promises.released() == plane.reach().tree_size;
  if (!is_covered && !log.has_failed) violate(node, "the last checkpoint does not cover all");
}

void Ledgers::note_end(const GatewayNode& node) {
  Log& log = *logs_[node.index];
  heal(log);
  if (log.disk.is_cut() || chance_.happens(500)) log.disk.restore();
  log.disk.cut_after(UINT64_MAX);
}

void Ledgers::look(GatewayNode& node) {
  look_for_failure(node);
  if (world_.now() / kMillisecondNs % kBetweenCheckpoints == 0)
    logs_[node.index]->promises.note_checkpoint(logs_[node.index]->disk);
}

void Ledgers::look_for_failure(GatewayNode& node) {
  Log& log = *logs_[node.index];
  if (log.has_failed) return;
  const auto failure = plane_of(node).failure();
  if (!failure) return;
  if (!log.may_fail) violate(node, "it fails on a disk that does not: " + failure->message);
  log.has_failed = true;
  log.refused_from = plane_of(node).reach().tree_size;
  world_.trace_.say(world_.now(), node.name() + ": its ledger refuses from now on");
}

void Ledgers::take_receipt(const GatewayNode& node, const ToldReceipt& receipt, const std::string& payload) {
  Log& log = *logs_[node.index];
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(payload.data()), payload.size());
  if (receipt.txid != crypto::sha256(bytes)) violate(node, "a receipt has another txid");
  if (receipt.index >= receipt.tree_size) violate(node, "a receipt's index is not in its tree");
  if (receipt.index >= log.refused_from) violate(node, "it gives receipts though its disk has failed");
  // What is told again may be written again, once it was forgotten.
  const bool is_early = !log.promises.knows(receipt.index) && log.disk.is_pending(bytes);
  if (is_early) violate(node, "a receipt leaves before its block is durable");
  log.promises.take_receipt(receipt.index, receipt.leaf_hash, payload);
}

}  // namespace sluice::sim

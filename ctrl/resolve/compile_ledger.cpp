#include "ctrl/resolve/compile_ledger.h"

#include <utility>

#include "ctrl/intent/signing_key.h"

namespace sluice::ctrl {
namespace {

uint64_t nanoseconds(std::chrono::milliseconds time) {
  return static_cast<uint64_t>(std::chrono::nanoseconds(time).count());
}

}  // namespace

std::shared_ptr<const std::vector<dataplane::Ingress>> ingress_table(const Model& model) {
  if (!model.ledger) return nullptr;
  auto table = std::make_shared<std::vector<dataplane::Ingress>>();
  for (const IngressModel& ingress : model.ledger->ingress) {
    table->push_back({ingress.address, Be16::from_host(ingress.port), ingress.framing, ingress.profile});
  }
  return table;
}

Result<dataplane::LedgerConfig> ledger_config(const LedgerModel& model) {
  auto signer = read_signing_key(model.signing_key, model.origin);
  if (!signer) return tl::unexpected(signer.error());
  dataplane::LedgerConfig config;
  config.directory = model.directory;
  config.signer = std::make_shared<crypto::NoteSigner>(std::move(*signer));
  config.seal = {model.seal.transactions, model.seal.bytes};
  config.seal_delay_ns = nanoseconds(model.seal.delay);
  config.checkpoint_interval_ns = nanoseconds(model.checkpoint_interval);
  config.dedupe_window = model.dedupe_window;
  if (const auto& limit = model.source_rate) {
    config.source_rate = dataplane::SourceRateLimit{limit->rate, limit->burst, limit->prefixes};
  }
  config.sha256 = model.sha256;
  config.goes_on_after_failure = model.on_failure == OnFailure::kRefuse;
  return config;
}

}  // namespace sluice::ctrl

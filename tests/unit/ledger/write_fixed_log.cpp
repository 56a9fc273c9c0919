// Writes the log that fixed_log_test.py expects, and exports it: fixed entries, blocks, times and key.
// usage: write_fixed_log DIRECTORY EXPORT ENTRIES KEY
#include <cstdio>
#include <cstdlib>

#include "ledger/export.h"
#include "ledger/verify.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::ledger::test {
namespace {

std::string payload_of(uint32_t number) {
  const std::string digits = std::to_string(number) + ",";
  std::string payload;
  while (payload.size() < 1 + number % 61) payload += digits;
  payload.resize(1 + number % 61);
  return digits + payload;
}

int run(char** arguments) {
  PosixFileSystem files;
  const auto signer = crypto::NoteSigner::parse(arguments[4]);
  if (!signer) return 2;
  Gateway::Options options;
  options.limits = {{700, 1 << 20}, 1000, 4, 1};
  options.segment_bytes = 1 << 20;
  options.allocate_bytes = 1 << 16;
  Gateway gateway(files, arguments[1], *signer, options);
  if (!gateway.is_open()) return std::fprintf(stderr, "%s\n", gateway.error().c_str()), 1;
  const auto entries = static_cast<uint32_t>(std::atoi(arguments[3]));
  for (uint32_t number = 0; number < entries; ++number) {
    gateway.offer(payload_of(number));
    if (number % 700 == 699 || number + 1 == entries) gateway.settle();
  }
  gateway.release();
  auto log = LogReader::open(files, arguments[1]);
  if (!log) return std::fprintf(stderr, "%s\n", log.error().message.c_str()), 1;
  const auto exported = export_log(files, *log, arguments[2]);
  if (!exported) return std::fprintf(stderr, "%s\n", exported.error().message.c_str()), 1;
  for (const uint64_t index : {0u, entries / 3, entries - 1}) {
    const auto proof = log->proof(index);
    if (!proof || !*proof) return 1;
    spill(std::string(arguments[2]) + "/proof-" + std::to_string(index), **proof);
  }
  return 0;
}

}  // namespace
}  // namespace sluice::ledger::test

int main(int count, char** arguments) {
  return count == 5 ? sluice::ledger::test::run(arguments) : 2;
}

// SHA-256 in batches: our engines beside the peers' bare calls, in one run. Rows of one workload are
// read against each other, never against another run's: the clock of a shared machine moves.
//   --benchmark_enable_random_interleaving=true --benchmark_repetitions=5 gives ratios to trust.
#define OPENSSL_SUPPRESS_DEPRECATED
#define NO_COMPAT_IMB_API_053  // else ipsec-mb redefines names of OpenSSL
#include <benchmark/benchmark.h>
#include <intel-ipsec-mb.h>
#include <openssl/sha.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "crypto/sha256.h"

namespace sluice::crypto {
namespace {

constexpr size_t kBatch = 1024;

/// Messages of one workload, each in a slot of its own as in a packet buffer.
class Workload {
 public:
  explicit Workload(const std::vector<uint32_t>& sizes, Prefix prefix = Prefix::none)
      : bytes_(sizes.size() * kSlot), digests_(sizes.size()) {
    std::mt19937 random(1);
    for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(random());
    for (size_t i = 0; i < sizes.size(); ++i)
      messages_.push_back({.data = bytes_.data() + i * kSlot + 1,
                           .digest = &digests_[i],
                           .size = sizes[i],
                           .prefix = prefix});
  }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  std::span<const Message> messages() const { return messages_; }

 private:
  static constexpr size_t kSlot = 1280;
  std::vector<uint8_t> bytes_;
  std::vector<Digest> digests_;
  std::vector<Message> messages_;
};

/// What an opaque transaction costs: messages by turns without a prefix and with it, of one payload each.
class Transactions {
 public:
  explicit Transactions(uint32_t size) : payloads_(std::vector<uint32_t>(kBatch, size)), leaves_(kBatch) {
    for (size_t i = 0; i < kBatch; ++i) {
      const Message& id = payloads_.messages()[i];
      messages_.push_back(id);
      messages_.push_back({.data = id.data, .digest = &leaves_[i], .size = size, .prefix = Prefix::leaf});
    }
  }
  Transactions(const Transactions&) = delete;
  Transactions& operator=(const Transactions&) = delete;

  std::span<const Message> messages() const { return messages_; }

 private:
  Workload payloads_;
  std::vector<Digest> leaves_;
  std::vector<Message> messages_;
};

std::vector<uint32_t> uniform(uint32_t size) {
  return std::vector<uint32_t>(kBatch, size);
}

/// 60 % of 200 to 300 bytes, 30 % of 300 to 700, 10 % of 1232, shuffled.
std::vector<uint32_t> mix() {
  std::mt19937 random(2);
  std::vector<uint32_t> sizes;
  for (size_t i = 0; i < kBatch; ++i) {
    if (i < kBatch * 6 / 10) {
      sizes.push_back(200 + static_cast<uint32_t>(random() % 101));
    } else if (i < kBatch * 9 / 10) {
      sizes.push_back(300 + static_cast<uint32_t>(random() % 401));
    } else {
      sizes.push_back(1232);
    }
  }
  std::ranges::shuffle(sizes, random);
  return sizes;
}

void count(benchmark::State& state) {
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kBatch));
}

/// OpenSSL's low-level calls as a program would write them.
void peer_openssl(benchmark::State& state, std::span<const Message> messages) {
  for (auto _ : state) {
    for (const Message& message : messages) {
      SHA256_CTX context;
      SHA256_Init(&context);
      const uint8_t first = prefix_byte(message.prefix);
      if (message.prefix != Prefix::none) SHA256_Update(&context, &first, 1);
      SHA256_Update(&context, message.data, message.size);
      SHA256_Final(message.digest->data(), &context);
    }
    benchmark::ClobberMemory();
  }
  count(state);
}

struct FreeLibrary {
  void operator()(IMB_MGR* library) const { free_mb_mgr(library); }
};
using Library = std::unique_ptr<IMB_MGR, FreeLibrary>;

Library ipsec_mb() {
  Library library(alloc_mb_mgr(0));
  init_mb_mgr_auto(library.get(), nullptr);
  return library;
}

void set_job(IMB_JOB* job, const Message& message) {
  job->cipher_mode = IMB_CIPHER_NULL;
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->chain_order = IMB_ORDER_HASH_CIPHER;
  job->hash_alg = IMB_AUTH_SHA_256;
  job->src = message.data;
  job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_hash_in_bytes = message.size;
  job->auth_tag_output = message.digest->data();
  job->auth_tag_output_len_in_bytes = sizeof(Digest);
}

void peer_ipsec_mb_job(benchmark::State& state, const Workload& work) {
  const Library library = ipsec_mb();
  for (auto _ : state) {
    for (const Message& message : work.messages()) {
      set_job(IMB_GET_NEXT_JOB(library.get()), message);
      IMB_JOB* done = IMB_SUBMIT_JOB_NOCHECK(library.get());
      while (done != nullptr) done = IMB_GET_COMPLETED_JOB(library.get());
    }
    while (IMB_FLUSH_JOB(library.get()) != nullptr) {
    }
    benchmark::ClobberMemory();
  }
  count(state);
}

void peer_ipsec_mb_burst(benchmark::State& state, const Workload& work) {
  constexpr uint32_t kBurst = 128;  // the most that one call takes
  const Library library = ipsec_mb();
  IMB_JOB* jobs[kBurst];
  for (auto _ : state) {
    for (auto left = work.messages(); !left.empty();) {
      const auto wanted = static_cast<uint32_t>(std::min<size_t>(left.size(), kBurst));
      uint32_t given = IMB_GET_NEXT_BURST(library.get(), wanted, jobs);
      if (given < wanted) {
        IMB_FLUSH_BURST(library.get(), kBurst, jobs);
        continue;
      }
      for (uint32_t i = 0; i < given; ++i) set_job(jobs[i], left[i]);
      IMB_SUBMIT_BURST_NOCHECK(library.get(), given, jobs);
      left = left.subspan(given);
    }
    while (IMB_FLUSH_BURST(library.get(), kBurst, jobs) != 0) {
    }
    benchmark::ClobberMemory();
  }
  count(state);
}

void ours(benchmark::State& state, Sha256Engine kind, std::span<const Message> messages, size_t window) {
  Result<Sha256> engine = Sha256::create(kind);
  for (auto _ : state) {
    for (auto left = messages; !left.empty(); left = left.subspan(std::min(window, left.size())))
      engine->hash(left.first(std::min(window, left.size())));
    benchmark::ClobberMemory();
  }
  count(state);
}

void nodes(benchmark::State& state, Sha256Engine kind) {
  Result<Sha256> engine = Sha256::create(kind);
  std::vector<Digest> children(2 * kBatch), parents(kBatch);
  for (auto _ : state) {
    engine->hash_nodes(children, parents);
    benchmark::ClobberMemory();
  }
  count(state);
}

/// Those that this CPU can run.
std::vector<Sha256Engine> engines() {
  std::vector<Sha256Engine> usable;
  for (const Sha256Engine kind : kSha256Engines)
    if (Sha256::create(kind)) usable.push_back(kind);
  return usable;
}

void register_workload(const std::string& name, const Workload& work, bool peers) {
  const auto row = [&](const std::string& engine, auto run) {
    benchmark::RegisterBenchmark((name + "/" + engine).c_str(), run);
  };
  if (peers) {
    row("peer-openssl", [&](benchmark::State& state) { peer_openssl(state, work.messages()); });
    row("peer-ipsec-mb-job", [&](benchmark::State& state) { peer_ipsec_mb_job(state, work); });
    row("peer-ipsec-mb-burst", [&](benchmark::State& state) { peer_ipsec_mb_burst(state, work); });
  }
  for (Sha256Engine kind : engines())
    for (size_t window : {size_t{16}, size_t{64}, size_t{256}, kBatch})
      row(std::string(name_of(kind)) + "/batch-" + std::to_string(window),
          [&work, kind, window](benchmark::State& state) { ours(state, kind, work.messages(), window); });
}

/// An item is a transaction: two messages. A pair at a time, and as many as a hash worker takes at once.
void register_transactions(const Transactions& work) {
  const auto row = [&](const std::string& engine, auto run) {
    benchmark::RegisterBenchmark(("transaction/" + engine).c_str(), run);
  };
  row("peer-openssl", [&](benchmark::State& state) { peer_openssl(state, work.messages()); });
  for (Sha256Engine kind : engines())
    for (size_t window : {size_t{2}, size_t{128}})
      row(std::string(name_of(kind)) + "/batch-" + std::to_string(window),
          [&work, kind, window](benchmark::State& state) { ours(state, kind, work.messages(), window); });
}

}  // namespace
}  // namespace sluice::crypto

int main(int argc, char** argv) {
  using namespace sluice::crypto;
  const Workload small(uniform(64)), medium(uniform(256)), mixed(mix());
  const Workload leaves(uniform(256), Prefix::leaf);
  const Transactions transactions(256);
  register_workload("64B", small, true);
  register_workload("256B", medium, true);
  register_workload("mix", mixed, true);
  register_workload("256B-leaf", leaves, false);
  register_transactions(transactions);
  for (Sha256Engine kind : engines())
    benchmark::RegisterBenchmark(("node/" + std::string(name_of(kind))).c_str(),
                                 [kind](benchmark::State& state) { nodes(state, kind); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

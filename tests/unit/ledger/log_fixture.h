// A log in a folder of its own, and the walk from payload to receipt without threads: what the tests of
// journal, recovery, readers and verifier share.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "crypto/sha256_openssl.h"
#include "ledger/ingest.h"
#include "ledger/journal.h"

namespace sluice::ledger::test {

inline crypto::Sha256 openssl_engine() {
  return std::move(*crypto::Sha256::create(crypto::Sha256Engine::openssl));
}

inline std::span<const uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline crypto::NoteSigner make_signer(const std::string& name = "log.example/test") {
  auto signer = crypto::NoteSigner::generate(name);
  EXPECT_TRUE(signer);
  return std::move(*signer);
}

/// The same key again, as after a restart.
inline crypto::NoteSigner copy_of(const crypto::NoteSigner& signer) {
  return std::move(*crypto::NoteSigner::parse(signer.private_line().reveal()));
}

/// An opaque transaction that somebody waits for.
inline Transaction transaction_of(std::string_view payload, uint64_t ticket = 0) {
  Transaction transaction;
  transaction.payload = bytes_of(payload).data();
  transaction.size = static_cast<uint32_t>(payload.size());
  transaction.txid = crypto::sha256(bytes_of(payload));
  transaction.leaf_hash = crypto::sha256_leaf(bytes_of(payload));
  transaction.requester.channel = Channel::kControl;
  transaction.requester.ticket = ticket;
  return transaction;
}

struct Folder {
  Folder() {
    // In memory where that can be: these tests sync thousands of times.
    const bool has_shm = access("/dev/shm", W_OK) == 0;
    std::string name = has_shm ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    name += "/sluice-ledger-XXXXXX";
    path = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

/// A file's bytes, and putting them back.
inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void spill(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Window memory of the right size and alignment.
class WindowMemory {
 public:
  explicit WindowMemory(RecentIds::Capacity capacity)
      : size_(RecentIds::bytes_needed(capacity)), memory_(new (std::align_val_t{64}) std::byte[size_]) {}
  std::span<std::byte> span() { return {memory_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };
  size_t size_;
  std::unique_ptr<std::byte[], Free> memory_;
};

/// One gateway's ledger in one thread.
class Gateway {
 public:
  struct Options {
    IngestLimits limits{{4, 1 << 16}, 1000, 4, 64};
    uint64_t window = 64;
    uint64_t segment_bytes = uint64_t{256} << 20;
    uint64_t allocate_bytes = 8192;
  };

  Gateway(FileSystem& files, const std::string& directory, const crypto::NoteSigner& signer, Options options)
      : capacity_{options.window, options.limits.most_in_flight()},
        memory_(capacity_),
        ids(capacity_, memory_.span(), {11, 22}),
        opened_(Journal::open(files, {directory, options.segment_bytes, options.allocate_bytes, 0},
                              copy_of(signer), openssl_engine(), ids)) {
    if (!opened_) return;
    journal = opened_->get();
    ingest = std::make_unique<Ingest>(options.limits, ids, counters);
  }

  bool is_open() const { return journal != nullptr; }
  std::string error() const { return opened_ ? "" : opened_.error().message; }

  /// Offers a payload; the answer, if one came at once, is kept.
  Decision offer(std::string_view payload, uint64_t ticket = 0) {
    return offer(transaction_of(payload, ticket));
  }
  Decision offer(const Transaction& transaction) {
    counters.received.add();
    Answer answer;
    const Decision decision = ingest->offer(transaction, now_ns, answer);
    if (decision != Decision::kUnderWay) answers.push_back(answer);
    return decision;
  }

  /// Seals what is open and hands every sealed block to the journal.
  void append() {
    now_ns += 1'000'000'000;
    ingest->poll(now_ns);
    while (OpenBlock* const block = ingest->take_sealed()) {
      while (journal->append(*block, unix_ns) == Journal::Append::kAfterSync) sync();
      unix_ns += 1000;
    }
  }
  void sync() {
    if (SyncTask* const task = journal->begin_sync()) {
      task->run();
      journal->end(task);
    }
  }
  void collect() {
    while (OpenBlock* const block = journal->next_finished()) ingest->finish(block);
    std::array<Answer, 3> some;
    while (const size_t count = ingest->take_answers(some))
      answers.insert(answers.end(), some.begin(), some.begin() + static_cast<ptrdiff_t>(count));
  }
  /// All of the above: what was offered is durable, or refused.
  void settle() {
    append();
    sync();
    collect();
  }
  void release() {
    if (SyncTask* const task = journal->begin_checkpoint(now_ns, true)) {
      task->run();
      journal->end(task);
    }
  }

  uint64_t now_ns = 0;
  uint64_t unix_ns = 1'700'000'000'000'000'000;
  OutcomeCounters counters;
  std::vector<Answer> answers;

 private:
  RecentIds::Capacity capacity_;
  WindowMemory memory_;

 public:
  RecentIds ids;
  Journal* journal = nullptr;
  std::unique_ptr<Ingest> ingest;

 private:
  Result<std::unique_ptr<Journal>> opened_;
};

}  // namespace sluice::ledger::test

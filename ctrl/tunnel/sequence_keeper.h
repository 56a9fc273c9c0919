// Sees to it that stable storage is always ahead of the sequence numbers that workers use: a thread of its
// own, for it waits for the disk. What it cannot write is not used: workers run out of numbers, and wait.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/result.h"
#include "ctrl/tunnel/sequence_file.h"
#include "dataplane/esp/security_association.h"

namespace sluice::ctrl {

/// Any thread.
class SequenceKeeper {
 public:
  /// How far ahead numbers are reserved at least; more where more are used in a second. After the machine
  /// itself went down so many are passed over.
  static constexpr uint64_t kOutAhead = 65'536;
  static constexpr uint64_t kInAhead = 131'072;

  /// For the numbers of `workers` workers, kept in that directory. Nothing is opened yet.
  SequenceKeeper(std::string directory, unsigned workers);
  /// Notes how far all have come. Workers have stopped.
  ~SequenceKeeper();
  SequenceKeeper(const SequenceKeeper&) = delete;
  SequenceKeeper& operator=(const SequenceKeeper&) = delete;

  /// The numbers of a key, on from those used before; all who ask for one key share them. Waits for the disk.
  /// Fails where it cannot be read or written.
  Result<std::shared_ptr<dataplane::SequenceLeases>> outbound(const KeyId& key);
  Result<std::shared_ptr<dataplane::InboundSequence>> inbound(const KeyId& key);
  /// Why nothing can be written, at the moment; empty: it can.
  std::string problem() const;

 private:
  struct Kept {
    SequenceUse use;
    KeyId key;
    size_t record;
    std::shared_ptr<dataplane::SequenceLeases> out;  ///< one of the two
    std::shared_ptr<dataplane::InboundSequence> in;
    uint64_t next;      ///< as seen last
    uint64_t reserved;  ///< as published
    uint64_t wanted;    ///< as written, to be published once it is on the disk

    /// Whether nobody else has it, nor can get it but from here.
    bool is_unused() const { return out ? out.use_count() == 1 : in.use_count() == 1; }
  };

  Result<void> open();
  Kept* find(SequenceUse use, const KeyId& key);
  Result<Kept*> add(SequenceUse use, const KeyId& key);
  void run();
  /// Looks at all once. With `mutex_` held.
  void extend();
  void look_at(Kept& kept);
  void publish();
  void retire(Kept& kept);

  const std::string directory_;
  const unsigned workers_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::shared_ptr<SequenceFile> file_;
  std::string problem_;
  std::list<Kept> kept_;
  std::thread thread_;  ///< once the file is open
};

}  // namespace sluice::ctrl

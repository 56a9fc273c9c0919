#include "ledger/verify.h"

#include <dirent.h>
#include <nmmintrin.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "crypto/sha256_openssl.h"
#include "ledger/verify_note.h"
#include "ledger/verify_source.h"
#include "ledger/verify_state.h"

namespace sluice::ledger {
namespace {

using Bytes = VerifySource::Bytes;
using Check = Verified<void>;

// The layout of a record, as docs/reference/ledger-format.md has it.
constexpr uint64_t kAlignment = 4096;
constexpr size_t kHeadBytes = 168;
constexpr size_t kMetadataAt = 24;
constexpr size_t kMetadataBytes = 56;
constexpr size_t kHeaderAt = 80;
constexpr size_t kHeaderRoom = 81;
constexpr size_t kVersionAt = 161;
constexpr size_t kUnderWayAt = 162;
constexpr size_t kMarkAt = 164;
constexpr uint64_t kMostRecord = kHeadBytes + (uint64_t{64} << 20) + 65535 + 65536 * 4;
constexpr unsigned kLevels = 8;

uint64_t number_at(Bytes bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | bytes[at + i];
  return number;
}

crypto::Digest digest_at(Bytes bytes, size_t at) {
  crypto::Digest digest;
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), digest.size(), digest.begin());
  return digest;
}

uint32_t castagnoli(Bytes bytes) {
  uint32_t state = UINT32_MAX;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, &bytes[at], 4);
    state = _mm_crc32_u32(state, word);
  }
  for (; at < bytes.size(); ++at) state = _mm_crc32_u8(state, bytes[at]);
  return ~state;
}

std::string read_all(const std::string& directory, const char* name) {
  VerifySource source(directory, name);
  const Bytes bytes = source.is_open() ? source.take(std::min<uint64_t>(source.size(), 1 << 20)) : Bytes();
  return {bytes.begin(), bytes.end()};
}

std::set<std::string> names_in(const std::string& path) {
  std::set<std::string> names;
  if (DIR* const directory = ::opendir(path.c_str())) {
    while (const dirent* entry = ::readdir(directory)) names.insert(entry->d_name);
    ::closedir(directory);
  }
  names.erase(".");
  names.erase("..");
  return names;
}

// The tree, one leaf at a time, compared with the level files as it grows.
class Tree {
 public:
  explicit Tree(const std::string& directory) {
    for (unsigned level = 0; level < kLevels; ++level)
      files_.push_back(std::make_unique<VerifySource>(directory, "tiles/" + std::to_string(level)));
  }

  uint64_t size() const { return size_; }

  Check add(crypto::Digest hash) {
    unsigned height = 0;
    if (auto checked = check_level(height, hash); !checked) return checked;
    for (; (size_ >> height & 1) != 0; ++height) {
      hash = crypto::sha256_node(peaks_[height], hash);
      if (auto checked = check_level(height + 1, hash); !checked) return checked;
    }
    peaks_[height] = hash;
    ++size_;
    return {};
  }

  crypto::Digest root() const {
    if (size_ == 0) return crypto::sha256({});
    crypto::Digest root{};
    bool is_first = true;
    for (unsigned height = 0; height < 64; ++height) {
      if ((size_ >> height & 1) == 0) continue;
      root = is_first ? peaks_[height] : crypto::sha256_node(peaks_[height], root);
      is_first = false;
    }
    return root;
  }

  Check check_ends() const {
    for (const auto& file : files_) {
      if (!file->is_open()) return tl::unexpected(file->fault_here("cannot be opened"));
      if (file->left() != 0) return tl::unexpected(file->fault_here("more than the journal has"));
    }
    return {};
  }

 private:
  Check check_level(unsigned height, const crypto::Digest& hash) {
    if (height % 8 != 0 || height / 8 >= kLevels) return {};
    return expect_next(*files_[height / 8], hash, "not the hash that the journal gives");
  }

  std::vector<std::unique_ptr<VerifySource>> files_;
  uint64_t size_ = 0;
  std::array<crypto::Digest, 64> peaks_{};
};

class Verifier {
 public:
  Verifier(const std::string& directory, crypto::Sha256& engine, bool may_be_whole)
      : directory_(directory),
        engine_(engine),
        was_left_whole_(may_be_whole && read_all(directory, "lock") == "stopped\n"),
        tree_(directory),
        places_(directory, "tiles/blocks") {}

  Verified<VerifyReport> run(const std::string& verifier_key) {
    if (auto checked = check_notes(verifier_key); !checked) return tl::unexpected(checked.error());
    if (auto checked = check_names(); !checked) return tl::unexpected(checked.error());
    if (checkpoint_.size == 0 && tree_.root() != checkpoint_.root)
      return tl::unexpected(VerifyFault{"checkpoint", 0, "the root is not that of an empty log"});
    for (const std::string& name : segments_) {
      if (is_done()) break;
      if (auto checked = check_segment("journal/" + name); !checked) return tl::unexpected(checked.error());
    }
    if (auto checked = check_ends(); !checked) return tl::unexpected(checked.error());
    return VerifyReport{tree_.size(), blocks_, checkpoint_.size, hex_of(checkpoint_.root), was_left_whole_};
  }

 private:
  Check check_notes(const std::string& verifier_key) {
    const std::string own_line = read_all(directory_, "vkey");
    const auto own = read_verify_key(own_line, "vkey");
    if (!own) return tl::unexpected(own.error());
    if (!verifier_key.empty() && verifier_key + "\n" != own_line)
      return tl::unexpected(VerifyFault{"vkey", 0, "not the key given"});
    const std::string note = read_all(directory_, "checkpoint");
    if (note.empty()) return tl::unexpected(VerifyFault{"checkpoint", 0, "is missing or empty"});
    const auto checkpoint = read_verify_checkpoint(note, *own);
    if (!checkpoint) return tl::unexpected(checkpoint.error());
    checkpoint_ = *checkpoint;
    return {};
  }

  Check check_names() {
    std::set<std::string> tiles = names_in(directory_ + "/tiles");
    for (unsigned level = 0; level < kLevels; ++level) tiles.erase(std::to_string(level));
    tiles.erase("blocks");
    if (!tiles.empty())
      return tl::unexpected(VerifyFault{"tiles/" + *tiles.begin(), 0, "is no file of a log"});
    segments_ = names_in(directory_ + "/journal");
    size_t number = 0;
    for (const std::string& name : segments_) {
      const std::string digits = std::to_string(number++);
      if (name != std::string(8 - std::min<size_t>(digits.size(), 8), '0') + digits)
        return tl::unexpected(VerifyFault{"journal/" + name, 0, "is not the segment that follows"});
    }
    return {};
  }

  // Behind the checkpoint a running gateway is still writing, a crash has torn, a copy has caught a moment.
  bool is_done() const { return !was_left_whole_ && tree_.size() >= checkpoint_.size; }

  Check check_segment(const std::string& name) {
    VerifySource source(directory_, name);
    if (!source.is_open()) return tl::unexpected(source.fault_here("cannot be opened"));
    while (source.left() > 0 && !is_done()) {
      const Bytes head = source.peek(kHeadBytes);
      if (std::all_of(head.begin(), head.end(), [](uint8_t byte) { return byte == 0; })) {
        const auto zeros = expect_zeros(source, source.left(), "neither a record nor zero");
        if (!zeros) return zeros;
        break;  // room that was reserved, and too small for the next record
      }
      if (auto checked = check_record(source); !checked) return checked;
    }
    ++segment_;
    return {};
  }

  Check check_record(VerifySource& source) {
    const uint64_t start = source.place();
    const auto wrong = [&](size_t at, const char* what) {
      return tl::unexpected(source.fault(start + at, what));
    };
    const Bytes head = source.peek(kHeadBytes);
    if (head.size() < kHeadBytes) return wrong(0, "a record is cut off");
    if (std::memcmp(head.data(), "SLBK", 4) != 0) return wrong(0, "no record begins here");
    const uint64_t length = number_at(head, 8, 4);
    const uint64_t count = number_at(head, 12, 4);
    const uint64_t payload_bytes = number_at(head, 16, 4);
    if (length > source.left()) return wrong(8, "the record is cut off");
    if (length > kMostRecord) return wrong(8, "no record is that long");
    if (length != kHeadBytes + payload_bytes + 4 * count || count == 0)
      return wrong(8, "the sizes do not add up");
    const Bytes record = source.take(length);
    if (castagnoli(record.subspan(8)) != number_at(record, 4, 4))
      return wrong(4, "the checksum is not right");
    if (auto checked = check_block(source, record, start); !checked) return checked;
    return expect_zeros(source, std::min((kAlignment - length % kAlignment) % kAlignment, source.left()),
                        "not zero behind a record");
  }

  Check check_block(const VerifySource& source, Bytes record, uint64_t start) {
    const auto wrong = [&](size_t at, const char* what) {
      return tl::unexpected(source.fault(start + at, what));
    };
    const uint64_t time = number_at(record, kMetadataAt, 8);
    const uint64_t first = number_at(record, kMetadataAt + 8, 8);
    const uint64_t size = number_at(record, kMetadataAt + 16, 8);
    if (time < last_time_) return wrong(kMetadataAt, "the block's time goes back");
    if (first != tree_.size()) return wrong(kMetadataAt + 8, "the block's first index is not the next one");
    if (auto place = check_place(first, start); !place) return place;
    if (!hash_payloads(record)) return wrong(kHeadBytes, "the transactions' sizes are not right");
    if (size != first + leaves_.size()) return wrong(kMetadataAt + 16, "the tree size is not right");
    for (const crypto::Digest& leaf : leaves_) {
      if (auto added = tree_.add(leaf); !added) return added;
      if (tree_.size() == checkpoint_.size && tree_.root() != checkpoint_.root)
        return tl::unexpected(VerifyFault{"checkpoint", 0, "the root is not that of the journal"});
    }
    if (tree_.root() != digest_at(record, kMetadataAt + 24))
      return wrong(kMetadataAt + 24, "the root is not right");
    const std::vector<uint8_t> der = expected_header(record.subspan(kMetadataAt, kMetadataBytes));
    if (number_at(record, 20, 4) != der.size() ||
        !std::equal(der.begin(), der.end(), record.begin() + static_cast<ptrdiff_t>(kHeaderAt)))
      return wrong(kHeaderAt, "the block header is not right");
    const Bytes rest = record.subspan(kHeaderAt + der.size(), kHeaderRoom - der.size());
    if (std::any_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte != 0; }))
      return wrong(kHeaderAt + der.size(), "not zero behind the block header");
    if (auto state = check_state(source, record, start); !state) return state;
    last_hash_ = crypto::sha256(der);
    last_time_ = time;
    ++blocks_;
    return {};
  }

  // What the record says of the journal. Records of version 0 say nothing, and come before the others.
  Check check_state(const VerifySource& source, Bytes record, uint64_t start) {
    const uint64_t under_way = number_at(record, kUnderWayAt, 2);
    const uint64_t mark = number_at(record, kMarkAt, 4);
    const auto wrong = [&](size_t at, const char* what) {
      return tl::unexpected(source.fault(start + at, what));
    };
    if (record[kVersionAt] > 1) return wrong(kVersionAt, "no version of a record that is known");
    if (record[kVersionAt] == 0)
      return mark_ == 0 && mark == 0 && under_way == 0
                 ? Check()
                 : wrong(kVersionAt, "the record's version is not right");
    if (under_way > blocks_) return wrong(kUnderWayAt, "more blocks under way than there are");
    if (mark == 0 || (mark_ != 0 && mark != mark_)) return wrong(kMarkAt, "not the log's mark");
    mark_ = mark;
    return {};
  }

  Check check_place(uint64_t first, uint64_t start) {
    std::array<uint8_t, 16> place;
    const auto put = [&](size_t at, uint64_t value, size_t size) {
      for (size_t i = 0; i < size; ++i) place[at + i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
    };
    put(0, first, 8);
    put(8, segment_, 4);
    put(12, start / kAlignment, 4);
    return expect_next(places_, place, "not the place of the block");
  }

  // Leaf hashes of all payloads; false where the table of sizes does not fit them.
  bool hash_payloads(Bytes record) {
    const uint64_t count = number_at(record, 12, 4);
    const uint64_t payload_bytes = number_at(record, 16, 4);
    const Bytes table = record.subspan(kHeadBytes + payload_bytes);
    leaves_.resize(count);
    messages_.clear();
    uint64_t at = 0;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t size = number_at(table, 4 * i, 2);
      if (size == 0 || at + size > payload_bytes || table[4 * i + 2] > 1 || table[4 * i + 3] != 0)
        return false;
      messages_.push_back({&record[kHeadBytes + at], &leaves_[i], static_cast<uint32_t>(size),
                           crypto::Prefix::leaf, crypto::Rounds::once});
      at += size;
    }
    if (at != payload_bytes) return false;
    engine_.hash(messages_);
    return true;
  }

  // The DER header that this block must have.
  std::vector<uint8_t> expected_header(Bytes metadata) const {
    crypto::Sha256Stream data;
    data.update(metadata);
    for (const crypto::Digest& leaf : leaves_) data.update(leaf);
    const crypto::Digest data_hash = data.finish();
    std::vector<uint8_t> number;
    for (uint64_t rest = blocks_; rest > 0 || number.empty(); rest >>= 8)
      number.insert(number.begin(), static_cast<uint8_t>(rest));
    if ((number.front() & 0x80) != 0) number.insert(number.begin(), 0);
    const size_t previous = blocks_ > 0 ? last_hash_.size() : 0;
    std::vector<uint8_t> der;
    der.reserve(kHeaderRoom);
    const auto put_head = [&](uint8_t tag, size_t size) {
      der.push_back(tag);
      der.push_back(static_cast<uint8_t>(size));
    };
    const auto put = [&](Bytes bytes) {
      put_head(0x04, bytes.size());
      der.insert(der.end(), bytes.begin(), bytes.end());
    };
    put_head(0x30, 2 + number.size() + 2 + previous + 2 + data_hash.size());
    put_head(0x02, number.size());
    der.insert(der.end(), number.begin(), number.end());
    put(Bytes(last_hash_).first(previous));
    put(data_hash);
    return der;
  }

  Check check_ends() {
    if (tree_.size() < checkpoint_.size)
      return tl::unexpected(VerifyFault{"checkpoint", 0, "covers more than the journal has"});
    if (!was_left_whole_) return {};
    if (auto checked = tree_.check_ends(); !checked) return checked;
    if (!places_.is_open()) return tl::unexpected(places_.fault_here("cannot be opened"));
    if (places_.left() != 0) return tl::unexpected(places_.fault_here("more than the journal has"));
    return {};
  }

  const std::string& directory_;
  crypto::Sha256& engine_;
  bool was_left_whole_;
  Tree tree_;
  VerifySource places_;
  std::set<std::string> segments_;
  VerifyCheckpoint checkpoint_;
  uint64_t segment_ = 0;
  uint64_t blocks_ = 0;
  uint64_t last_time_ = 0;
  uint64_t mark_ = 0;
  crypto::Digest last_hash_{};
  std::vector<crypto::Digest> leaves_;
  std::vector<crypto::Message> messages_;
};

}  // namespace

std::string VerifyFault::to_string() const {
  return file + ": byte " + std::to_string(place) + ": " + what;
}

tl::expected<VerifyReport, VerifyFault> verify_log(const std::string& directory,
                                                   const std::string& verifier_key, crypto::Sha256& engine) {
  constexpr unsigned kMostRuns = 4;
  for (unsigned run = 1;; ++run) {
    const LogState before(directory);
    auto report = Verifier(directory, engine, run == 1).run(verifier_key);
    // A fault that a writer may have shown by beginning meanwhile is looked for again, up to the checkpoint.
    if (report || run == kMostRuns || LogState(directory) == before) return report;
  }
}

}  // namespace sluice::ledger

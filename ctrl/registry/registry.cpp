#include "ctrl/registry/registry.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/encoding.h"
#include "ctrl/log/log_line.h"
#include "ctrl/source/entry.h"

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

std::string draw_lease() {
  std::array<uint8_t, 16> bytes;
  // 16 bytes never come in pieces, and never fail once the kernel's generator is seeded: getrandom(2).
  while (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) continue;
  return crypto::to_hex(bytes);
}

tl::unexpected<RegistryRefusal> refuse(GrpcStatus status, std::string message) {
  return tl::unexpected(RegistryRefusal{status, std::move(message)});
}

/// How many bytes the UTF-8 sequence at the beginning of `text` has (RFC 3629, 4); 0: there is none.
size_t sequence_of(std::string_view text) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0}; };
  const auto follows = [&](size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const uint8_t first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (first < 0xf0 || first > 0xf4 || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return follows(1) && follows(2) && follows(3) ? 4 : 0;
}

/// Without control characters, and what every reader of JSON and of Protocol Buffers takes.
bool is_text(std::string_view text) {
  while (!text.empty()) {
    const size_t size = sequence_of(text);
    if (size == 0 || (size == 1 && (text[0] < ' ' || text[0] == 0x7f))) return false;
    text.remove_prefix(size);
  }
  return true;
}

/// What is wrong with an instance; empty: nothing.
std::string fault_of(const ServiceInstance& instance) {
  constexpr const char* kName = " is not 1 to 253 bytes of visible ASCII";
  if (!is_registry_name(instance.key.service)) return std::string("service:") + kName;
  if (!is_registry_name(instance.key.instance)) return std::string("instance:") + kName;
  Instance read;
  if (const auto host = read_host(instance.address, read); !host) return "address: " + host.error().message;
  if (instance.port < 1 || instance.port > 65535) return "port: is not 1 to 65535";
  if (instance.weight > 65535) return "weight: is not 0 to 65535";
  if (instance.ttl < Registry::kShortestTtl || instance.ttl > Registry::kLongestTtl) {
    return "ttl: is not 1s to 24h";
  }
  size_t bytes = 0;
  for (const auto& [key, value] : instance.metadata) {
    bytes += key.size() + value.size();
    if (key.empty() || !is_text(key) || !is_text(value)) return "metadata: has an entry that is no text";
  }
  if (instance.metadata.size() > Registry::kMostMetadata || bytes > Registry::kMostMetadataBytes) {
    return "metadata: has more than 64 entries or 8 KiB";
  }
  return {};
}

}  // namespace

bool is_registry_name(std::string_view text) {
  return !text.empty() && text.size() <= Registry::kMostNameBytes &&
         std::ranges::all_of(text, [](char byte) { return byte > ' ' && byte <= '~'; });
}

Registry::Registry(LeaseJournal journal, milliseconds default_ttl, LeaseTable& table, Time now)
    : journal_(std::move(journal)), default_ttl_(default_ttl), table_(table), first_(now) {}

Result<std::unique_ptr<Registry>> Registry::open(const std::string& directory, milliseconds default_ttl,
                                                 LeaseTable& table) {
  JournalReading reading;
  auto journal = LeaseJournal::open(directory, table, reading);
  if (!journal) return tl::unexpected(journal.error());
  table.keep_until(reading.now + kAfterRestart);
  table.go_on_from(reading.index + 1);
  if (reading.unreadable > 0) {
    log_warning({reading.unreadable, " lines of the registry's leases in ", directory, " cannot be read"});
  }
  if (table.size() > 0) log_info({"the registry goes on with ", table.size(), " leases"});
  return std::unique_ptr<Registry>(new Registry(std::move(*journal), default_ttl, table, reading.now));
}

Registry::Time Registry::now() const {
  return first_ + std::chrono::duration_cast<Time>(std::chrono::steady_clock::now() - started_);
}

Registered<GrantedLease> Registry::put(ServiceInstance instance) {
  if (instance.ttl.count() == 0) instance.ttl = default_ttl_;
  if (std::string fault = fault_of(instance); !fault.empty()) {
    return refuse(GrpcStatus::kInvalidArgument, std::move(fault));
  }
  if (!table_.has_room(instance)) return refuse(GrpcStatus::kResourceExhausted, "the registry is full");
  const GrantedLease granted{draw_lease(), instance.ttl};
  const Time deadline = now() + instance.ttl;
  const auto written = journal_.put(instance, granted.id, now(), deadline, table_.index_of("") + 1);
  complain(written);
  if (!written) return refuse(GrpcStatus::kUnavailable, "the lease cannot be written: see the gateway's log");
  table_.put(std::make_shared<const ServiceInstance>(std::move(instance)), granted.id, deadline);
  return granted;
}

Registered<GrantedLease> Registry::renew(const LeaseTable::Instance& instance, const std::string& lease) {
  if (!instance) return refuse(GrpcStatus::kNotFound, "there is no such lease: it has ended");
  const Time deadline = now() + instance->ttl;
  table_.renew(lease, deadline);
  journal_.renew(lease, deadline);
  return GrantedLease{lease, instance->ttl};
}

Registered<GrantedLease> Registry::renew(const std::string& lease) {
  end_overdue();  // an answer never depends on when the clock was looked at last
  return renew(table_.of_lease(lease), lease);
}

Registered<GrantedLease> Registry::renew(const InstanceKey& key) {
  end_overdue();
  const std::string lease = table_.lease_of(key);
  return renew(table_.of_lease(lease), lease);
}

Registered<void> Registry::remove(const LeaseTable::Instance& instance, const InstanceKey& key) {
  if (!instance) return refuse(GrpcStatus::kNotFound, "there is no such lease: it has ended");
  const auto written = journal_.remove(key, now(), table_.index_of("") + 1);
  complain(written);
  if (!written) return refuse(GrpcStatus::kUnavailable, "that cannot be written: see the gateway's log");
  table_.remove(key);
  return {};
}

Registered<void> Registry::remove(const std::string& lease) {
  end_overdue();
  const auto instance = table_.of_lease(lease);
  return remove(instance, instance ? instance->key : InstanceKey{});
}

Registered<void> Registry::remove(const InstanceKey& key) {
  end_overdue();
  return remove(table_.of_lease(table_.lease_of(key)), key);
}

void Registry::end_overdue() {
  const auto overdue = table_.overdue(now());
  if (overdue.empty()) return;
  for (const InstanceKey& key : overdue) {
    // What is not written would come back with a restart, for the time that it then has left.
    complain(journal_.remove(key, now(), table_.index_of("") + 1));
    table_.remove(key);
  }
  ended_ += overdue.size();
  log_info({"leases that nobody has renewed: ", overdue.size(), ", the first of ", overdue.front().instance,
            " in service ", overdue.front().service});
}

void Registry::tick() {
  end_overdue();
  complain(journal_.flush(now()));
  complain(journal_.sync());
  complain(journal_.compact_if_grown(table_, now()));
}

void Registry::complain(const Result<void>& outcome) {
  if (outcome || std::exchange(has_complained_, true)) return;
  log_error({"the registry cannot keep its leases: ", outcome.error().message});
}

}  // namespace sluice::ctrl

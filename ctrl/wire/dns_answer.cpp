#include "ctrl/wire/dns_answer.h"

#include <algorithm>
#include <array>

namespace sluice::ctrl {
namespace {

constexpr uint16_t kTypeNs = 2, kTypeCname = 5, kTypeSoa = 6;
constexpr size_t kMostNameBytes = 255;
constexpr int kMostAliases = 16;

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : byte;
}

/// Reads a message forwards; every member answers false or nothing at its end.
class Reader {
 public:
  Reader(std::span<const uint8_t> message, size_t at) : message_(message), at_(at) {}
  size_t at() const { return at_; }

  std::optional<uint16_t> u16() {
    if (message_.size() - at_ < 2) return std::nullopt;
    const auto value = static_cast<uint16_t>(message_[at_] << 8 | message_[at_ + 1]);
    at_ += 2;
    return value;
  }
  std::optional<uint32_t> u32() {
    const auto high = u16();
    const auto low = high ? u16() : std::nullopt;
    if (!low) return std::nullopt;
    return uint32_t{*high} << 16 | *low;
  }
  bool skip(size_t bytes) {
    if (message_.size() - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }
  std::optional<std::string> name();

 private:
  static void put_label(std::string& name, std::span<const uint8_t> label);
  std::span<const uint8_t> message_;
  size_t at_;
};

/// A dot or a strange byte within a label is written as master files have it (RFC 1035, 5.1): two names that
/// differ on the wire differ as text.
void Reader::put_label(std::string& name, std::span<const uint8_t> label) {
  if (!name.empty()) name += '.';
  for (const uint8_t byte : label) {
    if (byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\') {
      name += lower(static_cast<char>(byte));
      continue;
    }
    const std::array<char, 4> escaped = {'\\', static_cast<char>('0' + byte / 100),
                                         static_cast<char>('0' + byte / 10 % 10),
                                         static_cast<char>('0' + byte % 10)};
    name.append(escaped.data(), escaped.size());
  }
}

std::optional<std::string> Reader::name() {
  std::string name;
  size_t bytes = 0, from = at_;
  size_t limit = at_;  // a pointer leads before this, so that no name goes round in a ring
  bool jumped = false;
  for (;;) {
    if (from >= message_.size()) return std::nullopt;
    const uint8_t length = message_[from];
    if ((length & 0xc0) == 0xc0) {
      if (message_.size() - from < 2) return std::nullopt;
      const size_t target = static_cast<size_t>(length & 0x3f) << 8 | message_[from + 1];
      if (target >= limit) return std::nullopt;
      if (!jumped) at_ = from + 2;
      jumped = true;
      from = limit = target;
      continue;
    }
    if (length > 63 || message_.size() - from < 1u + length) return std::nullopt;
    bytes += 1u + length;
    if (bytes > kMostNameBytes) return std::nullopt;
    from += 1u + length;
    if (length == 0) break;
    put_label(name, message_.subspan(from - length, length));
  }
  if (!jumped) at_ = from;
  return name.empty() ? "." : name;
}

struct RecordHead {
  std::string owner;
  uint16_t type, type_class;
  uint32_t ttl;
  size_t data, size;
};

std::optional<RecordHead> read_head(Reader& reader) {
  auto owner = reader.name();
  if (!owner) return std::nullopt;
  const auto type = reader.u16();
  const auto type_class = reader.u16();
  auto ttl = reader.u32();
  const auto size = reader.u16();
  if (!size) return std::nullopt;
  if (*ttl > 0x7fffffff) ttl = 0;  // RFC 2181, 8
  const size_t data = reader.at();
  if (!reader.skip(*size)) return std::nullopt;
  return RecordHead{std::move(*owner), *type, *type_class, *ttl, data, *size};
}

/// False: the data is not what its type says.
bool put_record(std::vector<DnsRecord>& records, std::span<const uint8_t> message, RecordHead head) {
  Reader data(message, head.data);
  const size_t end = head.data + head.size;
  switch (head.type) {
    case static_cast<uint16_t>(DnsType::kA):
      if (head.size != 4) return false;
      records.push_back({std::move(head.owner), head.ttl, IpAddress::v4(load<Be32>(&message[head.data]))});
      return true;
    case static_cast<uint16_t>(DnsType::kAaaa):
      if (head.size != 16) return false;
      records.push_back({std::move(head.owner), head.ttl, IpAddress::v6(&message[head.data])});
      return true;
    case static_cast<uint16_t>(DnsType::kSrv): {
      const auto priority = data.u16(), weight = data.u16(), port = data.u16();
      auto target = port ? data.name() : std::nullopt;
      if (!target || data.at() != end) return false;
      records.push_back({std::move(head.owner), head.ttl, DnsSrv{*priority, *weight, *port, *target}});
      return true;
    }
    case kTypeCname: {
      auto target = data.name();
      if (!target || data.at() != end) return false;
      records.push_back({std::move(head.owner), head.ttl, DnsAlias{*target}});
      return true;
    }
    default:
      return true;
  }
}

/// The smaller of the SOA's own TTL and its MINIMUM (RFC 2308, 5).
std::optional<uint32_t> negative_ttl_of(std::span<const uint8_t> message, const RecordHead& head) {
  Reader data(message, head.data);
  if (!data.name() || !data.name() || !data.skip(16)) return std::nullopt;
  const auto minimum = data.u32();
  if (!minimum || data.at() != head.data + head.size) return std::nullopt;
  return std::min(head.ttl, *minimum);
}

Result<DnsAnswer> read_sections(std::span<const uint8_t> message, unsigned rcode) {
  DnsAnswer answer;
  answer.rcode = rcode;
  answer.truncated = (message[2] & 0x02) != 0;
  const auto count = [&](size_t at) { return static_cast<unsigned>(message[at] << 8 | message[at + 1]); };
  if (answer.truncated) return answer;  // what is there may be cut anywhere
  Reader reader(message, kDnsHeader);
  if (count(4) == 1 && (!reader.name() || !reader.skip(4))) return fail("its question cannot be read");
  for (unsigned i = 0; i < count(6); ++i) {
    auto head = read_head(reader);
    if (!head ||
        (head->type_class == kDnsClassIn && !put_record(answer.records, message, std::move(*head)))) {
      return fail("record " + std::to_string(i + 1) + " of the answer cannot be read");
    }
  }
  bool has_name_servers = false, has_authority = false;
  for (unsigned i = 0; i < count(8); ++i) {
    const auto head = read_head(reader);
    if (!head) return fail("its authority section cannot be read");
    has_name_servers |= head->type == kTypeNs;
    if (head->type != kTypeSoa) continue;
    has_authority = true;
    answer.negative_ttl = negative_ttl_of(message, *head);
    if (!answer.negative_ttl) return fail("its SOA record cannot be read");
  }
  answer.is_referral = has_name_servers && !has_authority;
  return answer;
}

}  // namespace

std::optional<Result<DnsAnswer>> read_dns_answer(std::span<const uint8_t> message,
                                                 std::span<const uint8_t> query) {
  const auto rcode = rcode_of_answer(message, query);
  if (!rcode) return std::nullopt;
  // An error may leave the question out (rcode_of_answer), but what empties a pool has to say of which name.
  const bool has_question = message[4] != 0 || message[5] != 0;
  if (*rcode == kDnsNoSuchName && !has_question)
    return Result<DnsAnswer>(fail("NXDOMAIN without a question"));
  return read_sections(message, *rcode);
}

Result<DnsFound> find_in(const DnsAnswer& answer, const std::string& name, DnsType type) {
  DnsFound found;
  std::string owner = name;
  const auto is_wanted = [&](const DnsRecord& record) {
    if (record.owner != owner) return false;
    if (type == DnsType::kSrv) return std::holds_alternative<DnsSrv>(record.data);
    const auto* const address = std::get_if<IpAddress>(&record.data);
    return address != nullptr && address->is_v4() == (type == DnsType::kA);
  };
  for (int aliases = 0; aliases <= kMostAliases; ++aliases) {
    for (const DnsRecord& record : answer.records) {
      if (!is_wanted(record)) continue;
      found.ttl = std::min(found.ttl, record.ttl);
      found.records.push_back(record);
    }
    if (!found.records.empty()) {
      found.last_alias.clear();
      return found;
    }
    const auto alias = std::ranges::find_if(answer.records, [&](const DnsRecord& record) {
      return record.owner == owner && std::holds_alternative<DnsAlias>(record.data);
    });
    if (alias == answer.records.end()) {
      if (answer.negative_ttl) found.ttl = std::min(found.ttl, *answer.negative_ttl);
      return found;
    }
    found.ttl = std::min(found.ttl, alias->ttl);
    owner = found.last_alias = std::get<DnsAlias>(alias->data).target;
  }
  return fail("more than " + std::to_string(kMostAliases) + " aliases");
}

std::string canonical_dns_name(std::string_view name) {
  if (name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
  std::string canonical(name);
  std::ranges::transform(canonical, canonical.begin(), lower);
  return canonical;
}

}  // namespace sluice::ctrl

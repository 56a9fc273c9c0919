#include "ctrl/tunnel/tunnel_states.h"

#include <algorithm>
#include <set>

#include "ctrl/intent/config_tunnels.h"
#include "ctrl/log/log_line.h"

namespace sluice::ctrl {
namespace {

std::string pointer(size_t tunnel, const char* field) {
  return "/tunnels/" + std::to_string(tunnel) + "/keys/" + field;
}

Refusal invalid(std::string where, std::string message) {
  return {Refusal::Kind::kInvalid, message, {}, {{std::move(where), message}}};
}

std::string in_quotes(const std::string& name) {
  return "\"" + name + "\"";
}

/// Whether the range that numbers are taken from has none left, for good.
bool is_used_up(const dataplane::OutboundSa& sa) {
  return !sa.is_extended && sa.leases->next() > UINT32_MAX;
}

/// Whether an association is that of those keys, and not about to end.
bool is_current(const InboundAssociation& known, const AssociationKeys& keys) {
  return known.sa->spi.host() == keys.spi && known.key == keys.key.id() && !known.until;
}

TunnelCondition condition_of(const TunnelAssociation& tunnel, bool can_write) {
  if (tunnel.lacks_storage) return TunnelCondition::kExhausted;
  if (!tunnel.out || tunnel.in.empty()) return TunnelCondition::kNoKeys;
  const bool has_run_out = !can_write && tunnel.out->sa->leases->next() >= tunnel.out->sa->leases->end();
  if (has_run_out || is_used_up(*tunnel.out->sa)) return TunnelCondition::kExhausted;
  return tunnel.is_held ? TunnelCondition::kHeld : TunnelCondition::kUp;
}

}  // namespace

std::string_view word_for(TunnelCondition condition) {
  switch (condition) {
    case TunnelCondition::kUp:
      return "up";
    case TunnelCondition::kNoKeys:
      return "no_keys";
    case TunnelCondition::kExhausted:
      return "exhausted";
    case TunnelCondition::kHeld:
      return "held";
  }
  return "";
}

struct TunnelStates::StaticKeys {
  AssociationKeys in, out;
};

TunnelStates::TunnelStates(std::string directory, unsigned workers)
    : directory_(std::move(directory)),
      workers_(workers),
      gcm_(crypto::AesGcm::create()),
      keeper_(directory_, workers),
      now_(std::make_shared<const TunnelAssociations>()) {}

TunnelPlan TunnelStates::plan(Next next) {
  return TunnelPlan(std::make_shared<const TunnelAssociations>(TunnelAssociations{std::move(next)}));
}

/// What is counted of a tunnel goes on as long as its name is there.
std::shared_ptr<TunnelAssociation> TunnelStates::fresh(const TunnelModel& tunnel) const {
  const TunnelAssociation* const before = now_->find(tunnel.name);
  auto made = std::make_shared<TunnelAssociation>();
  made->state = before ? before->state : std::make_shared<dataplane::TunnelState>(workers_);
  made->keys = tunnel.keys;
  return made;
}

Outcome<TunnelStates::StaticKeys> TunnelStates::read_keys(const TunnelModel& tunnel, size_t index) const {
  const StaticKeysModel& keys = *tunnel.keys;
  auto in = read_esp_key(keys.algorithm, keys.in);
  if (!in) return tl::unexpected(invalid(pointer(index, "in"), in.error().message));
  auto out = read_esp_key(keys.algorithm, keys.out);
  if (!out) return tl::unexpected(invalid(pointer(index, "out"), out.error().message));
  return StaticKeys{{keys.spi_in, std::move(*in), keys.esn, keys.replay_window},
                    {keys.spi_out, std::move(*out), keys.esn, keys.replay_window}};
}

Result<InboundAssociation> TunnelStates::inbound(const AssociationKeys& keys) {
  auto numbers = keeper_.inbound(keys.key.id_with(keys.spi));
  if (!numbers) return tl::unexpected(numbers.error());
  auto sa = std::make_shared<const dataplane::InboundSa>(*gcm_, Be32::from_host(keys.spi), keys.key.bytes(),
                                                         keys.key.salt(), keys.esn, keys.replay_window,
                                                         std::move(*numbers));
  return InboundAssociation{std::move(sa), keys.key.id()};
}

Result<OutboundAssociation> TunnelStates::outbound(const AssociationKeys& keys) {
  auto numbers = keeper_.outbound(keys.key.id());
  if (!numbers) return tl::unexpected(numbers.error());
  auto sa = std::make_shared<const dataplane::OutboundSa>(*gcm_, Be32::from_host(keys.spi), keys.key.bytes(),
                                                          keys.key.salt(), keys.esn, std::move(*numbers));
  return OutboundAssociation{std::move(sa), keys.key.id()};
}

bool TunnelStates::use(TunnelAssociation& tunnel, std::optional<InboundAssociation> same,
                       const AssociationKeys& in, const AssociationKeys& out) {
  tunnel.lacks_storage = true;
  if (!gcm_) return false;
  auto sent = outbound(out);
  Result<InboundAssociation> received = InboundAssociation{};
  if (!sent) {
    received = tl::unexpected(sent.error());
  } else {
    received = same ? std::move(*same) : inbound(in);
  }
  if (!received) {
    log_warning({"tunnel_state: ", received.error().message});
    return false;
  }
  tunnel.out = std::move(*sent);
  tunnel.in.push_back(std::move(*received));
  tunnel.lacks_storage = false;
  return true;
}

/// Why keys may not be used by a tunnel beside those of all others, and of its own old ones.
std::optional<Refusal> TunnelStates::conflict(const Next& next, const std::string& tunnel,
                                              const AssociationKeys& in, const AssociationKeys& out,
                                              const std::string& in_at, const std::string& out_at) const {
  const KeyId out_key = out.key.id();
  if (in.key.id() == out_key) {
    return invalid(out_at + "/key", "one key is for \"in\" and \"out\": each needs its own");
  }
  for (const auto& [name, other] : next) {
    for (const InboundAssociation& known : other->in) {
      if (known.sa->spi.host() != in.spi || (name == tunnel && is_current(known, in))) continue;
      return invalid(in_at + "/spi",
                     std::to_string(in.spi) + " is what tunnel " + in_quotes(name) + " receives by already");
    }
    if (name != tunnel && other->out && other->out->key == out_key) {
      return invalid(out_at + "/key", "tunnel " + in_quotes(name) + " sends with this key already");
    }
    const bool is_received_with = std::any_of(other->in.begin(), other->in.end(),
                                              [&](const auto& known) { return known.key == out_key; });
    if (name == tunnel && is_received_with)
      return invalid(out_at + "/key", "the tunnel receives with this key");
  }
  return std::nullopt;
}

Outcome<TunnelPlan> TunnelStates::follow(const Model& model, bool is_rehearsal) {
  Next next;
  std::vector<size_t> anew;
  for (size_t i = 0; i < model.tunnels.size(); ++i) {
    const TunnelModel& tunnel = model.tunnels[i];
    const auto known = now_->tunnels.find(tunnel.name);
    if (known != now_->tunnels.end() && known->second->keys == tunnel.keys) {
      next.emplace(tunnel.name, known->second);
    } else {
      anew.push_back(i);
    }
  }
  // First who keeps what he has, so that what is new is compared with that.
  std::set<KeyId> keys_out;
  for (const size_t index : anew) {
    const TunnelModel& tunnel = model.tunnels[index];
    auto made = fresh(tunnel);
    if (tunnel.keys) {
      const auto keys = read_keys(tunnel, index);
      if (!keys) return tl::unexpected(keys.error());
      if (auto refusal =
              conflict(next, tunnel.name, keys->in, keys->out, pointer(index, ""), pointer(index, ""))) {
        // Of a file, and not of a request.
        for (Fault& fault : refusal->faults) {
          const bool is_spi = fault.pointer.ends_with("/spi");
          fault.pointer = pointer(index, is_spi ? "spi_in" : "out");
        }
        return tl::unexpected(std::move(*refusal));
      }
      if (!keys_out.insert(keys->out.key.id()).second) {
        return tl::unexpected(invalid(pointer(index, "out"), "another tunnel sends with this key"));
      }
      if (!is_rehearsal) use(*made, {}, keys->in, keys->out);
    }
    next.emplace(tunnel.name, std::move(made));
  }
  return plan(std::move(next));
}

Outcome<TunnelPlan> TunnelStates::rekey(const Model& model, TunnelRekey rekey, Moment now) {
  const auto known = now_->tunnels.find(rekey.tunnel);
  const bool is_there = std::any_of(model.tunnels.begin(), model.tunnels.end(),
                                    [&](const TunnelModel& tunnel) { return tunnel.name == rekey.tunnel; });
  if (!is_there || known == now_->tunnels.end()) {
    return refuse(Refusal::Kind::kNotFound, "there is no tunnel named " + in_quotes(rekey.tunnel),
                  "tunnel.list names those that there are");
  }
  if (auto refusal = conflict(now_->tunnels, rekey.tunnel, rekey.in, rekey.out, "/in", "/out")) {
    return tl::unexpected(std::move(*refusal));
  }
  if (known->second->in.size() >= kMostOld) {
    return refuse(
        Refusal::Kind::kUnavailable,
        "tunnel " + in_quotes(rekey.tunnel) + " has " + std::to_string(kMostOld) + " old keys still",
        "try again once overlaps have ended, or give shorter ones");
  }
  auto made = std::make_shared<TunnelAssociation>(*known->second);
  // An inbound one that is given again goes on: so one direction can change alone.
  std::optional<InboundAssociation> same;
  if (!made->in.empty() && is_current(made->in.back(), rekey.in)) {
    same = made->in.back();
    made->in.pop_back();
  }
  for (InboundAssociation& old : made->in) {
    const auto until = now.steady + rekey.overlap;
    old.until = old.until ? std::min(*old.until, until) : until;
  }
  if (!use(*made, std::move(same), rekey.in, rekey.out)) {
    return refuse(Refusal::Kind::kUnavailable, "the sequence numbers of the new keys cannot be kept",
                  "nothing has changed; look at the directory tunnel_state: " + keeper_.problem());
  }
  Next next = now_->tunnels;
  next[rekey.tunnel] = std::move(made);
  return plan(std::move(next));
}

/// Makes a tunnel's associations what the kernel has; false: they are that.
bool TunnelStates::take_kernels(TunnelAssociation& next, const std::vector<const KernelAssociation*>& in,
                                const KernelAssociation* out) {
  bool differs = next.is_held;
  next.is_held = false;
  const auto spi_of = [](const auto& association) { return association.sa->spi.host(); };
  std::erase_if(next.in, [&](const InboundAssociation& known) {
    const bool is_gone =
        known.is_kernels && std::none_of(in.begin(), in.end(), [&](const KernelAssociation* kernels) {
          return kernels->keys.spi == spi_of(known) && kernels->keys.key.id() == known.key;
        });
    differs |= is_gone;
    return is_gone;
  });
  for (const KernelAssociation* const kernels : in) {
    const bool is_known = std::any_of(next.in.begin(), next.in.end(), [&](const InboundAssociation& known) {
      return spi_of(known) == kernels->keys.spi;
    });
    if (is_known || next.in.size() >= kMostOld) continue;
    auto made = inbound(kernels->keys);
    next.lacks_storage = !made;
    if (!made) break;
    made->expires = kernels->expires;
    made->is_kernels = true;
    next.in.push_back(std::move(*made));
    differs = true;
  }
  const bool has_out =
      next.out && out && spi_of(*next.out) == out->keys.spi && next.out->key == out->keys.key.id();
  const bool has_lost_it = !out && next.out && next.out->is_kernels;
  if (has_lost_it || (out && !has_out)) {
    next.out.reset();
    differs = true;
    if (out) {
      auto made = outbound(out->keys);
      next.lacks_storage = !made;
      if (made) {
        made->expires = out->expires;
        made->is_kernels = true;
        next.out = std::move(*made);
      }
    }
  }
  return differs;
}

std::optional<TunnelPlan> TunnelStates::follow_kernel(const Model& model, KernelAssociations all) {
  Next next = now_->tunnels;
  bool differs = false;
  for (const TunnelModel& tunnel : model.tunnels) {
    const auto known = next.find(tunnel.name);
    if (tunnel.keys || known == next.end()) continue;
    auto made = std::make_shared<TunnelAssociation>(*known->second);
    if (!all.is_complete) {
      if (made->is_held || !made->out) continue;
      made->is_held = true;
    } else {
      std::vector<const KernelAssociation*> in;
      const KernelAssociation* out = nullptr;
      for (const KernelAssociation& kernels : all.all) {
        if (kernels.is_udp != tunnel.udp) continue;
        if (kernels.source == tunnel.remote && kernels.destination == tunnel.local) in.push_back(&kernels);
        const bool is_out = kernels.source == tunnel.local && kernels.destination == tunnel.remote;
        if (is_out && (!out || out->added <= kernels.added)) out = &kernels;
      }
      if (!take_kernels(*made, in, out)) continue;
    }
    known->second = std::move(made);
    differs = true;
  }
  if (!differs) return std::nullopt;
  return plan(std::move(next));
}

std::optional<TunnelPlan> TunnelStates::tend(const Model& model, Moment now) {
  Next next = now_->tunnels;
  bool differs = false;
  for (size_t i = 0; i < model.tunnels.size(); ++i) {
    const TunnelModel& tunnel = model.tunnels[i];
    const auto known = next.find(tunnel.name);
    if (known == next.end()) continue;
    const auto is_over = [&](const InboundAssociation& old) { return old.until && *old.until <= now.steady; };
    const bool has_old = std::any_of(known->second->in.begin(), known->second->in.end(), is_over);
    const bool may_be_used = known->second->lacks_storage && tunnel.keys;
    if (!has_old && !may_be_used) continue;
    auto made = std::make_shared<TunnelAssociation>(*known->second);
    std::erase_if(made->in, is_over);
    if (may_be_used) {
      const auto keys = read_keys(tunnel, i);
      if (!keys || !use(*made, {}, keys->in, keys->out)) continue;
    }
    known->second = std::move(made);
    differs = true;
  }
  if (!differs) return std::nullopt;
  return plan(std::move(next));
}

std::vector<TunnelEvent> TunnelStates::look(const Model& model, std::chrono::system_clock::time_point now) {
  std::vector<TunnelEvent> events;
  std::map<std::string, Seen> seen;
  const bool can_write = keeper_.problem().empty();
  for (const TunnelModel& tunnel : model.tunnels) {
    const TunnelAssociation* const association = now_->find(tunnel.name);
    if (!association) continue;
    const TunnelCondition condition = condition_of(*association, can_write);
    const auto before = seen_.find(tunnel.name);
    const bool is_same = before != seen_.end() && before->second.condition == condition;
    seen.emplace(tunnel.name, is_same ? before->second : Seen{condition, now});
    if (!is_same) events.push_back({tunnel.name, condition});
  }
  const std::lock_guard lock(mutex_);
  seen_ = std::move(seen);
  return events;
}

std::vector<TunnelRow> TunnelStates::rows(const Model& model) const {
  std::vector<TunnelRow> rows;
  const std::lock_guard lock(mutex_);
  for (const TunnelModel& tunnel : model.tunnels) {
    const TunnelAssociation* const association = now_->find(tunnel.name);
    const auto seen = seen_.find(tunnel.name);
    if (!association || seen == seen_.end()) continue;
    TunnelRow row{.tunnel = tunnel.name,
                  .local = tunnel.local,
                  .remote = tunnel.remote,
                  .state = seen->second.condition,
                  .since = seen->second.since,
                  .in = {},
                  .out = {},
                  .packets_in = 0,
                  .packets_out = 0,
                  .bytes_in = 0,
                  .bytes_out = 0,
                  .dropped = {}};
    if (!association->in.empty()) {
      const InboundAssociation& in = association->in.back();
      row.in = {in.sa->spi.host(), in.sa->window.highest(), in.expires};
    }
    if (association->out) {
      const OutboundAssociation& out = *association->out;
      const dataplane::SequenceLeases& leases = *out.sa->leases;
      row.out = {out.sa->spi.host(), std::min(leases.next(), leases.end()) - 1, out.expires};
    }
    for (const dataplane::TunnelCounters& counters : association->state->counters) {
      row.packets_in += counters.packets_in.read();
      row.packets_out += counters.packets_out.read();
      row.bytes_in += counters.bytes_in.read();
      row.bytes_out += counters.bytes_out.read();
      for (size_t i = 0; i < row.dropped.size(); ++i) row.dropped[i] += counters.dropped[i].read();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace sluice::ctrl

#include "sim/replay/replay_notices.h"

#include "dataplane/base/drop_reason.h"

namespace sluice::sim {

std::vector<std::string> notices_of(const ctrl::Model& model) {
  std::vector<std::string> notices;
  if (!model.hash_key) {
    notices.push_back(
        "gateway.hash_key is not configured: a gateway draws its own, and picks other backends than this "
        "did");
  }
  for (const dataplane::PortConfig& port : model.boot.ports) {
    if (!port.kernel) continue;
    notices.push_back("port " + port.name +
                      ": there is no kernel here; what is for it is dropped no_service");
  }
  if (model.ledger)
    notices.push_back("the ledger ingress is not simulated: its datagrams are dropped no_service");
  for (const auto& [name, pool] : model.pools) {
    if (!pool->discover) continue;
    notices.push_back("pool " + name + ": source " + pool->discover->source +
                      " is not asked; only backends of the file are there");
  }
  for (const auto& [name, pool] : model.pools) {
    if (pool->health.type == ctrl::HealthType::kNone) continue;
    notices.push_back("backends are not checked: all of them count as up");
    break;
  }
  return notices;
}

std::string notice_of_mac(const std::string& port, const MacAddress& mac, const std::string& file) {
  return "port " + port + " has no mac configured: it has " + mac.to_string() + ", to which most frames of " +
         file + " are sent";
}

void add_notices_of(const ReplayCounts& counts, size_t assumed_neighbors, std::vector<std::string>& notices) {
  const auto dropped = [&](dataplane::DropReason reason) {
    return counts.totals.dropped[static_cast<size_t>(reason)];
  };
  const auto frames = [](uint64_t count) {
    return std::to_string(count) + (count == 1 ? " frame" : " frames");
  };
  if (counts.frames == 0) notices.push_back("the captures hold no frame");
  if (!counts.is_all_read) notices.push_back("--until ended it before all frames had come");
  if (counts.cut > 0) {
    notices.push_back(frames(counts.cut) +
                      " were captured in part, and a gateway drops such: capture whole "
                      "frames (tcpdump -s 0)");
  }
  if (counts.foreign > 0) {
    notices.push_back(frames(counts.foreign) +
                      " are sent to another MAC address than their port's, and dropped "
                      "no_service: ports[].mac says which it has");
  }
  if (dropped(dataplane::DropReason::kBadChecksum) > 0) {
    notices.push_back(
        "a capture made on the host that sends has checksums that its NIC would have filled in: "
        "bad_checksum may say that alone (ethtool -K DEVICE tx off)");
  }
  if (dropped(dataplane::DropReason::kNeighborUnresolved) > 0) {
    notices.push_back(
        "packets waited for neighbors that do not answer in the captures: --neighbors assumed "
        "answers for them");
  }
  if (assumed_neighbors > 0) {
    notices.push_back(
        std::to_string(assumed_neighbors) + (assumed_neighbors == 1 ? " neighbor" : " neighbors") +
        " that no capture shows got a MAC address of the simulator's: --neighbors captured leaves "
        "them silent");
  }
}

}  // namespace sluice::sim

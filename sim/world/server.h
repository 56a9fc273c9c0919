// A backend's small TCP and UDP: it answers requests of clients with who it is. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "sim/core/chance.h"
#include "sim/world/packet.h"

namespace sluice::sim {

/// What a request says, and its answer repeats, behind a mark of four bytes.
struct Message {
  uint32_t connection = 0;
  uint16_t round = 0;
  uint16_t answer_bytes = 0;  ///< that the answer shall have besides
  uint16_t backend = 0;       ///< of an answer: who gives it
};
inline constexpr size_t kMessageBytes = 14;
std::vector<uint8_t> write_message(const Message& message, size_t more);
std::optional<Message> read_message(const std::vector<uint8_t>& payload);

class Server {
 public:
  /// `number`: who it is, in its answers.
  Server(uint16_t number, uint64_t seed) : number_(number), chance_(seed) {}

  /// What it sends when it gets that packet (addresses and ports as they are behind a tunnel); MAC addresses
  /// are not filled in. `request` gets the message, where there was one.
  std::optional<Packet> receive(const Packet& packet, std::optional<Message>& request);
  /// It has died: what was is forgotten.
  void forget() { connections_.clear(); }

 private:
  struct Connection {
    uint32_t first = 0;     ///< the client's first sequence number
    uint32_t expected = 0;  ///< the client's next
    uint32_t next = 0;      ///< its own
    Packet last;            ///< for who asks again
  };
  using Key = std::array<uint8_t, FlowKey::kHashedBytes>;
  static Key key_of(const Packet& packet);
  Packet reply(const Packet& packet) const;
  std::vector<uint8_t> answer_to(const Message& request) const;
  std::optional<Packet> challenge(const Connection& connection, const Packet& syn) const;
  std::optional<Packet> begin(const Packet& syn);
  std::optional<Packet> go_on(Connection& connection, const Packet& packet, std::optional<Message>& request);

  uint16_t number_;
  Chance chance_;
  std::map<Key, Connection> connections_;
};

}  // namespace sluice::sim

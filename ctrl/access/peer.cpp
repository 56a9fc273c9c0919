#include "ctrl/access/peer.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace sluice::ctrl {
namespace {

std::vector<gid_t> groups_of(int socket, gid_t primary) {
  std::vector<gid_t> groups(64);
  socklen_t bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
  if (result != 0 && errno == ERANGE) {  // `bytes` says how much there is
    groups.resize(bytes / sizeof(gid_t));
    result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes);
  }
  groups.resize(result == 0 ? bytes / sizeof(gid_t) : 0);
  groups.push_back(primary);
  return groups;
}

std::string user_name(uid_t uid) {
  std::array<char, 4096> buffer;
  passwd entry;
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return std::to_string(uid);
}

}  // namespace

std::string place_of(const Peer& peer) {
  if (!peer.address.empty()) return peer.address;
  return "uid " + std::to_string(peer.uid) + ", pid " + std::to_string(peer.pid);
}

Role role_of(uid_t uid, std::span<const gid_t> groups, uid_t daemon_uid, gid_t socket_group) {
  if (uid == 0 || uid == daemon_uid) return Role::kAdmin;
  return std::ranges::find(groups, socket_group) != groups.end() ? Role::kOperate : Role::kView;
}

Result<Peer> identify_peer(int socket, gid_t socket_group) {
  ucred credentials{};
  socklen_t bytes = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
    return fail(std::string("no credentials of the peer: ") + std::strerror(errno));
  }
  const auto groups = groups_of(socket, credentials.gid);
  return Peer{role_of(credentials.uid, groups, ::geteuid(), socket_group), credentials.uid, credentials.pid,
              user_name(credentials.uid)};
}

}  // namespace sluice::ctrl

// Who asks the gateway for something, over whichever connection, and what that lets them do. Any thread;
// plain values.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "common/result.h"
#include "ctrl/intent/role.h"

namespace sluice::ctrl {

struct Peer {
  Role role = Role::kView;
  uid_t uid = 0;             ///< of a process on this host
  pid_t pid = 0;             ///< likewise; 0: from afar
  std::string subject = {};  ///< the name of that process's user; of a certificate, of a token
  std::string issuer = "unix";
  std::string address = {};  ///< where the connection comes from, with its port; empty: from this host
};

/// "uid 0, pid 123", or the address.
std::string place_of(const Peer& peer);

/// root and the daemon's own user are admin; members of the socket's group operate; all others that the
/// socket's mode lets in look on.
Role role_of(uid_t uid, std::span<const gid_t> groups, uid_t daemon_uid, gid_t socket_group);

/// From the kernel's credentials of a connected Unix socket (SO_PEERCRED, SO_PEERGROUPS), taken when it
/// connected.
Result<Peer> identify_peer(int socket, gid_t socket_group);

}  // namespace sluice::ctrl

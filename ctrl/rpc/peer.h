// Who is at the other end of a control connection, and what that lets them do. Any thread; plain values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

/// Each role may do what the ones before it may.
enum class Role : uint8_t {
  kView,     ///< look at everything but secrets
  kOperate,  ///< change the state of backends, flush flows
  kAdmin,    ///< change the configuration
};

std::string_view name_of(Role role);

struct Peer {
  Role role = Role::kView;
  uid_t uid = 0;
  pid_t pid = 0;
  std::string user;  ///< its name, or its number where it has none
};

/// root and the daemon's own user are admin; members of the socket's group operate; all others that the
/// socket's mode lets in look on.
Role role_of(uid_t uid, std::span<const gid_t> groups, uid_t daemon_uid, gid_t socket_group);

/// From the kernel's credentials of a connected Unix socket (SO_PEERCRED, SO_PEERGROUPS), taken when it
/// connected.
Result<Peer> identify_peer(int socket, gid_t socket_group);

}  // namespace sluice::ctrl

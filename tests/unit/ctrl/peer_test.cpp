#include "ctrl/access/peer.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace sluice::ctrl {
namespace {

TEST(RoleOf, RootAndTheDaemonsUserAreAdmin) {
  EXPECT_EQ(role_of(0, {}, 990, 991), Role::kAdmin);
  EXPECT_EQ(role_of(990, {}, 990, 991), Role::kAdmin);
}

TEST(RoleOf, MembersOfTheSocketsGroupOperate) {
  const std::array<gid_t, 3> member = {100, 991, 4};
  const std::array<gid_t, 2> stranger = {100, 0};
  EXPECT_EQ(role_of(1000, member, 990, 991), Role::kOperate);
  EXPECT_EQ(role_of(1000, stranger, 990, 991), Role::kView);
}

TEST(IdentifyPeer, TakesTheKernelsWord) {
  std::array<int, 2> sockets;
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()), 0);
  const auto peer = identify_peer(sockets[0], ::getegid());
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->uid, ::geteuid());
  EXPECT_EQ(peer->pid, ::getpid());
  EXPECT_EQ(peer->role, Role::kAdmin);
  EXPECT_FALSE(peer->subject.empty());
  ::close(sockets[0]);
  ::close(sockets[1]);
  EXPECT_FALSE(identify_peer(-1, 0));
}

}  // namespace
}  // namespace sluice::ctrl

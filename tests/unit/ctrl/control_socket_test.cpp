#include "ctrl/rpc/control_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/ctrl/temporary_directory.h"

namespace sluice::ctrl {
namespace {

TEST(ControlSocket, HasTheModeAndGoesAway) {
  TemporaryDirectory directory;
  const auto path = directory.file("run/sluice.sock");  // its directory is made
  {
    const auto socket = ControlSocket::open(path, 0620);
    ASSERT_TRUE(socket) << socket.error().message;
    struct stat found;
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_TRUE(S_ISSOCK(found.st_mode));
    EXPECT_EQ(found.st_mode & 0777, 0620u);
    EXPECT_EQ(socket->group(), found.st_gid);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".lock"));
}

TEST(ControlSocket, ASecondOwnerIsRefusedAndToldWho) {
  TemporaryDirectory directory;
  const auto path = directory.file("sluice.sock");
  const auto first = ControlSocket::open(path, 0600);
  ASSERT_TRUE(first);
  const auto second = ControlSocket::open(path, 0600);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("process " + std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(ControlSocket, AStaleSocketIsReplaced) {
  TemporaryDirectory directory;
  const auto path = directory.file("sluice.sock");
  const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(stale);
  std::ofstream(path + ".lock") << "1";  // as a killed daemon leaves it
  auto socket = ControlSocket::open(path, 0600);
  ASSERT_TRUE(socket) << socket.error().message;
  const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
  EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(client);
}

TEST(ControlSocket, NeverRemovesAFile) {
  TemporaryDirectory directory;
  const auto path = directory.file("precious");
  std::ofstream(path) << "data";
  EXPECT_FALSE(ControlSocket::open(path, 0600));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(ControlSocket, RefusesAPathThatDoesNotFit) {
  EXPECT_FALSE(ControlSocket::open("/tmp/" + std::string(200, 'x'), 0600));
}

}  // namespace
}  // namespace sluice::ctrl

#include "ctrl/log/journal.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

namespace sluice::ctrl {
namespace {

constexpr size_t kLongestValue = size_t{64} << 10;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

}  // namespace

std::string journal_field_name(std::string_view name) {
  std::string field(name);
  std::ranges::transform(field, field.begin(), [](unsigned char letter) {
    return static_cast<char>(std::isalnum(letter) ? std::toupper(letter) : '_');
  });
  return field;
}

std::string journal_entry(const JournalFields& fields) {
  std::string entry;
  for (const auto& [name, whole] : fields) {
    const std::string_view value = std::string_view(whole).substr(0, kLongestValue);
    entry += name;
    if (value.find('\n') == std::string_view::npos) {
      entry += '=';
    } else {  // its length instead, 64 bits in little endian
      entry += '\n';
      for (size_t shift = 0; shift < 64; shift += 8) entry += static_cast<char>(value.size() >> shift & 0xff);
    }
    entry += value;
    entry += '\n';
  }
  return entry;
}

JournalSocket::JournalSocket(std::string path)
    : path_(std::move(path)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

JournalSocket::~JournalSocket() {
  if (socket_ >= 0) ::close(socket_);
}

bool JournalSocket::is_there() const {
  const sockaddr_un address = address_of(path_);
  const int probe = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool is_there = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  return is_there;
}

bool JournalSocket::send(std::string_view entry) const {
  const sockaddr_un address = address_of(path_);
  ssize_t sent;
  do {
    sent = ::sendto(socket_, entry.data(), entry.size(), MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

}  // namespace sluice::ctrl

#include "sluicectl/tar_archive.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

namespace sluice::sluicectl {
namespace {

constexpr size_t kBlock = 512;

/// The header of a file, as ustar has it: numbers in octal digits, a checksum over all with itself as blanks.
struct Header {
  std::array<char, 100> name{};
  std::array<char, 8> mode{}, user{}, group{};
  std::array<char, 12> size{}, time{};
  std::array<char, 8> checksum{};
  char type = '0';
  std::array<char, 100> link{};
  std::array<char, 8> magic{'u', 's', 't', 'a', 'r', '\0', '0', '0'};
  std::array<char, 32> user_name{}, group_name{};
  std::array<char, 8> device_major{}, device_minor{};
  std::array<char, 155> prefix{};
  std::array<char, 12> unused{};
};
static_assert(sizeof(Header) == kBlock);

template <size_t size>
void put_octal(std::array<char, size>& field, unsigned long long value) {
  std::snprintf(field.data(), size, "%0*llo", static_cast<int>(size - 1), value);
}

}  // namespace

void TarArchive::add(std::string_view name, std::string_view content) {
  Header header;
  std::copy_n(name.begin(), std::min(name.size(), header.name.size()), header.name.begin());
  put_octal(header.mode, 0600);
  put_octal(header.user, 0);
  put_octal(header.group, 0);
  put_octal(header.size, content.size());
  put_octal(header.time, static_cast<unsigned long long>(time_));
  header.checksum.fill(' ');
  std::array<unsigned char, kBlock> bytes;
  std::memcpy(bytes.data(), &header, kBlock);
  unsigned sum = 0;
  for (const unsigned char byte : bytes) sum += byte;
  std::snprintf(header.checksum.data(), header.checksum.size(), "%06o", sum);
  blocks_.append(reinterpret_cast<const char*>(&header), kBlock);
  blocks_.append(content);
  blocks_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

Result<std::string> TarArchive::gzipped() const {
  const std::string whole = blocks_ + std::string(2 * kBlock, '\0');
  constexpr int kGzip = 16;  // of the window's bits
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, MAX_MEM_LEVEL - 1,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return fail("zlib cannot begin");
  }
  std::string packed(deflateBound(&stream, whole.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(whole.data()));
  stream.avail_in = static_cast<uInt>(whole.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int ended = deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (ended != Z_STREAM_END) return fail("zlib cannot pack it");
  return packed;
}

}  // namespace sluice::sluicectl

#include "sim/replay/capture_file.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

namespace sluice::sim {
namespace {

constexpr int kLongestFrame = 262144;  // libpcap's own
constexpr uint64_t kSecond = 1'000'000'000;
constexpr unsigned kSample = 10'000;

}  // namespace

void CaptureReader::Close::operator()(pcap* capture) const {
  pcap_close(capture);
}

Result<CaptureReader> CaptureReader::open(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> reason{};
  CaptureReader reader;
  reader.capture_.reset(
      pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, reason.data()));
  if (!reader.capture_) {
    const std::string text = reason.data();
    return fail(text.starts_with(path) ? text : path + ": " + text);
  }
  if (const int link = pcap_datalink(reader.capture_.get()); link != DLT_EN10MB) {
    const char* const name = pcap_datalink_val_to_name(link);
    return fail(path + ": its frames are " + (name ? name : std::to_string(link)) +
                ", and not Ethernet: capture on one interface, not on \"any\"");
  }
  return reader;
}

std::optional<CapturedFrame> CaptureReader::next() {
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  const int result = pcap_next_ex(capture_.get(), &header, &data);
  if (result != 1) {
    was_torn_ = result == PCAP_ERROR;
    return std::nullopt;
  }
  return CapturedFrame{
      static_cast<uint64_t>(header->ts.tv_sec) * kSecond + static_cast<uint64_t>(header->ts.tv_usec),
      Frame(data, data + header->caplen), header->caplen < header->len};
}

void CaptureWriter::Close::operator()(pcap* capture) const {
  pcap_close(capture);
}
void CaptureWriter::Close::operator()(pcap_dumper* dumper) const {
  pcap_dump_close(dumper);
}

Result<CaptureWriter> CaptureWriter::open(const std::string& path) {
  CaptureWriter writer;
  writer.path_ = path;
  writer.format_.reset(pcap_open_dead(DLT_EN10MB, kLongestFrame));
  if (!writer.format_) return fail(path + ": no memory");
  writer.dumper_.reset(pcap_dump_open(writer.format_.get(), path.c_str()));
  if (!writer.dumper_) return fail(pcap_geterr(writer.format_.get()));
  return writer;
}

void CaptureWriter::write(uint64_t since_1970_ns, FrameBytes frame) {
  pcap_pkthdr header{};
  header.ts.tv_sec = static_cast<time_t>(since_1970_ns / kSecond);
  header.ts.tv_usec = static_cast<suseconds_t>(since_1970_ns % kSecond / 1000);
  header.caplen = header.len = static_cast<uint32_t>(frame.size());
  pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, frame.data());
}

Result<void> CaptureWriter::finish() {
  const bool is_flushed = pcap_dump_flush(dumper_.get()) == 0;
  const bool has_failed = !is_flushed || std::ferror(pcap_dump_file(dumper_.get())) != 0;
  const std::string reason = std::strerror(errno);
  dumper_.reset();
  if (has_failed) return fail(path_ + ": " + reason);
  return {};
}

std::optional<MacAddress> most_frequent_destination(const std::string& path) {
  if (path == "-") return std::nullopt;
  auto reader = CaptureReader::open(path);
  if (!reader) return std::nullopt;
  std::map<MacAddress, unsigned> counts;
  for (unsigned read = 0; read < kSample; ++read) {
    const auto frame = reader->next();
    if (!frame) break;
    const auto view = view_frame(frame->bytes);
    if (view && view->is_ip && !view->destination.is_multicast()) ++counts[view->destination];
  }
  if (counts.empty()) return std::nullopt;
  return std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; })->first;
}

}  // namespace sluice::sim

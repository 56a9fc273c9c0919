#include "ctrl/store/packet_captures.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "crypto/encoding.h"
#include "ctrl/store/event_hub.h"
#include "ctrl/wire/pcapng.h"
#include "dataplane/roles/dataplane.h"

namespace sluice::ctrl {
namespace {

constexpr size_t kPiece = size_t{48} << 10;  ///< bytes of a file that are passed on together
// In one tick, for each capture: some milliseconds of the control loop.
constexpr size_t kMostStepBytes = size_t{2} << 20;
constexpr size_t kMostPackets = 16'384;

void add_text(std::string& text, std::string_view name, const std::string& value) {
  text += (text.empty() ? "" : ", ") + std::string(name) + " " + value;
}

}  // namespace

void PacketCaptures::start(CaptureRequest request, Listener listener, StartAnswer answer) {
  if (running_.size() == dataplane::Captures::kMost) {
    return answer(refuse(Refusal::Kind::kUnavailable,
                         std::to_string(running_.size()) + " captures run already", "stop one"));
  }
  const auto workers = static_cast<unsigned>(gateway_.data_plane().workers().size());
  auto capture = std::make_shared<const dataplane::Capture>(std::move(request.wish), workers);
  running_.push_back({.number = ++last_number_,
                      .request = std::move(request),
                      .capture = std::move(capture),
                      .listener = std::move(listener),
                      .answer = std::move(answer)});
  publish();
}

bool PacketCaptures::stop(uint64_t capture) {
  const auto found = std::ranges::find(running_, capture, &Running::number);
  if (found == running_.end() || found->state == State::kStarting) return false;
  if (found->state == State::kEnding) return true;
  found->state = State::kEnding;
  publish();
  return true;
}

void PacketCaptures::publish() {
  auto captures = std::make_shared<dataplane::Captures>();
  for (const Running& one : running_) {
    if (one.state != State::kEnding) captures->running.push_back(one.capture);
  }
  gateway_.capture(std::move(captures));
}

void PacketCaptures::tick(Clock::time_point now) {
  if (running_.empty()) return;
  comments_.clear();
  last_comment_ = comments_.end();
  const bool settled = gateway_.data_plane().captures_settled();
  const auto are_ending = [&] { return std::ranges::count(running_, State::kEnding, &Running::state); };
  const auto before = are_ending();
  for (Running& one : running_) advance(one, now, settled);
  std::erase_if(running_, [](const Running& one) { return one.is_over; });
  if (are_ending() > before) publish();
}

void PacketCaptures::advance(Running& running, Clock::time_point now, bool settled) {
  switch (running.state) {
    case State::kStarting:
      if (!settled) return;
      running.state = State::kRunning;
      running.end = now + running.request.time;
      gateway_.events().tell(EventKind::kCapture, {{"capture", running.number}, {"state", "running"}});
      return std::exchange(running.answer, nullptr)(running.number);
    case State::kRunning:
      drain(running);
      if (now >= running.end) running.state = State::kEnding;
      return;
    case State::kEnding:
      if (settled && drain(running)) finish(running);
      return;
  }
}

/// Gives out the file's beginning, even before there is a packet, so that whoever reads it knows that it is
/// one. False: there is no room for it yet.
bool PacketCaptures::begin(Running& running) {
  if (running.has_begun) return true;
  std::string head;
  pcapng::add_section(head, "sluice");
  for (const auto& port : gateway_.data_plane().ports()) {
    pcapng::add_interface(head, port.name, running.capture->wish().snaplen);
  }
  running.has_begun = send(running, head) != Notified::kFull;
  return running.has_begun;
}

/// False: there may be more that counts.
bool PacketCaptures::drain(Running& running) {
  if (!begin(running)) return false;
  size_t step_bytes = 0, step_packets = 0;
  const auto has_room = [&] {
    return running.packets + running.piece_packets < running.request.packets &&
           running.bytes + running.piece.size() < running.request.bytes && !running.is_unheard;
  };
  const bool is_empty = running.capture->drain([&](const auto& note, uint64_t time_ns, auto bytes) {
    if (!has_room() || step_bytes >= kMostStepBytes || step_packets >= kMostPackets) return false;
    const std::string* const comment = comment_of(note);
    if (comment == nullptr) return false;
    pcapng::add_packet(running.piece, {note.port, time_ns, bytes, note.length, *comment});
    ++running.piece_packets;
    ++step_packets;
    step_bytes += bytes.size();
    if (running.piece.size() >= kPiece) pass_on(running);
    return true;
  });
  pass_on(running);
  if (!has_room()) running.state = State::kEnding;
  return is_empty || !has_room();
}

void PacketCaptures::pass_on(Running& running) {
  if (running.piece.empty()) return;
  (send(running, running.piece) == Notified::kTaken ? running.packets : running.refused) +=
      running.piece_packets;
  running.piece.clear();
  running.piece_packets = 0;
}

Notified PacketCaptures::send(Running& running, const std::string& piece) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(piece.data());
  std::string params = R"({"capture":)" + std::to_string(running.number) + R"(,"data":")";
  crypto::add_base64(params, {bytes, piece.size()});
  params += R"("})";
  const Notified sent = running.listener(params);
  if (sent == Notified::kTaken) running.bytes += piece.size();
  if (sent == Notified::kGone) running.is_unheard = true;
  return sent;
}

void PacketCaptures::finish(Running& running) {
  const nlohmann::json params = {{"capture", running.number},
                                 {"done", true},
                                 {"packets", running.packets},
                                 {"lost", running.refused + running.capture->lost()}};
  const Notified told = running.listener(params.dump());
  running.is_over = told != Notified::kFull;
  if (running.is_over) {
    gateway_.events().tell(EventKind::kCapture, {{"capture", running.number}, {"state", "ended"}});
  }
}

const std::string* PacketCaptures::comment_of(const dataplane::CaptureNote& note) {
  const Known known{note.service, note.backend, note.reason};
  if (last_comment_ != comments_.end() && last_comment_->first == known) return &last_comment_->second;
  const auto [place, is_new] = comments_.try_emplace(known);
  std::string& text = place->second;
  if (!is_new) {
    last_comment_ = place;
    return &text;
  }
  const auto names = gateway_.names_at_once(note.service, note.backend);
  if (!names) {
    comments_.erase(place);
    last_comment_ = comments_.end();
    return nullptr;
  }
  if (note.reason != dataplane::DropReason::kNone)
    add_text(text, "dropped:", std::string(name_of(note.reason)));
  if (names->service) add_text(text, "service", *names->service);
  if (const auto& backend = names->backend) {
    const std::string address = backend->address.to_string();
    const std::string host = backend->address.is_v4() ? address : "[" + address + "]";
    add_text(text, "backend", backend->pool + " " + host + ":" + std::to_string(backend->port));
  }
  return &text;
}

}  // namespace sluice::ctrl

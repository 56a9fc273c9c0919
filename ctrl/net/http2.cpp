#include "ctrl/net/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <exception>
#include <map>
#include <optional>

#include "ctrl/net/faults.h"
#include "ctrl/net/task_group.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = 16384;

/// nghttp2 copies both; its pointers are not const because it may be told not to.
std::vector<nghttp2_nv> values_of(const HttpFields& fields) {
  std::vector<nghttp2_nv> values;
  values.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    values.push_back({const_cast<uint8_t*>(bytes_of(name).data()),
                      const_cast<uint8_t*>(bytes_of(value).data()), name.size(), value.size(),
                      NGHTTP2_NV_FLAG_NONE});
  }
  return values;
}

/// One stream, while nghttp2 knows it.
struct Stream {
  HttpFields incoming;
  size_t incoming_bytes = 0;
  std::string outgoing;
  size_t sent = 0;
  bool is_ended = false;
  std::optional<HttpFields> trailers;
  bool was_drained = true;
};

}  // namespace

std::string_view field_in(const HttpFields& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &HttpFields::value_type::first);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

struct Http2Connection::State {
  State(asio::io_context& the_io, Side side, const Limits& the_limits, Http2Events& the_events)
      : io(the_io), limits(the_limits), events(the_events), work(the_io, Clock::time_point::max()) {
    nghttp2_session_callbacks* made = nullptr;
    if (::nghttp2_session_callbacks_new(&made) != 0) throw HostFault("HTTP/2: no memory");
    const std::unique_ptr<nghttp2_session_callbacks, decltype(&::nghttp2_session_callbacks_del)> callbacks(
        made, ::nghttp2_session_callbacks_del);
    ::nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
    ::nghttp2_session_callbacks_set_on_header_callback(made, on_header);
    ::nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
    ::nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
    ::nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
    nghttp2_session* raw = nullptr;
    const int fault = side == Side::kServer ? ::nghttp2_session_server_new(&raw, made, this)
                                            : ::nghttp2_session_client_new(&raw, made, this);
    if (fault != 0) throw HostFault("HTTP/2: no memory");
    session.reset(raw);
    std::vector<nghttp2_settings_entry> settings = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.window_bytes},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.header_bytes)}};
    if (side == Side::kClient) settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
    check(::nghttp2_submit_settings(raw, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
    if (limits.window_bytes > (1 << 16)) {
      check(::nghttp2_session_set_local_window_size(raw, NGHTTP2_FLAG_NONE, 0,
                                                    static_cast<int32_t>(limits.window_bytes)));
    }
  }

  static void check(int fault) {
    if (fault < 0) throw HostFault(std::string("HTTP/2: ") + ::nghttp2_strerror(fault));
  }

  Stream* stream(int32_t number) {
    const auto found = streams.find(number);
    return found == streams.end() ? nullptr : &found->second;
  }

  /// There is something to be sent.
  void wake() { work.cancel(); }

  /// What an event throws must not pass through nghttp2.
  template <typename Event>
  int guarded(Event event) {
    try {
      event();
      return 0;
    } catch (...) {
      failure = std::current_exception();
      return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, uint8_t, int32_t number, const uint8_t* bytes, size_t size,
                     void* user);
  static int on_close(nghttp2_session*, int32_t number, uint32_t error, void* user);
  static ssize_t read_outgoing(nghttp2_session*, int32_t number, uint8_t* buffer, size_t room,
                               uint32_t* flags, nghttp2_data_source*, void* user);

  using Link = std::shared_ptr<Http2Link>;
  // Static, so that their frames hold all that they use.
  static awaitable<void> receive(std::shared_ptr<State> state, Link link);
  static awaitable<void> transmit(std::shared_ptr<State> state, Link link);
  static awaitable<void> ask_after_silence(std::shared_ptr<State> state, Link link);
  void fail(std::string reason) {
    if (!failure) failure = std::make_exception_ptr(PeerFault("HTTP/2: " + reason));
  }
  std::string next_batch();
  void tell_drained();

  asio::io_context& io;
  const Limits limits;
  Http2Events& events;
  asio::steady_timer work;  ///< cancelled when there is something to be sent
  std::map<int32_t, Stream> streams;
  std::exception_ptr failure;
  Clock::time_point heard = Clock::now();
  bool is_over = false;
  std::unique_ptr<nghttp2_session, decltype(&::nghttp2_session_del)> session{nullptr, ::nghttp2_session_del};
};

int Http2Connection::State::on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  State& state = *static_cast<State*>(user);
  return state.guarded([&] {
    Stream& stream = state.streams[frame->hd.stream_id];
    stream.incoming.clear();
    stream.incoming_bytes = 0;
  });
}

int Http2Connection::State::on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                                      void* user) {
  State& state = *static_cast<State*>(user);
  Stream* const stream = state.stream(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  stream->incoming_bytes += name_size + value_size + 32;  // as RFC 9113, 6.5.2 counts
  if (stream->incoming_bytes > state.limits.header_bytes) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  return state.guarded([&] {
    stream->incoming.emplace_back(text_of({name, name_size}), text_of({value, value_size}));
  });
}

int Http2Connection::State::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  State& state = *static_cast<State*>(user);
  const int32_t number = frame->hd.stream_id;
  Stream* const stream = state.stream(number);
  if (stream == nullptr) return 0;
  return state.guarded([&] {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      state.events.fields(number, std::exchange(stream->incoming, {}));
    } else if (frame->hd.type != NGHTTP2_DATA) {
      return;
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) state.events.ended(number);
  });
}

int Http2Connection::State::on_data(nghttp2_session*, uint8_t, int32_t number, const uint8_t* bytes,
                                    size_t size, void* user) {
  State& state = *static_cast<State*>(user);
  return state.guarded([&] { state.events.data(number, text_of({bytes, size})); });
}

int Http2Connection::State::on_close(nghttp2_session*, int32_t number, uint32_t error, void* user) {
  State& state = *static_cast<State*>(user);
  return state.guarded([&] {
    if (state.streams.erase(number) != 0) state.events.closed(number, error);
  });
}

ssize_t Http2Connection::State::read_outgoing(nghttp2_session* session, int32_t number, uint8_t* buffer,
                                              size_t room, uint32_t* flags, nghttp2_data_source*,
                                              void* user) {
  State& state = *static_cast<State*>(user);
  Stream* const stream = state.stream(number);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const size_t size = std::min(room, stream->outgoing.size() - stream->sent);
  std::memcpy(buffer, stream->outgoing.data() + stream->sent, size);
  stream->sent += size;
  if (stream->sent < stream->outgoing.size()) return static_cast<ssize_t>(size);
  stream->outgoing = {};
  stream->sent = 0;
  if (stream->is_ended) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const auto values = values_of(*stream->trailers);
      (void)::nghttp2_submit_trailer(session, number, values.data(), values.size());
    }
    return static_cast<ssize_t>(size);
  }
  if (size > 0) return static_cast<ssize_t>(size);
  return NGHTTP2_ERR_DEFERRED;
}

awaitable<void> Http2Connection::State::receive(std::shared_ptr<State> state, Link link) {
  std::array<uint8_t, kReadBytes> bytes;
  try {
    while (!state->is_over) {
      const size_t got = co_await link->stream->read_some(bytes);
      state->heard = Clock::now();
      if (got == 0) break;
      const ssize_t taken = ::nghttp2_session_mem_recv(state->session.get(), bytes.data(), got);
      if (taken < 0) state->fail(::nghttp2_strerror(static_cast<int>(taken)));
      if (taken < 0 || ::nghttp2_session_want_read(state->session.get()) == 0) state->is_over = true;
      state->wake();
    }
  } catch (const std::exception&) {
    if (!state->failure) state->failure = std::current_exception();
  }
  if (!state->is_over) link->stop.stop();  // nobody is there to read what is left to be sent
  state->is_over = true;
  state->wake();
}

/// What nghttp2 wants to be sent, about so much as goes at once.
std::string Http2Connection::State::next_batch() {
  std::string batch;
  const uint8_t* bytes = nullptr;
  while (batch.size() < 4 * kReadBytes) {
    const ssize_t size = ::nghttp2_session_mem_send(session.get(), &bytes);
    if (size < 0) fail(::nghttp2_strerror(static_cast<int>(size)));
    if (size <= 0) break;
    batch += text_of({bytes, static_cast<size_t>(size)});
  }
  return batch;
}

void Http2Connection::State::tell_drained() {
  std::vector<int32_t> drained;
  for (auto& [number, stream] : streams) {
    if (stream.outgoing.empty() && !std::exchange(stream.was_drained, true)) drained.push_back(number);
  }
  for (const int32_t number : drained) events.drained(number);
}

awaitable<void> Http2Connection::State::transmit(std::shared_ptr<State> state, Link link) {
  try {
    for (;;) {
      const std::string batch = state->next_batch();
      if (!batch.empty()) {
        co_await link->stream->write(bytes_of(batch));
        state->tell_drained();
        continue;
      }
      if (state->is_over || state->failure) break;
      boost::system::error_code ignored;
      co_await state->work.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  } catch (const std::exception&) {
    if (!state->failure) state->failure = std::current_exception();
  }
  state->is_over = true;
  link->stop.stop();
}

awaitable<void> Http2Connection::State::ask_after_silence(std::shared_ptr<State> state, Link link) {
  const auto patience = state->limits.silence;
  while (patience.count() > 0 && !link->stop.is_stopped()) {
    co_await wait_for(state->io, link->stop, patience);
    const auto quiet = Clock::now() - state->heard;
    if (quiet >= 2 * patience) {
      state->fail("the peer does not answer");
      link->stop.stop();
    } else if (quiet >= patience) {
      (void)::nghttp2_submit_ping(state->session.get(), NGHTTP2_FLAG_NONE, nullptr);
      state->wake();
    }
  }
}

Http2Connection::Http2Connection(asio::io_context& io, Side side, const Limits& limits, Http2Events& events)
    : state_(std::make_shared<State>(io, side, limits, events)) {}
Http2Connection::~Http2Connection() = default;

awaitable<void> Http2Connection::run(std::shared_ptr<Http2Link> link) {
  const auto state = state_;
  TaskGroup tasks(state->io);
  tasks.spawn(State::receive(state, link));
  tasks.spawn(State::transmit(state, link));
  tasks.spawn(State::ask_after_silence(state, link));
  co_await tasks.wait();
  if (state->failure) std::rethrow_exception(state->failure);
}

int32_t Http2Connection::request(const HttpFields& fields) {
  const auto values = values_of(fields);
  const nghttp2_data_provider body{.source = {}, .read_callback = State::read_outgoing};
  const int32_t number =
      ::nghttp2_submit_request(state_->session.get(), nullptr, values.data(), values.size(), &body, nullptr);
  if (number < 0) return -1;
  state_->streams[number];
  state_->wake();
  return number;
}

void Http2Connection::answer(int32_t stream, const HttpFields& fields) {
  if (state_->stream(stream) == nullptr) return;
  const auto values = values_of(fields);
  const nghttp2_data_provider body{.source = {}, .read_callback = State::read_outgoing};
  State::check(::nghttp2_submit_response(state_->session.get(), stream, values.data(), values.size(), &body));
  state_->wake();
}

void Http2Connection::answer_whole(int32_t stream, const HttpFields& fields) {
  if (state_->stream(stream) == nullptr) return;
  const auto values = values_of(fields);
  State::check(
      ::nghttp2_submit_response(state_->session.get(), stream, values.data(), values.size(), nullptr));
  state_->wake();
}

void Http2Connection::send(int32_t number, std::string_view bytes) {
  Stream* const stream = state_->stream(number);
  if (stream == nullptr || stream->is_ended) return;
  stream->outgoing += bytes;
  stream->was_drained = false;
  (void)::nghttp2_session_resume_data(state_->session.get(), number);
  state_->wake();
}

void Http2Connection::end(int32_t number, const HttpFields& trailers) {
  Stream* const stream = state_->stream(number);
  if (stream == nullptr || stream->is_ended) return;
  stream->is_ended = true;
  if (!trailers.empty()) stream->trailers = trailers;
  (void)::nghttp2_session_resume_data(state_->session.get(), number);
  state_->wake();
}

void Http2Connection::reset(int32_t number) {
  if (state_->stream(number) == nullptr) return;
  (void)::nghttp2_submit_rst_stream(state_->session.get(), NGHTTP2_FLAG_NONE, number, NGHTTP2_CANCEL);
  state_->wake();
}

size_t Http2Connection::waiting(int32_t number) const {
  const Stream* const stream = state_->stream(number);
  return stream == nullptr ? 0 : stream->outgoing.size() - stream->sent;
}

}  // namespace sluice::ctrl

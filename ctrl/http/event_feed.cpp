#include "ctrl/http/event_feed.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

#include "ctrl/net/pause.h"
#include "ctrl/wire/url.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;

constexpr size_t kMostPending = size_t{1} << 20;  ///< bytes that a reader may be behind
constexpr std::chrono::seconds kBetweenComments{15};

/// What one reader of GET /events has not been given yet. Lives as long as the answer.
class EventFeed : public std::enable_shared_from_this<EventFeed> {
 public:
  explicit EventFeed(asio::io_context& io) : news_(io) {}

  /// False: too many listen already. The hub notices when this is gone.
  bool listen(EventHub& hub, EventKinds kinds) {
    const auto listener = [weak = weak_from_this()](const Event* event) {
      const auto self = weak.lock();
      if (!self || self->is_over_) return Notified::kGone;
      return event ? self->take(*event) : Notified::kTaken;
    };
    return hub.listen(EventSink::kSse, kinds, listener).has_value();
  }

  /// As HttpAnswer::stream.
  asio::awaitable<std::optional<std::string>> next() {
    if (!std::exchange(has_begun_, true))
      co_return std::string("retry: 1000\n: what happens from now on\n\n");
    bool is_quiet = false;
    if (pending_.empty() && !is_over_) is_quiet = co_await pause(news_, kBetweenComments);
    if (is_over_) co_return std::nullopt;
    if (is_quiet && pending_.empty()) co_return std::string(":\n\n");
    co_return std::exchange(pending_, {});
  }

 private:
  Notified take(const Event& event) {
    const std::string kind(word_for(event.kind));
    // A line end ends a field, and the text has none: JSON escapes it.
    const std::string text = "event: " + kind + "\ndata: " + event.text + "\n\n";
    is_over_ = pending_.size() + text.size() > kMostPending;
    if (!is_over_) pending_ += text;
    news_.cancel();
    return is_over_ ? Notified::kFull : Notified::kTaken;
  }

  asio::steady_timer news_;
  std::string pending_;
  bool has_begun_ = false;
  bool is_over_ = false;
};

/// The kinds that a query names; nothing where it says anything else.
std::optional<EventKinds> kinds_of(std::string_view query) {
  if (query.empty()) return kAllEvents;
  constexpr std::string_view kName = "kinds=";
  if (!query.starts_with(kName)) return std::nullopt;
  EventKinds kinds = 0;
  const auto words = percent_decoded(query.substr(kName.size()));
  if (!words) return std::nullopt;
  for (const std::string_view word : parts_of(*words, ',')) {
    const auto kind = event_kind_of(word);
    if (!kind) return std::nullopt;
    kinds |= bit_of(*kind);
  }
  return kinds;
}

}  // namespace

HttpAnswer events_answer(EventHub& hub, asio::io_context& io, std::string_view query) {
  const auto kinds = kinds_of(query);
  if (!kinds) return {400, kPlainText, "the query may have kinds=KIND,KIND\n"};
  const auto feed = std::make_shared<EventFeed>(io);
  if (!feed->listen(hub, *kinds)) return {503, kPlainText, "too many follow the events already\n"};
  HttpAnswer answer{200, "text/event-stream", ""};
  answer.stream = [feed] { return feed->next(); };
  return answer;
}

}  // namespace sluice::ctrl

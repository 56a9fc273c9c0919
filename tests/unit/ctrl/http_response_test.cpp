#include "ctrl/wire/http_response.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using Progress = HttpResponse::Progress;

/// What comes of these bytes in pieces of `piece`, the connection ending after them.
Progress read_in_pieces(HttpResponse& answer, std::string_view bytes, size_t piece) {
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const auto progress = answer.put(bytes.substr(at, piece));
    if (progress != Progress::kNeedsMore) return progress;
  }
  return answer.end();
}

TEST(HttpResponse, PassesOverInterimAnswersHoweverTheyAreCut) {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    HttpResponse answer(true);
    ASSERT_EQ(read_in_pieces(answer, bytes, piece), Progress::kDone) << piece << answer.fault();
    EXPECT_EQ(answer.status(), 503u);
    EXPECT_EQ(answer.body(), "no\n");
  }
}

TEST(HttpResponse, AnInterimAnswerAloneIsNone) {
  HttpResponse answer(false);
  EXPECT_EQ(read_in_pieces(answer, "HTTP/1.1 100 Continue\r\n\r\n", 7), Progress::kFaulty);
  EXPECT_EQ(answer.fault(), "closed before it answered");
}

TEST(HttpResponse, SwitchingProtocolsIsAnAnswer) {
  HttpResponse answer(false);
  EXPECT_EQ(read_in_pieces(answer, "HTTP/1.1 101 Switching Protocols\r\n\r\n", 99), Progress::kDone);
  EXPECT_EQ(answer.status(), 101u);
}

TEST(HttpResponse, IsDoneWithTheHeaderWhereNoBodyIsWanted) {
  HttpResponse answer(false);
  EXPECT_EQ(answer.put("HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"), Progress::kDone);
}

TEST(HttpResponse, ReadsBodiesOfEveryLengthRule) {
  const char* const kAnswers[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nis ready",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nis \r\n5;x=y\r\nready\r\n0\r\n\r\n",
      "HTTP/1.0 200 OK\r\n\r\nis ready"};
  for (const char* bytes : kAnswers) {
    for (size_t piece = 1; piece < 12; ++piece) {
      HttpResponse answer(true);
      EXPECT_EQ(read_in_pieces(answer, bytes, piece), Progress::kDone) << bytes;
      EXPECT_EQ(answer.body(), "is ready");
    }
  }
}

TEST(HttpResponse, KeepsOnlySoMuch) {
  HttpResponse large(true);
  EXPECT_EQ(
      read_in_pieces(large, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + std::string(1 << 20, 'x'),
                     4096),
      Progress::kDone);
  EXPECT_EQ(large.body().size(), HttpResponse::kMostBodyBytes);

  HttpResponse header(false);
  EXPECT_EQ(read_in_pieces(header, "HTTP/1.1 200 OK\r\nX: " + std::string(1 << 20, 'x'), 4096),
            Progress::kFaulty);

  std::string interim;
  for (int i = 0; i < 10'000; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  for (const size_t piece : {4096u, 1u << 20}) {
    HttpResponse answer(false);
    EXPECT_EQ(read_in_pieces(answer, interim + "HTTP/1.1 200 OK\r\n\r\n", piece), Progress::kFaulty);
  }
}

TEST(HttpResponse, RefusesWhatIsNotHttp) {
  for (const char* bytes : {"SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc OK\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "HTTP/1.1 2", ""}) {
    HttpResponse answer(false);
    EXPECT_EQ(read_in_pieces(answer, bytes, 5), Progress::kFaulty) << bytes;
  }
}

TEST(HttpResponse, HandsOutAllOfABodyInPieces) {
  const std::string part(50'000, 'x');
  const std::string bytes =
      "HTTP/1.1 200 OK\r\nX-Consul-Index:  7 \r\nTransfer-Encoding: chunked\r\n\r\nC350\r\n" + part +
      "\r\nC350\r\n" + part + "\r\n0\r\n\r\n";
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
    HttpResponse answer(HttpResponse::Body::kPieces);
    std::string body;
    auto progress = Progress::kNeedsMore;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      ASSERT_EQ(progress, Progress::kNeedsMore) << piece;
      progress = answer.put(std::string_view(bytes).substr(at, piece));
      body += answer.take_piece();
    }
    EXPECT_EQ(progress, Progress::kDone) << piece << answer.fault();
    EXPECT_EQ(body, part + part);
    EXPECT_EQ(answer.field("x-consul-index"), "7");
    EXPECT_EQ(answer.field("date"), "");
  }
}

TEST(HttpResponse, HasItsHeaderBeforeItsBody) {
  HttpResponse answer(HttpResponse::Body::kPieces);
  EXPECT_EQ(answer.put("HTTP/1.1 103 Early Hints\r\n\r\n"), Progress::kNeedsMore);
  EXPECT_FALSE(answer.has_header());
  EXPECT_EQ(answer.put("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n"), Progress::kNeedsMore);
  EXPECT_TRUE(answer.has_header());
  EXPECT_EQ(answer.status(), 403u);
  EXPECT_EQ(answer.put("12"), Progress::kNeedsMore);
  EXPECT_EQ(answer.end(), Progress::kFaulty);
}

}  // namespace
}  // namespace sluice::ctrl

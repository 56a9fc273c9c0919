#include "ctrl/http/ui_page.h"

#include <string_view>

namespace sluice::ctrl {
namespace {

#include "ui_page.inc"  // kPage, kCompressedPage, kPolicy

constexpr const char* kHtml = "text/html; charset=utf-8";

}  // namespace

HttpAnswer ui_page() {
  HttpAnswer answer{200, kHtml, std::string(kPage)};
  answer.gzip_body = kCompressedPage;
  answer.fields = {{"Content-Security-Policy", std::string(kPolicy)},
                   {"X-Content-Type-Options", "nosniff"},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Opener-Policy", "same-origin"},
                   {"Cross-Origin-Resource-Policy", "same-origin"}};
  return answer;
}

HttpAnswer ui_redirect() {
  HttpAnswer answer{308, kPlainText, "/ui\n"};
  answer.fields = {{"Location", "../ui"}};
  return answer;
}

}  // namespace sluice::ctrl

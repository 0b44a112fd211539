#include <algorithm>
#include <string_view>

#include "prober/media/dial/dial.h"
#include "prober/media/dial/rtmp_dial_socket.h"
#include "prober/media/http_flv/http_flv_dial_socket.h"

namespace linkpilot::prober {
namespace {

bool has_scheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::equal(scheme.begin(), scheme.end(), url.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b);
         });
}

}  // namespace

// A URL of no known scheme is the RTMP dial's to refuse, in words.
std::unique_ptr<Dial> make_dial(DialLoop& loop, DialRequest request) {
  if (has_scheme(request.url, "http://") || has_scheme(request.url, "https://")) {
    return std::make_unique<HttpFlvDial>(loop, std::move(request));
  }
  return std::make_unique<RtmpDial>(loop, std::move(request));
}

}  // namespace linkpilot::prober

#include "prober/media/dial/dial.h"
#include "prober/media/dial/rtmp_dial_socket.h"

namespace linkpilot::prober {

// A URL of no known scheme is the RTMP dial's to refuse, in words.
std::unique_ptr<Dial> make_dial(DialLoop& loop, DialRequest request) {
  return std::make_unique<RtmpDial>(loop, std::move(request));
}

}  // namespace linkpilot::prober

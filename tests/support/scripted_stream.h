// A scripted server's side of a stream that works: the synthetic stream in real time, to one peer.
#pragma once

#include <functional>

#include "prober/media/flv/synthetic_stream.h"
#include "tests/support/scripted_server.h"

namespace linkpilot::prober {

inline void send_tag(rtmp::ScriptedPeer& peer, const OwnedTag& tag) {
  const std::uint32_t chunk_stream = tag.type == TagType::audio ? 4 : 6;
  (void)peer.send(rtmp::message(
      {.chunk_stream = chunk_stream, .time = tag.timestamp_ms, .type = static_cast<int>(tag.type)},
      tag.body));
}

// Sends the synthetic stream in time for so long; `gap` is called with the media time of each tag
// and says how long to wait before it, once more than its time.
inline void play(rtmp::ScriptedPeer& peer, Duration length,
                 const std::function<Duration(Duration)>& gap = nullptr) {
  auto stream = SyntheticStream::create({.gop_frames = 25}).value();
  for (const OwnedTag& tag : stream.headers()) send_tag(peer, tag);
  SystemClock clock;
  MonoTime began = clock.now().mono;
  while (stream.due() < length) {
    if (gap) began += gap(stream.due());
    const Duration wait = began + stream.due() - clock.now().mono;
    if (wait > Duration(0) && !peer.pause(wait)) return;
    send_tag(peer, stream.next(clock.now().wall));
  }
}

inline bool start_play(rtmp::ScriptedPeer& peer) {
  return peer.open_until("play") && peer.send_status("NetStream.Play.Start");
}

}  // namespace linkpilot::prober

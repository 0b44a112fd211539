// PeerSockets: the TCP sockets of peers that libzmq serves for us, and how each of them ended.
//
// A frame beyond ZMQ_MAXMSGSIZE ends its connection inside libzmq 4.3.4 without a word: its monitor
// tells of every end alike, and the size is known to nobody. The kernel tells them apart. Where the
// peer left, was shut down or fell silent, the socket is not ESTABLISHED any more; where libzmq
// gave up a connection that stood, it still is. So of each socket that a message came through a
// duplicate is held until the monitor says that libzmq has let go of it.
//
// One descriptor for each connection that talks. One thread, that of the socket's loop.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/runtime/files.h"
#include "base/runtime/message_socket.h"

namespace linkpilot {

// Zero: no socket (any more).
[[nodiscard]] std::uint64_t socket_cookie(int descriptor);

class PeerSockets {
 public:
  // A message came through this connection.
  void note(const TransportId& transport);
  // The monitor's ZMQ_EVENT_DISCONNECTED. True: libzmq ended a connection that stood, because of
  // what came through it.
  [[nodiscard]] bool released(int descriptor);

 private:
  struct Held {
    std::uint64_t cookie = 0;
    UniqueFd duplicate;
    // Of sockets that had this number before, and whose end is yet to be told.
    std::uint32_t told_late = 0;
  };
  std::unordered_map<int, Held> held_;  // by libzmq's descriptor
};

}  // namespace linkpilot

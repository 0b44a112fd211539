#include "base/runtime/peer_sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace linkpilot {
namespace {

bool is_established(int descriptor) {
  tcp_info info{};
  socklen_t size = sizeof info;
  return descriptor >= 0 && getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_state == TCP_ESTABLISHED;
}

}  // namespace

std::uint64_t socket_cookie(int descriptor) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (descriptor < 0) return 0;
  return getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void PeerSockets::note(const TransportId& transport) {
  if (transport.cookie == 0) return;
  Held& held = held_[transport.descriptor];
  if (held.cookie == transport.cookie) return;
  if (held.cookie != 0) ++held.told_late;
  held.cookie = transport.cookie;
  held.duplicate = UniqueFd(::fcntl(transport.descriptor, F_DUPFD_CLOEXEC, 0));
}

bool PeerSockets::released(int descriptor) {
  const auto found = held_.find(descriptor);
  if (found == held_.end()) return false;
  if (found->second.told_late > 0) {
    --found->second.told_late;
    return false;
  }
  const bool stood = is_established(found->second.duplicate.get());
  held_.erase(found);
  return stood;
}

}  // namespace linkpilot

#include "tools/lab/control_socket.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tools/lab/control_codec.h"

namespace linkpilot::lab {
namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{4} << 20;
constexpr int kTimeoutSeconds = 5;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("control socket path: 1 to {} octets, not {}",
                            sizeof(address.sun_path) - 1, path.size()));
  }
  std::ranges::copy(path, address.sun_path);
  return address;
}

UniqueFd open_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

bool connect_to(const UniqueFd& socket, const sockaddr_un& address) {
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

// Neither side may hang on the other for ever.
void limit_waiting(const UniqueFd& socket) {
  const timeval limit{.tv_sec = kTimeoutSeconds, .tv_usec = 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

bool send_all(const UniqueFd& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

}  // namespace

Result<ControlServer> ControlServer::listen(const std::string& path) {
  const Result<sockaddr_un> address = address_of(path);
  if (!address) return fail(address.error());
  if (const UniqueFd probe = open_socket(); connect_to(probe, *address)) {
    return fail(ErrorCode::unavailable,
                fmt::format("control socket {} is in use by another run", path));
  }
  UniqueFd socket = open_socket();
  (void)::unlink(path.c_str());
  if (!socket ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0 ||
      ::listen(socket.get(), 8) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("control socket {}: {}", path, std::strerror(errno)));
  }
  return ControlServer(std::move(socket), path);
}

ControlServer::~ControlServer() {
  if (socket_) (void)::unlink(path_.c_str());
}

bool ControlServer::serve(Duration timeout, int interrupt, const Answer& answer) {
  std::vector<pollfd> watched = {{interrupt, POLLIN, 0}, {socket_.get(), POLLIN, 0}};
  for (const Client& client : clients_) watched.push_back({client.socket.get(), POLLIN, 0});
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  if (::poll(watched.data(), watched.size(), static_cast<int>(milliseconds)) <= 0) return false;
  for (std::size_t i = clients_.size(); i > 0; --i) {
    if (watched[i + 1].revents != 0 && !serve_client(clients_[i - 1], answer)) {
      clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
  }
  if (watched[1].revents != 0) accept_one();
  return watched[0].revents != 0;
}

void ControlServer::accept_one() {
  UniqueFd socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket || clients_.size() >= kClientsMax) return;
  limit_waiting(socket);
  clients_.push_back({std::move(socket), {}});
}

bool ControlServer::serve_client(Client& client, const Answer& answer) {
  std::array<char, 4096> chunk;
  const ssize_t size = ::recv(client.socket.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  client.input.append(chunk.data(), static_cast<std::size_t>(size));
  for (std::size_t end = 0; (end = client.input.find('\n')) != std::string::npos;) {
    const std::string reply = answer(std::string_view(client.input).substr(0, end)) + "\n";
    client.input.erase(0, end + 1);
    if (!send_all(client.socket, reply)) return false;
  }
  return client.input.size() <= kControlLineBytesMax;
}

Result<std::string> ask_control(const std::string& path, const std::string& line) {
  const Result<sockaddr_un> address = address_of(path);
  if (!address) return fail(address.error());
  const UniqueFd socket = open_socket();
  limit_waiting(socket);
  if (!connect_to(socket, *address)) {
    return fail(ErrorCode::unavailable,
                fmt::format("no lab answers at {}: {}; is `linkpilot-lab run` up?", path,
                            std::strerror(errno)));
  }
  if (!send_all(socket, line + "\n")) {
    return fail(ErrorCode::unavailable, fmt::format("the lab at {} went away", path));
  }
  std::string answer;
  std::array<char, 4096> chunk;
  while (answer.size() < kAnswerBytesMax) {
    const ssize_t size = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (size <= 0)
      return fail(ErrorCode::timeout, fmt::format("the lab at {} gave no answer", path));
    answer.append(chunk.data(), static_cast<std::size_t>(size));
    if (answer.back() == '\n') {
      answer.pop_back();
      return answer;
    }
  }
  return fail(ErrorCode::limit_exceeded, "the lab's answer is too long");
}

}  // namespace linkpilot::lab

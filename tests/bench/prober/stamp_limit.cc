// What the kernel leaves to a prober: a loop that does nothing but send packets of a probe's size
// on a tick, fetch the transmit stamp of each, and receive and stamp the answers; or the echo that
// belongs to it. No session, no check, no sample. Prints one JSON object; for
// tests/bench/prober/probe.py.
//
//   stamp_limit send|echo OWN_ADDRESS PEER_ADDRESS PER_TICK SECONDS
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kPacketSize = 112;  // as a probe of ours
constexpr std::int64_t kTickNs = 5'000'000;
constexpr std::uint16_t kPort = 862;

struct Batch {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<sockaddr_in, kBatch> addresses{};
  std::array<std::array<char, 256>, kBatch> controls{};
  std::array<std::array<char, kPacketSize>, kBatch> payloads{};

  int receive(int fd, int flags) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {.iov_base = payloads[i].data(), .iov_len = kPacketSize};
      messages[i].msg_hdr = {.msg_name = &addresses[i],
                             .msg_namelen = sizeof addresses[i],
                             .msg_iov = &vectors[i],
                             .msg_iovlen = 1,
                             .msg_control = controls[i].data(),
                             .msg_controllen = sizeof controls[i],
                             .msg_flags = 0};
    }
    return std::max(0, recvmmsg(fd, messages.data(), kBatch, MSG_DONTWAIT | flags, nullptr));
  }
  void send_back(int fd, int count) {
    for (int i = 0; i < count; ++i) {
      messages[static_cast<std::size_t>(i)].msg_hdr.msg_controllen = 0;
    }
    sendmmsg(fd, messages.data(), static_cast<unsigned>(count), 0);
  }
  int send(int fd, const sockaddr_in& peer, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      addresses[i] = peer;
      vectors[i] = {.iov_base = payloads[i].data(), .iov_len = kPacketSize};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &addresses[i];
      messages[i].msg_hdr.msg_namelen = sizeof addresses[i];
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    return std::max(0, sendmmsg(fd, messages.data(), static_cast<unsigned>(count), 0));
  }
};

sockaddr_in address_of(const char* text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  if (inet_pton(AF_INET, text, &address.sin_addr) != 1) std::exit(2);
  return address;
}

int open_socket(const sockaddr_in& own) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 64 << 20;
  const int stamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
                     SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                     SOF_TIMESTAMPING_OPT_TSONLY;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    fmt::print(stderr, "stamp_limit: no socket\n");
    std::exit(1);
  }
  return fd;
}

std::int64_t monotonic() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const bool sends = std::string_view(argv[1]) == "send";
  const sockaddr_in peer = address_of(argv[3]);
  const int fd = open_socket(address_of(argv[2]));
  const auto per_tick = static_cast<std::size_t>(std::atoi(argv[4]));
  const auto length = static_cast<std::int64_t>(std::atof(argv[5]) * 1e9);
  Batch batch;
  std::int64_t answered = 0;
  const std::int64_t start = monotonic();
  // The last tenth of a second only receives.
  for (std::int64_t next = start, now = start; now - start < length; now = monotonic()) {
    const timespec until{.tv_sec = next / 1'000'000'000, .tv_nsec = next % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    next = std::max(next + kTickNs, now);
    while (batch.receive(fd, MSG_ERRQUEUE) > 0) continue;
    for (int count = 1; count > 0;) {
      count = batch.receive(fd, 0);
      answered += count;
      if (!sends && count > 0) batch.send_back(fd, count);
    }
    if (!sends || now - start > length - 100'000'000) continue;
    for (std::size_t sent = 0; sent < per_tick; sent += kBatch) {
      batch.send(fd, peer, std::min(kBatch, per_tick - sent));
    }
  }
  fmt::print("{{\"answered\":{},\"cpu_s\":{:.6f}}}\n", answered, cpu_seconds());
  return 0;
}

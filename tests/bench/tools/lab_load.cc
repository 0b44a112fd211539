// The traffic of `tools/bench lab`: UDP packets between the nodes of a running lab at random
// moments (Poisson), with the kernel's transmit and receive stamps of each. One process enters all
// namespaces, so that two threads are the whole load; stamps make it harmless that packets are
// picked up late.
//
//   lab_load PREFIX RATE SECONDS OUT NODE...      nodes in the order of the topology
//
// OUT: one 48-octet record per packet sent, little-endian: u64 sequence, i64 sent_ns, i64
// arrived_ns (0: never; of the first copy), u64 arrival place at the receiver (from 1), u32 source,
// u32 destination, u32 copies, u32 zero.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"

namespace {

constexpr std::uint16_t kPort = 7700;
constexpr std::size_t kPayload = 64;
constexpr auto kPickUpPeriod = std::chrono::milliseconds(5);
constexpr auto kDrain = std::chrono::milliseconds(1'500);

struct Record {
  std::uint64_t sequence;
  std::int64_t sent_ns;
  std::int64_t arrived_ns;
  std::uint64_t place;
  std::uint32_t source;
  std::uint32_t destination;
  std::uint32_t copies;
  std::uint32_t zero;
};
static_assert(sizeof(Record) == 48);

[[noreturn]] void die(const std::string& what) {
  std::perror(("lab_load: " + what).c_str());
  ::_exit(1);  // another thread may be at work on the lists
}

struct Node {
  int socket = -1;
  sockaddr_in address{};
  // OPT_ID counts the packets of a socket from 0: place in this list = id. Written by the sending
  // thread before the send, read by the other after the stamp.
  std::vector<std::uint64_t> sequence_of_id;
  std::atomic<std::size_t> sent{0};
  std::uint64_t arrivals = 0;
};

int open_inside(const std::string& name) {
  int made = -1;
  std::thread([&] {
    const int space = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0 || ::setns(space, CLONE_NEWNET) != 0) die("enter " + name);
    made = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ::close(space);
  }).join();
  return made;
}

void prepare(Node& node, const std::string& name, std::size_t place, std::size_t packets_max) {
  node.socket = open_inside(name);
  node.address.sin_family = AF_INET;
  node.address.sin_port = htons(kPort);
  node.address.sin_addr.s_addr =
      htonl(0x0a4d0001U | static_cast<std::uint32_t>(place + 1) << 8);  // 10.77.n.1
  if (::bind(node.socket, reinterpret_cast<const sockaddr*>(&node.address), sizeof(node.address)) !=
      0) {
    die("bind");
  }
  const int stamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
                     SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                     SOF_TIMESTAMPING_OPT_TSONLY;
  const int buffer = 1 << 24;
  if (::setsockopt(node.socket, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)) != 0 ||
      ::setsockopt(node.socket, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) != 0 ||
      ::setsockopt(node.socket, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) != 0) {
    die("socket options");
  }
  node.sequence_of_id.resize(packets_max);
}

struct Message {
  alignas(cmsghdr) std::array<char, 512> control{};
  std::array<std::uint8_t, kPayload> payload{};
  std::int64_t stamp_ns = 0;
  std::uint32_t id = 0;
  bool has_id = false;
};

bool receive(int socket, int flags, Message& message) {
  iovec data{message.payload.data(), message.payload.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = message.control.data();
  header.msg_controllen = message.control.size();
  if (::recvmsg(socket, &header, flags | MSG_DONTWAIT) < 0) return false;
  message.stamp_ns = 0;
  message.has_id = false;
  const char* at = message.control.data();
  const char* end = at + header.msg_controllen;
  while (at + sizeof(cmsghdr) <= end) {
    cmsghdr part{};
    std::memcpy(&part, at, sizeof(part));
    if (part.cmsg_len < sizeof(cmsghdr)) break;
    const char* body = at + CMSG_LEN(0);
    if (part.cmsg_level == SOL_SOCKET && part.cmsg_type == SCM_TIMESTAMPING) {
      timespec time{};
      std::memcpy(&time, body, sizeof(time));
      message.stamp_ns = time.tv_sec * 1'000'000'000LL + time.tv_nsec;
    } else if (part.cmsg_level == SOL_IP && part.cmsg_type == IP_RECVERR) {
      sock_extended_err error{};
      std::memcpy(&error, body, sizeof(error));
      message.has_id = error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
      message.id = error.ee_data;
    }
    at += CMSG_ALIGN(part.cmsg_len);
  }
  return true;
}

void pick_up(std::vector<Node>& nodes, std::vector<Record>& records) {
  Message message;
  for (Node& node : nodes) {
    while (receive(node.socket, MSG_ERRQUEUE, message)) {
      if (!message.has_id || message.id >= node.sent.load(std::memory_order_acquire)) continue;
      records[node.sequence_of_id[message.id]].sent_ns = message.stamp_ns;
    }
    while (receive(node.socket, 0, message)) {
      std::uint64_t sequence = 0;
      std::memcpy(&sequence, message.payload.data(), sizeof(sequence));
      if (sequence >= records.size()) continue;
      Record& record = records[sequence];
      if (record.copies++ > 0) continue;
      record.arrived_ns = message.stamp_ns;
      record.place = ++node.arrivals;
    }
  }
}

void sleep_until(std::int64_t mono_ns) {
  const timespec time{.tv_sec = mono_ns / 1'000'000'000, .tv_nsec = mono_ns % 1'000'000'000};
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

std::size_t send_all(std::vector<Node>& nodes, std::vector<Record>& records, double rate) {
  linkpilot::Rng rng(1);
  timespec start{};
  ::clock_gettime(CLOCK_MONOTONIC, &start);
  double next = static_cast<double>(start.tv_sec) * 1e9 + static_cast<double>(start.tv_nsec);
  std::array<std::uint8_t, kPayload> payload{};
  for (std::size_t i = 0; i < records.size(); ++i) {
    next += -std::log1p(-rng.uniform()) * 1e9 / rate;
    sleep_until(static_cast<std::int64_t>(next));
    const auto from = static_cast<std::uint32_t>(rng.below(nodes.size()));
    auto to = static_cast<std::uint32_t>(rng.below(nodes.size() - 1));
    to += to >= from ? 1U : 0U;
    records[i].sequence = i;
    records[i].source = from;
    records[i].destination = to;
    std::memcpy(payload.data(), &i, sizeof(i));
    Node& node = nodes[from];
    const std::size_t id = node.sent.load(std::memory_order_relaxed);
    if (id >= node.sequence_of_id.size()) return i;
    node.sequence_of_id[id] = i;
    node.sent.store(id + 1, std::memory_order_release);
    if (::sendto(node.socket, payload.data(), payload.size(), 0,
                 reinterpret_cast<const sockaddr*>(&nodes[to].address),
                 sizeof(sockaddr_in)) != static_cast<ssize_t>(payload.size())) {
      die("send");
    }
  }
  return records.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: lab_load PREFIX RATE SECONDS OUT NODE NODE...\n");
    return 2;
  }
  const std::string prefix = argv[1];
  const double rate = std::strtod(argv[2], nullptr);
  const double seconds = std::strtod(argv[3], nullptr);
  const auto packets = static_cast<std::size_t>(rate * seconds);
  std::vector<Record> records(packets);
  std::vector<Node> nodes(static_cast<std::size_t>(argc - 5));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    prepare(nodes[i], prefix + "-" + argv[i + 5], i, packets);
  }
  ::prctl(PR_SET_TIMERSLACK, 1);
  std::atomic<bool> stop{false};
  std::thread receiver([&] {
    while (!stop.load()) {
      pick_up(nodes, records);
      std::this_thread::sleep_for(kPickUpPeriod);
    }
    pick_up(nodes, records);
  });
  const std::size_t sent = send_all(nodes, records, rate);
  std::this_thread::sleep_for(kDrain);
  stop.store(true);
  receiver.join();
  std::FILE* out = std::fopen(argv[4], "wb");
  if (out == nullptr || std::fwrite(records.data(), sizeof(Record), sent, out) != sent)
    die(argv[4]);
  return std::fclose(out) == 0 ? 0 : 1;
}

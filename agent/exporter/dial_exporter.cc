#include "agent/exporter/dial_exporter.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <utility>

#include "agent/exporter/ask.h"
#include "agent/exporter/dial_page.h"
#include "agent/report/metric_table.h"
#include "base/runtime/log.h"
#include "base/runtime/metrics_page.h"
#include "prober/media/dial/dial.h"
#include "prober/media/dial/dial_loop_socket.h"

namespace linkpilot::agent {
namespace {

constexpr Duration kAskMax = std::chrono::seconds(5);
constexpr Duration kAnswerMax = std::chrono::seconds(5);
// What is left of the scraper's patience for the answer to arrive.
constexpr Duration kPatienceMargin = std::chrono::milliseconds(500);
constexpr Duration kGrace = std::chrono::milliseconds(200);  // for a dial to end by itself
constexpr Duration kTurn = std::chrono::seconds(1);
constexpr std::size_t kIdleConnectionsMax = 32;  // beside the dials
constexpr const char* kPageType = "text/plain; version=0.0.4; charset=utf-8";
constexpr const char* kWordsType = "text/plain; charset=utf-8";

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 503:
      return "Service Unavailable";
    default:
      return "Bad Request";
  }
}

std::string response(int status, std::string_view type, std::string_view body) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      status, reason_of(status), type, body.size(), body);
}

prober::TargetPolicy policy_of(const ExporterSettings& settings) {
  prober::TargetPolicy policy;
  for (const std::string& text : settings.allow_addresses) {
    const auto ranges = prober::parse_ranges(text);  // read_exporter has refused what is none
    if (ranges) policy.allowed.insert(policy.allowed.end(), ranges->begin(), ranges->end());
  }
  policy.allowed_hosts = settings.allow_hosts;
  policy.ceilings.rate = settings.rate_max;
  policy.ceilings.octets = settings.size_max;
  policy.ceilings.concurrent = settings.concurrent_max;
  return policy;
}

std::string counters_page(const ExporterCounters& counters, std::size_t running,
                          std::uint32_t running_max) {
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  MetricsPage page(exporter_metrics());
  page.family("linkpilot_exporter_dials_running");
  page.sample(static_cast<double>(running));
  page.family("linkpilot_exporter_dials_running_limit");
  page.sample(running_max);
  page.family("linkpilot_exporter_dials_total");
  page.sample(number(counters.dials - counters.dials_failed), {{"result", "success"}});
  page.sample(number(counters.dials_failed), {{"result", "failure"}});
  page.sample(number(counters.dials_abandoned), {{"result", "abandoned"}});
  page.sample(number(counters.refused_busy), {{"result", "busy"}});
  page.family("linkpilot_exporter_requests_refused_total");
  page.sample(number(counters.refused_requests));
  page.family("linkpilot_exporter_connections_dropped_total");
  page.sample(number(counters.connections_dropped));
  return page.take();
}

}  // namespace

// All of it lives on the thread.
class DialExporter::Server {
 public:
  Server(const ExporterSettings& settings, prober::DialLoop& loop, int listener)
      : settings_(settings),
        policy_(policy_of(settings)),
        loop_(loop),
        listener_(listener),
        watch_(loop, listener, {.read = true, .write = false},
               [this](prober::Readiness) { accept_some(); }) {}

  // What a turn of the loop has finished: dials that ended, connections that are over.
  void sweep() {
    for (auto peer = peers_.begin(); peer != peers_.end();) {
      if (peer->dial && peer->dial->done()) answer_dial(*peer);
      peer = peer->over ? peers_.erase(peer) : std::next(peer);
    }
  }

 private:
  struct Peer {
    explicit Peer(prober::DialLoop& loop, prober::TimerHandler on_time)
        : timer(loop, std::move(on_time)) {}
    UniqueFd fd;
    prober::FdWatch watch;
    prober::LoopTimer timer;
    std::string in;
    std::string out;
    std::unique_ptr<prober::Dial> dial;
    MonoTime began{};
    bool over = false;  // to be swept
  };

  void accept_some() {
    while (true) {
      UniqueFd fd(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (!fd) return;
      if (peers_.size() >= settings_.concurrent_max + kIdleConnectionsMax) {
        ++counters_.connections_dropped;
        continue;
      }
      // A list: handlers hold on to their peer.
      auto* slot = new_peer();
      slot->fd = std::move(fd);
      slot->timer.set(loop_.now().mono + kAskMax);
      slot->watch =
          prober::FdWatch(loop_, slot->fd.get(), {.read = true, .write = false},
                          [this, slot](prober::Readiness ready) { on_ready(*slot, ready); });
    }
  }

  Peer* new_peer() {
    // The handler is called from the loop only, when the peer has long been in the list.
    auto self = std::make_shared<Peer*>(nullptr);
    Peer& peer = peers_.emplace_back(loop_, [this, self] { on_time(**self); });
    *self = &peer;
    return &peer;
  }

  void on_ready(Peer& peer, prober::Readiness ready) {
    if (peer.over) return;
    if (ready.read) read_some(peer);
    if (!peer.over && ready.write) write_some(peer);
  }

  void read_some(Peer& peer) {
    std::array<char, 4096> buffer{};
    const ssize_t got = ::recv(peer.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return leave(peer);
    if (peer.dial || !peer.out.empty()) return;  // octets behind a request are of no interest
    peer.in.append(buffer.data(), static_cast<std::size_t>(got));
    if (peer.in.find("\r\n\r\n") != std::string::npos) return take_ask(peer);
    if (peer.in.size() <= kAskOctetsMax) return;
    ++counters_.connections_dropped;
    peer.over = true;
  }

  void leave(Peer& peer) {
    if (peer.dial) {
      ++counters_.dials_abandoned;
      peer.dial->stop();
      peer.dial.reset();
    }
    peer.over = true;
  }

  void take_ask(Peer& peer) {
    const Ask ask = read_ask(peer.in);
    peer.in.clear();
    switch (ask.kind) {
      case AskKind::refused:
        ++counters_.refused_requests;
        return answer(peer, response(ask.status, kWordsType, ask.words + "\n"));
      case AskKind::metrics:
        return answer(peer,
                      response(200, kPageType,
                               counters_page(counters_, running(), settings_.concurrent_max)));
      case AskKind::dial:
        return begin_dial(peer, ask);
    }
  }

  void begin_dial(Peer& peer, const Ask& ask) {
    const auto module =
        std::find_if(settings_.modules.begin(), settings_.modules.end(),
                     [&ask](const DialModule& known) { return known.name == ask.module; });
    if (module == settings_.modules.end()) {
      ++counters_.refused_requests;
      return answer(peer,
                    response(400, kWordsType, "no module of that name in [[exporter.modules]]\n"));
    }
    if (running() >= settings_.concurrent_max) {
      ++counters_.refused_busy;
      return answer(peer,
                    response(503, kWordsType, "[exporter] concurrent_max dials are running\n"));
    }
    Duration patience = module->timeout;
    if (ask.patience) {
      patience = std::min(patience, std::max(*ask.patience - kPatienceMargin, *ask.patience / 2));
    }
    prober::DialRequest request;
    request.url = ask.target;
    request.length = module->length;
    request.tls_mode = module->tls;
    request.socket_mode = module->socket;
    request.ca_file = module->ca_file;
    request.policy = policy_;
    request.deadlines.whole = patience;
    peer.began = loop_.now().mono;
    peer.dial = prober::make_dial(loop_, std::move(request));
    peer.dial->start();
    peer.timer.set(peer.began + patience + kGrace);
  }

  [[nodiscard]] std::size_t running() const {
    return static_cast<std::size_t>(std::count_if(
        peers_.begin(), peers_.end(), [](const Peer& peer) { return peer.dial != nullptr; }));
  }

  void on_time(Peer& peer) {
    if (peer.over) return;
    if (peer.dial) return peer.dial->stop();  // swept after this turn
    ++counters_.connections_dropped;
    peer.over = true;
  }

  void answer_dial(Peer& peer) {
    const prober::DialReport report = peer.dial->report();
    ++counters_.dials;
    if (!report.success) ++counters_.dials_failed;
    peer.dial.reset();
    answer(peer, response(200, kPageType, dial_page(report, loop_.now().mono - peer.began)));
  }

  void answer(Peer& peer, std::string text) {
    peer.out = std::move(text);
    peer.timer.set(loop_.now().mono + kAnswerMax);
    write_some(peer);
  }

  void write_some(Peer& peer) {
    while (!peer.out.empty()) {
      const ssize_t sent = ::send(peer.fd.get(), peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
      if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
        return peer.watch.want({.read = true, .write = true});
      }
      if (sent < 0) break;
      peer.out.erase(0, static_cast<std::size_t>(sent));
    }
    ::shutdown(peer.fd.get(), SHUT_WR);
    peer.over = true;
  }

  const ExporterSettings& settings_;
  prober::TargetPolicy policy_;
  prober::DialLoop& loop_;
  int listener_;
  std::list<Peer> peers_;
  ExporterCounters counters_;
  prober::FdWatch watch_;
};

Result<std::unique_ptr<DialExporter>> DialExporter::start(const ExporterSettings& settings) {
  const Endpoint where = *settings.listen;
  const auto failed = [&where](const char* what) {
    return fail(ErrorCode::unavailable, fmt::format("exporter.listen {}: {}: {}", where.to_string(),
                                                    what, std::strerror(errno)));
  };
  const bool four = where.address.is_v4();
  UniqueFd listener(
      ::socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return failed("cannot make a socket");
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = sizeof(sockaddr_in6);
  if (four) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(where.port);
    std::memcpy(&in.sin_addr, where.address.octets.data() + 12, 4);
    std::memcpy(&address, &in, sizeof in);
    size = sizeof in;
  } else {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(where.port);
    std::memcpy(&in.sin6_addr, where.address.octets.data(), 16);
    std::memcpy(&address, &in, sizeof in);
  }
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return failed("cannot bind it");
  }
  if (::listen(listener.get(), 128) != 0) return failed("cannot listen");
  socklen_t bound_size = sizeof address;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &bound_size);
  in_port_t port = 0;  // at the same place for both families
  std::memcpy(&port, reinterpret_cast<const char*>(&address) + offsetof(sockaddr_in, sin_port),
              sizeof port);
  UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return failed("cannot make an event descriptor");
  return std::unique_ptr<DialExporter>(
      new DialExporter(settings, std::move(listener), std::move(stop), ntohs(port)));
}

DialExporter::DialExporter(const ExporterSettings& settings, UniqueFd listener, UniqueFd stop,
                           std::uint16_t port)
    : listener_(std::move(listener)), stop_(std::move(stop)), port_(port) {
  // Signals are the main thread's.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, settings] { run(settings); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

DialExporter::~DialExporter() {
  const std::uint64_t one = 1;
  const ssize_t told = ::write(stop_.get(), &one, sizeof one);
  if (told == sizeof one) thread_.join();
}

void DialExporter::run(const ExporterSettings& settings) {
  auto loop = prober::DialLoop::create();
  if (!loop) {
    log_event(LogLevel::error, "exporter_failed", {{"reason", loop.error().message}});
    return;
  }
  bool stopping = false;
  const prober::FdWatch stop(**loop, stop_.get(), {.read = true, .write = false},
                             [&stopping](prober::Readiness) { stopping = true; });
  Server server(settings, **loop, listener_.get());
  while (!stopping) {
    (*loop)->turn(kTurn);
    server.sweep();
  }
}

}  // namespace linkpilot::agent

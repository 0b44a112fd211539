#include "prober/media/dial/resolver_socket.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/select.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/url_text.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kAnswersMax = 64;
constexpr std::size_t kAliasesMax = 16;
constexpr int kTryTimeoutMs = 1500;  // of one try; c-ares doubles it
constexpr int kTries = 3;
constexpr int kUdpOctets = 1232;                  // EDNS; what DNS flag day 2020 recommends
constexpr std::uint16_t kOptionClientSubnet = 8;  // RFC 7871 s6
constexpr std::size_t kHostOctetsMax = 253;       // RFC 1035 s2.3.4, as text

IpAddress from_four(const void* octets) {
  std::array<std::uint8_t, 4> o{};
  std::memcpy(o.data(), octets, 4);
  return IpAddress::v4(o[0], o[1], o[2], o[3]);
}

IpAddress from_six(const void* octets) {
  IpAddress address;
  std::memcpy(address.octets.data(), octets, 16);
  return address;
}

DialFailure dns_failure(DialFault kind, std::string code, std::string sentence) {
  return {.stage = DialStage::dns,
          .kind = kind,
          .code = std::move(code),
          .sentence = std::move(sentence)};
}

DialFailure explain(int status, const std::string& host) {
  const std::string code = ares_strerror(status);
  switch (status) {
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
      return dns_failure(DialFault::no_such_name, code,
                         fmt::format("the name {} does not exist; check its spelling", host));
    case ARES_ENODATA:
      return dns_failure(DialFault::no_address, code,
                         fmt::format("the name {} has no address of the family asked for", host));
    case ARES_ETIMEOUT:
      return dns_failure(DialFault::timeout, code,
                         fmt::format("no resolver answered for {}", host));
    default:
      return dns_failure(DialFault::dns_failed, code,
                         fmt::format("the resolver could not answer for {}: {}", host, code));
  }
}

// Appends the option to the OPT record, which c-ares puts last with no data (RFC 6891 s6.1).
void append_client_subnet(std::vector<std::uint8_t>& query, const ClientSubnet& subnet) {
  const bool four = subnet.address.is_v4();
  const unsigned bits = std::min<unsigned>(subnet.bits, four ? 32 : 128);
  const std::size_t octets = (bits + 7) / 8;
  std::vector<std::uint8_t> option{0,
                                   kOptionClientSubnet,
                                   0,
                                   static_cast<std::uint8_t>(4 + octets),
                                   0,
                                   static_cast<std::uint8_t>(four ? 1 : 2),
                                   static_cast<std::uint8_t>(bits),
                                   0};
  const std::uint8_t* address = subnet.address.octets.data() + (four ? 12 : 0);
  option.insert(option.end(), address, address + octets);
  if (bits % 8 != 0) option.back() &= static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  query[query.size() - 1] = static_cast<std::uint8_t>(option.size());  // RDLENGTH, below 256
  query.insert(query.end(), option.begin(), option.end());
}

std::string servers_text(const std::vector<Endpoint>& servers) {
  std::string text;
  for (const Endpoint& server : servers) text += (text.empty() ? "" : ",") + server.to_string();
  return text;
}

struct LibraryReference {  // c-ares counts calls of init and cleanup
  LibraryReference() { ares_library_init(ARES_LIB_INIT_ALL); }
};

}  // namespace

class Resolver::Question {
 public:
  Question(DialLoop& loop, std::string host, const ResolverOptions& options, Handler handler)
      : loop_(loop),
        host_(std::move(host)),
        options_(options),
        handler_(std::move(handler)),
        retry_(loop, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }),
        limit_(loop,
               [this] {
                 finish(dns_failure(DialFault::timeout, {},
                                    fmt::format("no answer for {} within the deadline", host_)));
               }),
        deliver_(loop, [this] { deliver(); }) {}
  ~Question() {
    closing_ = true;
    if (channel_ != nullptr) ares_destroy(channel_);
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  void ask(Duration limit);

 private:
  bool open_channel();
  void send_with_subnet(int type);
  void process(ares_socket_t readable, ares_socket_t writable);
  void on_socket(ares_socket_t fd, bool readable, bool writable);
  void on_addresses(int status, ares_addrinfo* info);
  void on_answer(int type, int status, std::span<const std::uint8_t> answer);
  void add(const IpAddress& address, std::uint32_t ttl_s);
  void finish(std::optional<DialFailure> failure);
  void deliver();

  DialLoop& loop_;
  std::string host_;
  ResolverOptions options_;
  Handler handler_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, FdWatch> watches_;
  LoopTimer retry_;
  LoopTimer limit_;
  LoopTimer deliver_;
  Resolved result_;
  int pending_ = 0;  // queries with a client subnet
  int worst_ = ARES_SUCCESS;
  bool done_ = false;
  bool closing_ = false;
};

bool Resolver::Question::open_channel() {
  static const LibraryReference library;
  ares_options settings{};
  int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  settings.timeout = kTryTimeoutMs;
  settings.tries = kTries;
  settings.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<Question*>(self)->on_socket(fd, readable != 0, writable != 0);
  };
  settings.sock_state_cb_data = this;
  // Answers above 512 octets without TCP. A query made by hand has its own OPT record, which c-ares
  // must not take for its own.
  if (!options_.client_subnet) {
    mask |= ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ;
    settings.flags |= ARES_FLAG_EDNS;
    settings.ednspsz = kUdpOctets;
  }
  std::string lookups = "b";
  if (!options_.servers.empty()) {  // other servers are asked, so the hosts file is not
    mask |= ARES_OPT_LOOKUPS;
    settings.lookups = lookups.data();
    // One server's refusal is then the answer; of several, the next is asked.
    if (options_.servers.size() == 1) {
      mask |= ARES_OPT_FLAGS;
      settings.flags |= ARES_FLAG_NOCHECKRESP;
    }
  }
  int status = ares_init_options(&channel_, &settings, mask);
  if (status == ARES_SUCCESS && !options_.servers.empty()) {
    status = ares_set_servers_ports_csv(channel_, servers_text(options_.servers).c_str());
  }
  if (status == ARES_SUCCESS) return true;
  finish(dns_failure(DialFault::dns_failed, ares_strerror(status),
                     fmt::format("cannot ask a resolver: {}", ares_strerror(status))));
  return false;
}

void Resolver::Question::ask(Duration limit) {
  result_.asked = true;
  result_.report.resolver = options_.servers.empty() ? "system" : servers_text(options_.servers);
  const bool ascii = std::all_of(host_.begin(), host_.end(), [](char c) { return c > 0; });
  if (!ascii || host_.size() > kHostOctetsMax) {
    return finish(dns_failure(
        DialFault::no_such_name, {},
        ascii ? fmt::format("a name of {} characters cannot exist", host_.size())
              : std::string("the host is not ASCII; write it in its xn-- form (RFC 3490)")));
  }
  if (!open_channel()) return;
  limit_.set(loop_.now().mono + limit);
  if (options_.client_subnet) {
    const ClientSubnet& subnet = *options_.client_subnet;
    result_.report.client_subnet = fmt::format("{}/{}", subnet.address.to_string(), subnet.bits);
    pending_ = options_.family == AddressFamily::any ? 2 : 1;
    if (options_.family != AddressFamily::v6) send_with_subnet(ns_t_a);
    if (options_.family != AddressFamily::v4) send_with_subnet(ns_t_aaaa);
  } else {
    ares_addrinfo_hints hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_family = options_.family == AddressFamily::v4   ? AF_INET
                      : options_.family == AddressFamily::v6 ? AF_INET6
                                                             : AF_UNSPEC;
    ares_getaddrinfo(
        channel_, host_.c_str(), nullptr, &hints,
        [](void* self, int status, int, ares_addrinfo* info) {
          static_cast<Question*>(self)->on_addresses(status, info);
        },
        this);
  }
  if (!done_) process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void Resolver::Question::send_with_subnet(int type) {
  unsigned char* made = nullptr;
  int octets = 0;
  const auto id = static_cast<unsigned short>(std::random_device{}());
  const int status =
      ares_create_query(host_.c_str(), ns_c_in, type, id, 1, &made, &octets, kUdpOctets);
  std::vector<std::uint8_t> query;
  if (status == ARES_SUCCESS) query.assign(made, made + octets);
  if (made != nullptr) ares_free_string(made);
  if (status != ARES_SUCCESS) return on_answer(type, status, {});
  append_client_subnet(query, *options_.client_subnet);
  struct Call {
    Question* question;
    int type;
  };
  ares_send(
      channel_, query.data(), static_cast<int>(query.size()),
      [](void* argument, int answered, int, unsigned char* answer, int answer_octets) {
        const std::unique_ptr<Call> call(static_cast<Call*>(argument));
        call->question->on_answer(call->type, answered,
                                  answer == nullptr
                                      ? std::span<const std::uint8_t>()
                                      : std::span(answer, static_cast<std::size_t>(answer_octets)));
      },
      std::make_unique<Call>(Call{.question = this, .type = type}).release());
}

void Resolver::Question::process(ares_socket_t readable, ares_socket_t writable) {
  ares_process_fd(channel_, readable, writable);
  if (done_) return retry_.cancel();
  timeval limit{.tv_sec = 1, .tv_usec = 0};
  timeval wait{};
  const timeval* next = ares_timeout(channel_, &limit, &wait);
  retry_.set(loop_.now().mono + std::chrono::seconds(next->tv_sec) +
             std::chrono::microseconds(next->tv_usec) + std::chrono::milliseconds(1));
}

void Resolver::Question::on_socket(ares_socket_t fd, bool readable, bool writable) {
  if (!readable && !writable) {
    watches_.erase(fd);
    return;
  }
  const Interest interest{.read = readable, .write = writable};
  const auto found = watches_.find(fd);
  if (found != watches_.end()) return found->second.want(interest);
  watches_.emplace(fd, FdWatch(loop_, fd, interest, [this, fd](Readiness ready) {
                     process(ready.read ? fd : ARES_SOCKET_BAD, ready.write ? fd : ARES_SOCKET_BAD);
                   }));
}

void Resolver::Question::add(const IpAddress& address, std::uint32_t ttl_s) {
  ++result_.report.answers_total;
  if (result_.report.answers.size() < kAnswersMax) {
    result_.report.answers.push_back({.address = address, .ttl_s = ttl_s});
  }
}

void Resolver::Question::on_addresses(int status, ares_addrinfo* info) {
  if (closing_ || done_) {
    if (info != nullptr) ares_freeaddrinfo(info);
    return;
  }
  if (status != ARES_SUCCESS) return finish(explain(status, host_));
  for (const auto* alias = info->cnames; alias != nullptr; alias = alias->next) {
    if (alias->name != nullptr && result_.report.aliases.size() < kAliasesMax) {
      result_.report.aliases.emplace_back(alias->name);
    }
  }
  for (const auto* node = info->nodes; node != nullptr; node = node->ai_next) {
    const auto ttl = static_cast<std::uint32_t>(std::max(node->ai_ttl, 0));
    if (node->ai_family == AF_INET) {
      add(from_four(&reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr), ttl);
    } else if (node->ai_family == AF_INET6) {
      add(from_six(&reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr), ttl);
    }
  }
  ares_freeaddrinfo(info);
  if (result_.report.answers.empty()) return finish(explain(ARES_ENODATA, host_));
  finish(std::nullopt);
}

void Resolver::Question::on_answer(int type, int status, std::span<const std::uint8_t> answer) {
  if (closing_ || done_) return;
  if (status == ARES_SUCCESS) {
    const int octets = static_cast<int>(answer.size());
    int count = static_cast<int>(kAnswersMax);
    if (type == ns_t_a) {
      std::array<ares_addrttl, kAnswersMax> found{};
      status = ares_parse_a_reply(answer.data(), octets, nullptr, found.data(), &count);
      for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
        const ares_addrttl& one = found[static_cast<std::size_t>(i)];
        add(from_four(&one.ipaddr), static_cast<std::uint32_t>(std::max(one.ttl, 0)));
      }
    } else {
      std::array<ares_addr6ttl, kAnswersMax> found{};
      status = ares_parse_aaaa_reply(answer.data(), octets, nullptr, found.data(), &count);
      for (int i = 0; status == ARES_SUCCESS && i < count; ++i) {
        const ares_addr6ttl& one = found[static_cast<std::size_t>(i)];
        add(from_six(&one.ip6addr), static_cast<std::uint32_t>(std::max(one.ttl, 0)));
      }
    }
  }
  if (status != ARES_SUCCESS && (worst_ == ARES_SUCCESS || worst_ == ARES_ENODATA)) worst_ = status;
  if (--pending_ > 0) return;
  if (!result_.report.answers.empty()) return finish(std::nullopt);
  finish(explain(worst_ == ARES_SUCCESS ? ARES_ENODATA : worst_, host_));
}

// The handler may end this question, which must not happen under c-ares: it is called by a timer.
void Resolver::Question::finish(std::optional<DialFailure> failure) {
  if (done_) return;
  done_ = true;
  limit_.cancel();
  retry_.cancel();
  result_.at = loop_.now().mono;
  result_.failure = std::move(failure);
  deliver_.set(result_.at);
}

void Resolver::Question::deliver() {
  // A channel holds about 100 kB; a dial that goes on needs it no more.
  closing_ = true;
  if (channel_ != nullptr) ares_destroy(std::exchange(channel_, nullptr));
  const Handler handler = std::move(handler_);
  handler(std::move(result_));
}

Resolver::Resolver(DialLoop& loop) : loop_(loop) {}
Resolver::~Resolver() = default;
void Resolver::cancel() { question_.reset(); }

void Resolver::resolve(const std::string& host, const ResolverOptions& options, Duration limit,
                       Handler handler) {
  question_.reset();
  Resolved known;
  known.at = loop_.now().mono;
  const auto found =
      std::find_if(options.overrides.begin(), options.overrides.end(),
                   [&host](const HostOverride& entry) { return same_host(entry.host, host); });
  if (found != options.overrides.end()) {
    known.report = {.answers = {{.address = found->address}},
                    .answers_total = 1,
                    .aliases = {},
                    .resolver = "override",
                    .client_subnet = {}};
    return handler(std::move(known));
  }
  if (const Result<IpAddress> literal = IpAddress::parse(host)) {
    known.report.answers = {{.address = *literal}};
    known.report.answers_total = 1;
    return handler(std::move(known));
  }
  question_ = std::make_unique<Question>(loop_, host, options, std::move(handler));
  question_->ask(limit);
}

}  // namespace linkpilot::prober

#include "tools/media/media_node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

namespace linkpilot::media {
namespace {

// One step handles at most so many arrivals; the rest waits for the next one, 2 ms later.
constexpr std::size_t kReceivePerStepMax = 1024;
// Later than this many periods, a stream goes on at its schedule instead of sending a burst.
constexpr int kCatchUpPeriods = 2;
// Looking for a new table costs two stat(2); marks need no looking.
constexpr Duration kPollInterval = std::chrono::milliseconds(6);
constexpr Duration kStatsInterval = std::chrono::seconds(1);

std::string_view status_name(lpr_status status) {
  switch (status) {
    case LPR_OK:
      return "ok";
    case LPR_NO_TABLE:
      return "no_table";
    case LPR_UNKNOWN_TARGET:
      return "unknown_target";
    case LPR_DROPPED:
      return "dropped";
    case LPR_NO_ROUTE:
      return "no_route";
    case LPR_NO_TURN:
      return "no_turn";
    case LPR_BAD_ARGUMENT:
      return "bad_argument";
  }
  return "unknown";
}

std::string ids_of(std::span<const NodeId> nodes) {
  std::vector<std::uint16_t> ids;
  ids.reserve(nodes.size());
  for (const NodeId node : nodes) ids.push_back(node.value);
  return fmt::format("[{}]", fmt::join(ids, ","));
}

}  // namespace

Result<std::unique_ptr<MediaNode>> MediaNode::create(MediaOptions options, Now now) {
  if (options.datagrams_per_second <= 0 || options.datagram_bytes < kHeaderBytes ||
      options.datagram_bytes > kDatagramBytesMax) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("a stream needs a rate above zero and datagrams of {}..{} octets",
                            kHeaderBytes, kDatagramBytesMax));
  }
  const std::string stem = options.output_folder + "/" + options.name;
  auto routes = RouteView::open(options.routes);
  if (!routes) return fail(routes.error());
  auto socket = MediaSocket::bind(options.port, options.listen);
  if (!socket) return fail(socket.error());
  auto receipts = ReceiptLog::create(stem + ".receipts");
  if (!receipts) return fail(receipts.error());
  EventFile events(std::fopen((stem + ".events.jsonl").c_str(), "we"));
  if (!events) {
    return fail(ErrorCode::unavailable,
                fmt::format("create {}.events.jsonl: {}", stem, std::strerror(errno)));
  }
  return std::unique_ptr<MediaNode>(new MediaNode(std::move(options), std::move(*routes),
                                                  std::move(*socket), std::move(*receipts),
                                                  std::move(events), now));
}

MediaNode::MediaNode(MediaOptions options, RouteView routes, MediaSocket socket,
                     ReceiptLog receipts, EventFile events, Now now)
    : options_(std::move(options)),
      routes_(std::move(routes)),
      socket_(std::move(socket)),
      receipts_(std::move(receipts)),
      events_(std::move(events)),
      rng_(options_.seed),
      period_(static_cast<std::int64_t>(std::llround(1e9 / options_.datagrams_per_second))),
      next_lookup_(streams_.end()),
      packet_(options_.datagram_bytes, 0),
      last_step_(now.mono),
      next_stats_(now.mono + kStatsInterval) {}

MediaNode::~MediaNode() = default;

void MediaNode::step(Now now) {
  const Duration pause = now.mono - last_step_;
  latest_step_ = std::max(latest_step_, pause);
  last_step_ = now.mono;
  take_in_table(now);
  receive(now);
  send_due(now);
  socket_.flush();
  lookup_credit_ +=
      std::min(std::chrono::duration<double>(pause).count(), 0.1) * options_.lookups_per_second;
  look_up_more(now);
  if (has_news_) std::fflush(events_.get());  // who follows the file sees what happened at once
  has_news_ = false;
  if (now.mono >= next_stats_) {
    next_stats_ = now.mono + kStatsInterval;
    log_stats(now);
  }
}

void MediaNode::take_in_table(Now now) {
  if (now.mono < next_poll_) return;
  next_poll_ = now.mono + kPollInterval;
  if (!routes_.poll(now.wall)) return;
  self_ = routes_.self().value_or(NodeId{});
  has_news_ = true;
  std::string names;
  for (const KnownNode& node : routes_.nodes()) {
    names += fmt::format("{}\"{}\":\"{}\"", names.empty() ? "" : ",", node.id.value, node.name);
    if (node.id == self_ || streams_.contains(node.id) || streams_.size() >= kStreamsMax) continue;
    Stream stream;
    stream.target_name = node.name;
    stream.due =
        now.mono +
        Duration(static_cast<std::int64_t>(rng_.uniform() * static_cast<double>(period_.count())));
    streams_.emplace(node.id, std::move(stream));
    next_lookup_ = streams_.begin();
  }
  std::string routes;
  for (const auto& [target, candidates] : routes_.push_routes()) {
    std::string paths;
    for (const CandidatePath& candidate : candidates) {
      std::vector<NodeId> nodes;
      for (const Hop& hop : candidate.hops) nodes.push_back(hop.node);
      paths += (paths.empty() ? "" : ",") + ids_of(nodes);
    }
    routes += fmt::format("{}\"{}\":[{}]", routes.empty() ? "" : ",", target.value, paths);
  }
  fmt::print(events_.get(),
             "{{\"e\":\"table\",\"t\":{},\"self\":{},\"epoch\":{},\"version\":{},\"nodes\":{{{}}},"
             "\"routes\":{{{}}}}}\n",
             now.wall.ns, self_.value, routes_.version().epoch, routes_.version().version, names,
             routes);
}

void MediaNode::receive(Now now) {
  socket_.receive(kReceivePerStepMax, UnixNanos{},
                  [this, now](std::span<const std::uint8_t> bytes, UnixNanos received) {
                    const auto datagram = parse(bytes);
                    if (!datagram) {
                      count(Fate::dropped_malformed);
                      return;
                    }
                    const Action action = advance(*datagram, self_);
                    if (action.fate == Fate::delivered) {
                      if (received.ns == 0) ++no_stamp_;
                      receipts_.append(*datagram, received.ns == 0 ? now.wall : received);
                    }
                    if (action.fate == Fate::forwarded) {
                      relay(action.datagram, now);
                    } else {
                      count(action.fate);
                    }
                  });
}

void MediaNode::relay(const Datagram& advanced, Now now) {
  const std::span<const NodeId> remaining =
      std::span(advanced.path).first(advanced.path_length).subspan(advanced.index);
  const RouteView::Turn next = routes_.turn(remaining, hops_left(advanced), now.wall);
  Action action{Fate::forwarded, advanced};
  if (next.turned || next.length == 0) action = turn(advanced, next.path());
  if (action.fate != Fate::dropped_no_alternate && next.next_address.is_unspecified()) {
    action.fate = Fate::dropped_unknown_node;
  }
  count(action.fate);
  if (action.fate == Fate::forwarded || action.fate == Fate::turned_aside) {
    emit(action.datagram, next.next_address);
  }
}

void MediaNode::send_due(Now now) {
  for (auto& [target, stream] : streams_) {
    for (int burst = 0; stream.due <= now.mono; ++burst) {
      if (burst >= kCatchUpPeriods) {
        const std::int64_t late = (now.mono - stream.due) / period_ + 1;
        missed_by_us_ += static_cast<std::uint64_t>(late);
        stream.sequence += static_cast<std::uint32_t>(late);
        stream.due += period_ * late;
        break;
      }
      stream.due += period_;
      const ChosenPath path = look_up(target, stream, now);
      Datagram datagram;
      datagram.source = self_;
      datagram.target = target;
      datagram.sequence = stream.sequence++;
      datagram.sent =
          SystemClock().now().wall;  // as late as can be: the receiver takes it for truth
      datagram.hop_budget = kHopBudgetAtSource;
      datagram.path_length = path.length;
      std::copy(path.nodes.begin(), path.nodes.begin() + path.length, datagram.path.begin());
      if (path.length == 0 || path.next_address.is_unspecified()) {
        ++no_path_;
        continue;
      }
      ++sent_;
      emit(datagram, path.next_address);
    }
  }
}

void MediaNode::look_up_more(Now now) {
  if (streams_.empty()) lookup_credit_ = 0;
  for (; lookup_credit_ >= 1; lookup_credit_ -= 1) {
    if (next_lookup_ == streams_.end()) next_lookup_ = streams_.begin();
    look_up(next_lookup_->first, next_lookup_->second, now);
    ++next_lookup_;
  }
}

ChosenPath MediaNode::look_up(NodeId target, Stream& stream, Now now) {
  const ChosenPath path = routes_.lookup(stream.target_name, now.wall);
  if (path.same_choice(stream.choice)) return path;
  stream.choice = path;
  has_news_ = true;
  fmt::print(events_.get(),
             "{{\"e\":\"choice\",\"t\":{},\"to\":{},\"status\":\"{}\",\"path\":{},\"candidate\":{},"
             "\"flags\":{},\"version\":{}}}\n",
             now.wall.ns, target.value, status_name(path.status), ids_of(path.path()),
             path.candidate, path.flags, routes_.version().version);
  return path;
}

void MediaNode::emit(const Datagram& datagram, const IpAddress& address) {
  const HeaderBytes header = encode(datagram);
  std::copy(header.begin(), header.end(), packet_.begin());
  socket_.send(address, options_.port, packet_);
}

void MediaNode::log_stats(Now now) {
  receipts_.flush();
  const LookupCounts& lookups = routes_.counts();
  std::string fates;
  for (std::size_t i = 0; i < kFates; ++i) {
    fates +=
        fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", to_string(static_cast<Fate>(i)), fates_[i]);
  }
  fmt::print(
      events_.get(),
      "{{\"e\":\"stats\",\"t\":{},\"lookups\":{{\"total\":{},\"answered\":{},\"unanswered\":{},"
      "\"older\":{},\"not_published\":{}}},\"fates\":{{{}}},\"sent\":{},\"missed_by_us\":{},"
      "\"no_path\":{},\"no_stamp\":{},\"send_errors\":{},\"receipts_lost\":{},"
      "\"step_ms_max\":{:.3f},\"trouble\":\"{}\"}}\n",
      now.wall.ns, lookups.total, lookups.answered, lookups.unanswered, lookups.older,
      lookups.not_published, fates, sent_, missed_by_us_, no_path_, no_stamp_,
      socket_.send_errors(), receipts_.lost(),
      std::chrono::duration<double, std::milli>(latest_step_).count(), routes_.trouble());
  latest_step_ = Duration{};
  std::fflush(events_.get());
}

}  // namespace linkpilot::media

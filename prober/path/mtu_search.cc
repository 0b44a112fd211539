#include "prober/path/mtu_search.h"

#include <algorithm>

#include "base/assert.h"
#include "prober/path/probe_match.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kLeastV4 = 576;
constexpr std::size_t kLeastV6 = 1280;
constexpr int kRepeatsMax = 3;  // of a step whose control was lost
constexpr Duration kMtuPatienceMin = std::chrono::milliseconds(250);
constexpr double kMtuBurst = 4;

}  // namespace

Status check(const MtuOptions& options) {
  const auto bad = [](const char* what) { return fail(ErrorCode::invalid_argument, what); };
  if (options.flow.protocol != PathProtocol::icmp) return bad("the MTU is sought with ICMP");
  const std::size_t least = options.least == 0 ? kLeastV4 : options.least;
  if (options.most > kPacketOctetsMax || options.most < least) {
    return bad("MTU: from the least size to 9216 octets");
  }
  if (!options.flow.destination.is_v4() && options.most < kLeastV6) {
    return bad("MTU: of IPv6 at least 1280 octets");
  }
  if (least < least_probe_size(options.flow)) return bad("MTU: the least size is too small");
  if (options.tries < 1) return bad("tries: 1 or more");
  return {};
}

std::string_view to_string(MtuVerdict verdict) {
  switch (verdict) {
    case MtuVerdict::full:
      return "full";
    case MtuVerdict::announced:
      return "announced";
    case MtuVerdict::local:
      return "local";
    case MtuVerdict::black_hole:
      return "black_hole";
    case MtuVerdict::no_answer:
      return "no_answer";
    case MtuVerdict::unsure:
      return "unsure";
  }
  return "unsure";
}

MtuSearch::MtuSearch(const MtuOptions& options)
    : options_(options),
      ids_(options.secret),
      pacer_(options.packets_per_second, kMtuBurst),
      high_(options.most + 1) {
  LP_ASSERT(check(options));
  if (options_.least == 0) options_.least = options_.flow.destination.is_v4() ? kLeastV4 : kLeastV6;
  preferred_ = {options_.least, options_.most};
  begin_step();
}

// Several probes of the size in question, and a control of the largest known to pass.
void MtuSearch::begin_step() {
  size_ = 0;
  while (size_ == 0 && !preferred_.empty()) {
    const std::size_t size = preferred_.front();
    preferred_.pop_front();
    if (size > low_ && size < high_) size_ = size;
  }
  if (size_ == 0 && low_ + 1 >= high_) {
    const bool all = high_ == options_.most + 1;
    const bool said = how_high_fails_ == Failing::announced;
    const MtuVerdict less = said                                ? MtuVerdict::announced
                            : how_high_fails_ == Failing::local ? MtuVerdict::local
                                                                : MtuVerdict::black_hole;
    finish(all ? MtuVerdict::full : less);
    return;
  }
  if (size_ == 0) size_ = low_ + (high_ - low_) / 2;
  repeats_ = 0;
  sent_ = 0;
  tries_.assign(options_.tries, Try{.size = size_, .sent = {}});
  if (low_ != 0) tries_.push_back({.size = low_, .sent = {}});
}

void MtuSearch::finish(MtuVerdict verdict) {
  result_.verdict = verdict;
  result_.octets = low_;
  if (verdict != MtuVerdict::announced) {
    result_.said_by.reset();
    result_.said_octets = 0;
  }
  done_ = true;
}

Duration MtuSearch::patience() const {
  if (low_ == 0) return options_.timeout;
  return std::min(options_.timeout, std::max(kMtuPatienceMin, 4 * longest_));
}

bool MtuSearch::control_answered() const {
  return std::ranges::any_of(tries_,
                             [this](const Try& one) { return one.size != size_ && one.answered; });
}

void MtuSearch::passed(std::size_t size) {
  low_ = std::max(low_, size);
  begin_step();
}

void MtuSearch::failed(Failing how) {
  if (low_ == 0) {
    finish(MtuVerdict::no_answer);
    return;
  }
  high_ = size_;
  how_high_fails_ = how;
  begin_step();
}

std::optional<OutgoingProbe> MtuSearch::next_probe(Now now) {
  on_time(now.mono);
  if (done_ || sent_ == tries_.size() || !pacer_.may_send(now.mono)) return std::nullopt;
  while (ids_.ip_id(next_sequence_) == 0) ++next_sequence_;
  Try& one = tries_[sent_++];
  one.sequence = next_sequence_++;
  one.sent = now.mono;
  last_sent_ = now.mono;
  pacer_.note_send(now.mono);
  ++result_.probes;
  build_probe({.flow = options_.flow, .sequence = one.sequence, .ttl = 64, .size = one.size}, ids_,
              packet_);
  return OutgoingProbe{.packet = packet_, .sequence = one.sequence};
}

void MtuSearch::on_not_sent(std::uint32_t sequence, bool too_long) {
  const auto found = std::ranges::find(tries_, sequence, &Try::sequence);
  if (done_ || found == tries_.end() || found->size != size_) return;
  if (too_long) failed(Failing::local);
}

void MtuSearch::on_packet(const ReceivedPacket& packet, Now now) {
  if (done_) return;
  const auto answer = read_answer(packet);
  if (!answer) return;
  const auto sequence = claimed_sequence(*answer, ids_, next_sequence_);
  if (!sequence || *sequence == 0) return;
  const auto found = std::ranges::find(tries_, *sequence, &Try::sequence);
  if (found == tries_.end()) return;
  if (!fits(*answer, options_.flow, *sequence, found->size, ids_).ours) return;
  if (!answer->error) {
    found->answered = true;
    longest_ = std::max(longest_, now.mono - found->sent);
    if (found->size == size_) passed(size_);
    return;
  }
  if (answer->error->kind != IcmpErrorKind::too_big || found->size != size_) return;
  const std::uint32_t mtu = answer->error->mtu;
  result_.said_by = answer->source;
  result_.said_octets = mtu;
  // Tried next, and one more, to see whether it is true; what cannot be is left to the search.
  if (mtu > low_ && mtu < size_) preferred_ = {mtu, mtu + std::size_t{1}};
  failed(Failing::announced);
}

void MtuSearch::on_time(MonoTime now) {
  if (done_ || sent_ < tries_.size() || now < last_sent_ + patience()) return;
  if (low_ == 0 || control_answered()) {
    failed(Failing::silence);
    return;
  }
  if (++repeats_ > kRepeatsMax) {
    low_ = 0;
    finish(MtuVerdict::unsure);
    return;
  }
  sent_ = 0;
  for (Try& one : tries_) one = {.size = one.size, .sent = {}};
}

std::optional<MonoTime> MtuSearch::next_wakeup() const {
  if (done_) return std::nullopt;
  if (sent_ < tries_.size()) return pacer_.next_at();
  return last_sent_ + patience();
}

}  // namespace linkpilot::prober

#include "collector/plan/pair_seals.h"

#include <algorithm>
#include <utility>

#include "collector/plan/pair_secret.h"

namespace linkpilot::collector {

namespace {

std::uint32_t pair_key(NodeId a, NodeId b) {
  return std::uint32_t{std::min(a, b).value} << 16 | std::max(a, b).value;
}

std::uint32_t epoch_of(const PairSeals::Master& master) {
  return master == nullptr ? 0 : secret_epoch(*master);
}

}  // namespace

void PairSeals::set_masters(Master newest, Master older) {
  wanted_ = epoch_of(newest);
  older_ = epoch_of(older);
  has_older_ = older != nullptr && older_ != wanted_;
  open_before_ = open_before_ || (masters_.empty() && rounds_ > 0);
  if (newest != nullptr) masters_[wanted_] = std::move(newest);
  if (has_older_) masters_[older_] = std::move(older);
}

PairSeal PairSeals::step(NodeId a, NodeId b, std::uint64_t round, const Knows& knows) {
  if (masters_.empty()) return {};
  const auto [entry, is_new] = pairs_.try_emplace(pair_key(a, b));
  State& state = entry->second;
  PairSeal& seal = state.seal;
  if (!is_new && state.seen == round) return seal;
  state.seen = round;
  const auto both_know = [&] { return knows(a, state.since) && knows(b, state.since); };
  const auto take = [&](PairSeal next) {
    seal = next;
    state.since = round;
  };
  if (is_new && open_before_) {
    take({0, wanted_, true});
  } else if (is_new) {
    take({has_older_ ? older_ : wanted_, has_older_ ? wanted_ : 0, has_older_});
  } else if (seal.epoch != wanted_) {
    const bool announced = seal.changing && seal.also == wanted_;
    if (!announced && (!seal.changing || both_know())) {
      take({seal.epoch, wanted_, true});
    } else if (announced && both_know()) {
      take({wanted_, seal.epoch, true});
    }
  } else if (seal.changing && !(has_older_ && seal.also == older_) && both_know()) {
    take({wanted_, 0, false});
  }
  if (seal.epoch != wanted_) ++waiting_this_round_;
  if (seal.epoch != wanted_ || (seal.changing && !(has_older_ && seal.also == older_))) {
    changing_this_round_ = true;
  }
  return seal;
}

void PairSeals::end_round(std::uint64_t round) {
  std::erase_if(pairs_, [round](const auto& pair) { return pair.second.seen != round; });
  ++rounds_;
  open_before_ = false;
  waiting_ = std::exchange(waiting_this_round_, 0);
  changing_ = std::exchange(changing_this_round_, false);
  if (changing_) return;
  std::erase_if(masters_, [this](const auto& master) {
    return master.first != wanted_ && !(has_older_ && master.first == older_);
  });
}

std::vector<std::uint8_t> PairSeals::secret(std::uint32_t epoch, LinkId link) const {
  const auto master = masters_.find(epoch);
  if (master == masters_.end()) return {};
  return pair_secret(*master->second, link.from.node, link.to.node);
}

void PairSeals::fill(PlannedLink& link) const {
  if (link.mode == ProbeMode::stamp_authenticated) {
    link.secret = secret(link.secret_epoch, link.link);
  }
  if (link.also_mode == ProbeMode::stamp_authenticated) {
    link.also_secret = secret(link.also_secret_epoch, link.link);
  }
}

}  // namespace linkpilot::collector

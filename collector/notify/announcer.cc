#include "collector/notify/announcer.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/notify/fault_page.h"

namespace linkpilot::collector {

namespace {

constexpr std::string_view kThreadKey = "thread:";
constexpr std::string_view kMutedKey = "muted:";
constexpr double kSecondsAnHour = 3'600;

// A wider trouble explains a smaller one at its nodes, but not one that is worse.
bool explains(const Fault& wide, const Fault& narrow) {
  if (!wide.open() || wide.scope > FaultScope::port || wide.scope >= narrow.scope) return false;
  // What lies between groups of nodes, or is no node's at all, is not of one of them.
  if (narrow.scope >= FaultScope::region_pair) return false;
  if (wide.grade == FaultGrade::degraded && narrow.grade == FaultGrade::dead) return false;
  if (wide.scope == FaultScope::port) {
    if (wide.nodes.empty() || narrow.links.empty()) return false;
    const PortId port{wide.nodes.front(), wide.port};
    return std::all_of(narrow.links.begin(), narrow.links.end(), [&](const FaultLink& each) {
      return each.link.from == port || each.link.to == port;
    });
  }
  return std::any_of(narrow.nodes.begin(), narrow.nodes.end(), [&](NodeId node) {
    return std::find(wide.nodes.begin(), wide.nodes.end(), node) != wide.nodes.end();
  });
}

bool includes(const std::vector<Mailbox>& all, const std::vector<Mailbox>& some) {
  return std::all_of(some.begin(), some.end(), [&](const Mailbox& each) {
    return std::any_of(all.begin(), all.end(),
                       [&](const Mailbox& other) { return other.address == each.address; });
  });
}

bool same_people(const std::vector<Mailbox>& a, const std::vector<Mailbox>& b) {
  return a.size() == b.size() && includes(a, b);
}

NoticeReason merged(const ThreadMember& member, NoticeReason reason) {
  if (reason == NoticeReason::resolved || !member.pending) return reason;
  if (!member.told) return NoticeReason::opened;
  return std::max(*member.pending == NoticeReason::resolved ? reason : *member.pending, reason);
}

// The gravest first; otherwise as they came.
void sort_by_gravity(std::vector<Notice>& notices) {
  std::stable_sort(notices.begin(), notices.end(), [](const Notice& a, const Notice& b) {
    const FaultSeverity left = severity_of(a.fault.scope, a.fault.grade);
    const FaultSeverity right = severity_of(b.fault.scope, b.fault.grade);
    if (left != right) return left > right;
    return a.fault.scope < b.fault.scope;
  });
}

}  // namespace

Announcer::Announcer(const MailSettings& settings)
    : settings_(settings), tokens_(std::max(1.0, settings.rate_per_hour / 2.0)) {}

void Announcer::restore(const std::vector<NoticeRow>& rows, const std::vector<Fault>& faults,
                        Now now) {
  std::map<std::string, const Fault*> by_id;
  for (const Fault& fault : faults) by_id[fault.id] = &fault;
  for (const NoticeRow& row : rows) {
    const bool muted = row.key.starts_with(kMutedKey);
    if (!muted && !row.key.starts_with(kThreadKey)) continue;
    const Result<StoredThread> stored = decode_thread(row.body);
    if (!stored) {
      rows_.push_back({row.key, ""});
      continue;
    }
    const std::string name = row.key.substr(muted ? kMutedKey.size() : kThreadKey.size());
    if (muted) {
      const auto fault = by_id.find(name);
      if (fault != by_id.end() && fault->second->open()) {
        muted_[name] = {{NoticeReason::opened, *fault->second}, stored->to};
      } else {
        rows_.push_back({row.key, ""});
      }
      continue;
    }
    NoticeThread& thread = threads_[name];
    thread.mails = stored->mails;
    thread.told_at = stored->told_at;
    thread.told = now.mono - std::max(Duration{}, now.wall - stored->told_at);
    thread.pending_since = now.mono;
    thread.stem = stored->stem;
    thread.to = stored->to;
    for (const StoredThread::Member& member : stored->members) {
      const auto fault = by_id.find(member.fault);
      if (fault == by_id.end() || where_.contains(member.fault)) continue;
      thread.order.push_back(member.fault);
      thread.members[member.fault] = {*fault->second, member.told, member.pending};
      where_[member.fault] = name;
    }
    changed_.insert(name);
    close_if_empty(name);
  }
}

void Announcer::tell(const Notice& notice, const std::vector<Mailbox>& to, Now now) {
  const std::string& id = notice.fault.id;
  if (const auto where = where_.find(id); where != where_.end()) {
    note(where->second, threads_.at(where->second), notice, to, now);
  } else if (const auto muted = muted_.find(id); muted != muted_.end()) {
    if (notice.fault.open()) {
      muted->second.notice.fault = notice.fault;
    } else {
      ++counters_.muted;
      muted_.erase(muted);
      rows_.push_back({fmt::format("{}{}", kMutedKey, id), ""});
    }
  } else if (!notice.fault.open()) {
    // Nobody was told that it began.
  } else if (to.empty()) {
    ++counters_.unheard;
  } else if (where_.size() + muted_.size() >= kFaultsMax) {
    ++counters_.overflow;
  } else if (is_muted(notice.fault, to)) {
    mute(notice, to);
  } else {
    open({NoticeReason::opened, notice.fault}, to, now);
  }
  if (!muted_.empty()) unmute(now);
}

void Announcer::open(const Notice& notice, const std::vector<Mailbox>& to, Now now) {
  for (auto& [name, thread] : threads_) {
    const bool gathers = thread.mails == 0 && (settings_.group_wait > Duration{} || limited_);
    if (!gathers || !same_people(thread.to, to)) continue;
    note(name, thread, notice, to, now);
    return;
  }
  const std::string name = "new." + notice.fault.id;
  NoticeThread& thread = threads_[name];
  thread.to = to;
  note(name, thread, notice, to, now);
}

void Announcer::note(const std::string& name, NoticeThread& thread, const Notice& notice,
                     const std::vector<Mailbox>& to, Now now) {
  if (thread.pending() == 0) thread.pending_since = now.mono;
  const auto [found, fresh] = thread.members.try_emplace(notice.fault.id);
  ThreadMember& member = found->second;
  if (fresh) {
    thread.order.push_back(notice.fault.id);
    where_[notice.fault.id] = name;
  }
  member.fault = notice.fault;
  member.pending = merged(member, notice.reason);
  thread.urgent = thread.urgent || notice.reason == NoticeReason::escalated;
  thread.add_people(to);
  changed_.insert(name);
}

// Only by what the same people hear of.
bool Announcer::is_muted(const Fault& fault, const std::vector<Mailbox>& to) const {
  for (const auto& [name, thread] : threads_) {
    if (!includes(thread.to, to)) continue;
    for (const auto& [id, member] : thread.members) {
      if (id != fault.id && explains(member.fault, fault)) return true;
    }
  }
  return false;
}

void Announcer::mute(const Notice& notice, const std::vector<Mailbox>& to) {
  muted_[notice.fault.id] = {notice, to};
  NoticeThread row;
  row.to = to;
  rows_.push_back({fmt::format("{}{}", kMutedKey, notice.fault.id), encode_thread(row)});
}

void Announcer::unmute(Now now) {
  for (auto it = muted_.begin(); it != muted_.end();) {
    if (is_muted(it->second.notice.fault, it->second.to)) {
      ++it;
      continue;
    }
    const Muted told = std::move(it->second);
    it = muted_.erase(it);
    rows_.push_back({fmt::format("{}{}", kMutedKey, told.notice.fault.id), ""});
    open(told.notice, told.to, now);
  }
}

// The wider cause may have been found a little later than the smaller ones.
void Announcer::mute_late() {
  std::vector<std::pair<std::string, std::string>> late;
  for (const auto& [name, thread] : threads_) {
    for (const auto& [id, member] : thread.members) {
      const bool untold = !member.told && member.fault.open();
      if (untold && is_muted(member.fault, thread.to)) late.emplace_back(name, id);
    }
  }
  for (const auto& [name, id] : late) {
    NoticeThread& thread = threads_.at(name);
    mute({NoticeReason::opened, thread.members.at(id).fault}, thread.to);
    thread.remove(id);
    where_.erase(id);
    changed_.insert(name);
    close_if_empty(name);
  }
}

void Announcer::repeat(Now now) {
  if (settings_.repeat_interval <= Duration{}) return;
  for (auto& [name, thread] : threads_) {
    if (thread.mails == 0 || thread.pending() != 0 ||
        now.mono - thread.told < settings_.repeat_interval) {
      continue;
    }
    for (auto& [id, member] : thread.members) {
      if (!member.fault.open()) continue;
      member.pending = NoticeReason::repeated;
      member.fault.updated = std::max(member.fault.updated, now.wall);
    }
    thread.pending_since = now.mono;
    changed_.insert(name);
  }
}

bool Announcer::is_due(const NoticeThread& thread, Now now) const {
  if (thread.pending() == 0) return false;
  if (thread.urgent) return true;
  if (now.mono - thread.pending_since < settings_.group_wait) return false;
  return thread.mails == 0 || thread.over() || now.mono - thread.told >= settings_.group_interval;
}

void Announcer::refill(MonoTime now) {
  // Half at once and half over the hour: never more than the rate in any hour.
  const double at_once = std::max(1.0, settings_.rate_per_hour / 2.0);
  const double an_hour = std::max(1.0, settings_.rate_per_hour - at_once);
  if (refilled_ != MonoTime{}) {
    const double seconds = static_cast<double>((now - refilled_).count()) * 1e-9;
    tokens_ = std::min(at_once, tokens_ + seconds * an_hour / kSecondsAnHour);
  }
  refilled_ = now;
}

std::vector<Announcement> Announcer::due(Now now) {
  refill(now.mono);
  repeat(now);
  std::vector<std::string> names;
  for (const auto& [name, thread] : threads_) {
    if (is_due(thread, now)) names.push_back(name);
  }
  if (names.empty()) {
    limited_ = limited_ && waiting() > 0;
    return {};
  }
  if (tokens_ < 1) {
    limited_ = true;
    return {};
  }
  mute_late();
  std::erase_if(names, [this](const std::string& name) { return !threads_.contains(name); });
  std::vector<Announcement> out;
  while (!names.empty()) {
    if (tokens_ < 1) {
      limited_ = true;
      return out;
    }
    tokens_ -= 1;
    const std::vector<Mailbox> people = threads_.at(names.front()).to;
    std::vector<std::string> circle{names.front()};
    if (limited_) {
      std::copy_if(
          names.begin() + 1, names.end(), std::back_inserter(circle),
          [&](const std::string& name) { return same_people(threads_.at(name).to, people); });
    }
    std::erase_if(names, [&](const std::string& name) {
      return std::find(circle.begin(), circle.end(), name) != circle.end();
    });
    out.push_back(circle.size() == 1 ? announce(circle.front(), now) : digest(circle, now));
    if (limited_) counters_.limited += out.back().notices.size();
  }
  limited_ = false;
  return out;
}

void Announcer::take_pending(const std::string& name, Now now, std::vector<Notice>& into) {
  NoticeThread& thread = threads_.at(name);
  std::vector<std::string> over;
  for (const std::string& id : thread.order) {
    ThreadMember& member = thread.members.at(id);
    if (!member.pending) continue;
    into.push_back({*member.pending, member.fault});
    member.pending.reset();
    member.told = true;
    if (!member.fault.open()) over.push_back(id);
  }
  for (const std::string& id : over) {
    thread.remove(id);
    where_.erase(id);
  }
  thread.urgent = false;
  thread.told = now.mono;
  thread.told_at = now.wall;
  changed_.insert(name);
}

// A thread is named after the first fault it told, which no other thread ever tells first.
Announcement Announcer::announce(const std::string& gathered, Now now) {
  std::string name = gathered;
  NoticeThread& thread = threads_.at(name);
  Announcement out;
  out.thread = name;
  out.number = ++thread.mails;
  out.to = thread.to;
  for (const std::string& id : thread.order) {
    const ThreadMember& member = thread.members.at(id);
    if (!member.pending) out.others.push_back(member.fault);
  }
  take_pending(name, now, out.notices);
  sort_by_gravity(out.notices);
  if (out.number == 1) {
    name = out.thread = "fault." + out.notices.front().fault.id;
    changed_.insert(name);
    auto renamed = threads_.extract(gathered);
    renamed.key() = name;
    threads_.insert(std::move(renamed));
    for (const std::string& id : thread.order) where_[id] = name;
  }
  if (thread.stem.empty()) thread.stem = subject_stem(out.notices, style_of(settings_));
  out.stem = thread.stem;
  for (const auto& [id, muted] : muted_) {
    if (explains(out.notices.front().fault, muted.notice.fault)) ++out.muted;
  }
  close_if_empty(name);
  return out;
}

// Faults told here for the first time belong to the digest's thread; the others keep their own.
Announcement Announcer::digest(const std::vector<std::string>& names, Now now) {
  ++counters_.digests;
  Announcement out;
  out.digest = true;
  out.to = threads_.at(names.front()).to;
  NoticeThread fresh;
  fresh.mails = 1;
  fresh.to = out.to;
  fresh.told = now.mono;
  fresh.told_at = now.wall;
  for (const std::string& name : names) {
    NoticeThread& thread = threads_.at(name);
    const bool began_here = thread.mails == 0;
    take_pending(name, now, out.notices);
    if (began_here) {
      for (const std::string& id : thread.order) {
        fresh.order.push_back(id);
        fresh.members[id] = std::move(thread.members.at(id));
      }
      thread.order.clear();
      thread.members.clear();
    }
    close_if_empty(name);
  }
  sort_by_gravity(out.notices);
  fresh.stem = out.stem = subject_stem(out.notices, style_of(settings_));
  out.thread =
      fmt::format("digest.{}.{}", out.notices.front().fault.id, now.wall.ns / 1'000'000'000);
  for (const std::string& id : fresh.order) where_[id] = out.thread;
  if (!fresh.members.empty()) {
    threads_[out.thread] = std::move(fresh);
    changed_.insert(out.thread);
  }
  return out;
}

void Announcer::close_if_empty(const std::string& name) {
  const auto found = threads_.find(name);
  if (found == threads_.end() || !found->second.members.empty()) return;
  threads_.erase(found);
  changed_.insert(name);
}

std::vector<NoticeRow> Announcer::take_rows() {
  std::vector<NoticeRow> out = std::exchange(rows_, {});
  for (const std::string& name : std::exchange(changed_, {})) {
    const auto thread = threads_.find(name);
    out.push_back({fmt::format("{}{}", kThreadKey, name),
                   thread == threads_.end() ? "" : encode_thread(thread->second)});
  }
  return out;
}

std::size_t Announcer::waiting() const {
  std::size_t count = 0;
  for (const auto& [name, thread] : threads_) count += thread.pending();
  return count;
}

}  // namespace linkpilot::collector

// Who is told what, when and together with what: on virtual time.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/runtime/files.h"
#include "collector/notify/alert_board.h"
#include "collector/notify/announcer.h"
#include "collector/notify/canvas.h"
#include "collector/notify/chart.h"
#include "collector/notify/hook_queue.h"
#include "collector/notify/link_trails.h"
#include "collector/notify/recipients.h"
#include "collector/notify/time_zone.h"

namespace linkpilot::collector {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr UnixNanos kThen{1'795'271'400'000'000'000};  // 2026-11-21T14:30:00Z
const std::vector<Mailbox> kOps = {{"", "ops@example.net"}};

Fault link_fault(std::uint16_t a, std::uint16_t b) {
  Fault fault;
  fault.key = fmt::format("link:n{}:n{}", a, b);
  fault.since = kThen;
  fault.id = fault_id(fault.key, fault.since);
  fault.scope = FaultScope::link;
  fault.nodes = {NodeId{a}, NodeId{b}};
  fault.members = {fmt::format("n{}", a), fmt::format("n{}", b)};
  fault.opened = fault.updated = kThen;
  fault.events = 1;
  return fault;
}

Fault node_fault(std::uint16_t node) {
  Fault fault = link_fault(node, node);
  fault.key = fmt::format("node:n{}", node);
  fault.id = fault_id(fault.key, fault.since);
  fault.scope = FaultScope::node;
  fault.nodes = {NodeId{node}};
  fault.members = {fmt::format("n{}", node)};
  return fault;
}

class AnnouncerTest : public testing::Test {
 protected:
  AnnouncerTest() : announcer(settings()) { (void)announcer.due(now); }
  static MailSettings settings() {
    MailSettings out;
    out.server = "x:25";
    out.to = kOps;
    out.group_wait = seconds(2);
    out.group_interval = minutes(1);
    out.repeat_interval = hours(4);
    out.rate_per_hour = 10;
    return out;
  }
  void open(const Fault& fault, const std::vector<Mailbox>& to = kOps) {
    known[fault.id] = fault;
    announcer.tell({NoticeReason::opened, fault}, to, now);
  }
  void tell(Fault fault, NoticeReason reason) {
    ++fault.events;
    if (reason == NoticeReason::resolved) fault.resolved = now.wall;
    known[fault.id] = fault;
    announcer.tell({reason, fault}, kOps, now);
  }
  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
  }
  // Everything that is written within `time`, looked for each second.
  std::vector<Announcement> within(Duration time) {
    std::vector<Announcement> out;
    for (Duration passed{}; passed < time; passed += seconds(1)) {
      pass(seconds(1));
      for (Announcement& each : announcer.due(now)) out.push_back(std::move(each));
      for (NoticeRow& row : announcer.take_rows()) rows[row.key] = row.body;
    }
    return out;
  }
  // A collector that was killed and comes back with what the store has.
  void restart() {
    for (NoticeRow& row : announcer.take_rows()) rows[row.key] = row.body;
    std::vector<NoticeRow> stored;
    for (const auto& [key, body] : rows) {
      if (!body.empty()) stored.push_back({key, body});
    }
    std::vector<Fault> faults;
    for (const auto& [id, fault] : known) faults.push_back(fault);
    announcer = Announcer(settings());
    announcer.restore(stored, faults, now);
  }
  Announcer announcer;
  Now now{MonoTime{1'000'000'000'000}, kThen};
  std::map<std::string, std::string> rows;
  std::map<std::string, Fault> known;
};

TEST_F(AnnouncerTest, WhatBeginsTogetherIsOneMailAndOneThread) {
  open(link_fault(1, 2));
  pass(seconds(1));
  open(link_fault(3, 4));
  const std::vector<Announcement> first = within(seconds(10));
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(first[0].notices, SizeIs(2));
  EXPECT_EQ(first[0].number, 1u);
  EXPECT_THAT(first[0].stem, HasSubstr("2 faults: link n1 - n2"));
  tell(link_fault(1, 2), NoticeReason::resolved);
  EXPECT_THAT(within(seconds(40)), IsEmpty());  // the other one is still open: it is gathered
  tell(link_fault(3, 4), NoticeReason::resolved);
  const std::vector<Announcement> over = within(seconds(10));
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].thread, first[0].thread);
  EXPECT_EQ(over[0].stem, first[0].stem);
  EXPECT_EQ(over[0].number, 2u);
  EXPECT_THAT(over[0].notices, SizeIs(2));
  EXPECT_EQ(announcer.faults(), 0u);
}

TEST_F(AnnouncerTest, WhatBeginsLaterHasAThreadOfItsOwn) {
  open(link_fault(1, 2));
  const std::vector<Announcement> first = within(seconds(5));
  open(link_fault(3, 4));
  const std::vector<Announcement> second = within(seconds(5));
  ASSERT_THAT(first, SizeIs(1));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_NE(first[0].thread, second[0].thread);
}

TEST_F(AnnouncerTest, UpdatesAreGatheredAndEscalationIsNot) {
  open(link_fault(1, 2));
  ASSERT_THAT(within(seconds(5)), SizeIs(1));
  for (int i = 0; i < 3; ++i) {
    tell(link_fault(1, 2), NoticeReason::updated);
    EXPECT_THAT(within(seconds(10)), IsEmpty());
  }
  const std::vector<Announcement> updated = within(seconds(40));
  ASSERT_THAT(updated, SizeIs(1));
  EXPECT_EQ(updated[0].notices[0].reason, NoticeReason::updated);
  tell(link_fault(1, 2), NoticeReason::escalated);
  const std::vector<Announcement> escalated = within(seconds(1));
  ASSERT_THAT(escalated, SizeIs(1));
  EXPECT_EQ(escalated[0].notices[0].reason, NoticeReason::escalated);
  EXPECT_EQ(escalated[0].number, 3u);
}

TEST_F(AnnouncerTest, WhatStaysOpenIsToldAgainAndAcrossARestart) {
  open(link_fault(1, 2));
  ASSERT_THAT(within(seconds(5)), SizeIs(1));
  EXPECT_THAT(within(hours(3)), IsEmpty());
  restart();
  EXPECT_THAT(within(minutes(55)), IsEmpty());
  const std::vector<Announcement> again = within(minutes(10));
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].notices[0].reason, NoticeReason::repeated);
  EXPECT_EQ(again[0].number, 2u);
}

TEST_F(AnnouncerTest, AWiderCauseMutesWhatItExplainsAndWhatOutlivesItIsTold) {
  open(link_fault(1, 2));
  open(link_fault(1, 3));
  open(link_fault(4, 5));
  open(node_fault(1));  // found a moment later, in time
  const std::vector<Announcement> first = within(seconds(5));
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(first[0].notices, SizeIs(2));
  EXPECT_EQ(first[0].notices[0].fault.scope, FaultScope::node);  // the gravest first
  EXPECT_EQ(first[0].muted, 2u);
  tell(link_fault(1, 2), NoticeReason::resolved);
  EXPECT_THAT(within(seconds(70)), IsEmpty());
  EXPECT_EQ(announcer.counters().muted, 1u);
  restart();
  tell(node_fault(1), NoticeReason::resolved);
  std::vector<Announcement> later = within(seconds(70));
  ASSERT_THAT(later, SizeIs(2));
  std::set<std::string> told;
  for (const Announcement& each : later) told.insert(each.notices[0].fault.id);
  EXPECT_EQ(told, (std::set<std::string>{node_fault(1).id, link_fault(1, 3).id}));
}

TEST_F(AnnouncerTest, WhoDoesNotHearOfTheWiderCauseHearsOfTheSmallerOne) {
  open(node_fault(1), {{"", "others@example.net"}});
  open(link_fault(1, 2));
  EXPECT_THAT(within(seconds(5)), SizeIs(2));
}

TEST_F(AnnouncerTest, WhatIsOverTheRateIsToldInOneDigestAndNothingIsLost) {
  std::set<std::string> wanted;
  std::map<std::string, int> opened;
  std::vector<Announcement> mails;
  for (std::uint16_t i = 0; i < 200; ++i) {
    open(link_fault(i, static_cast<std::uint16_t>(1'000 + i)));
    wanted.insert(link_fault(i, static_cast<std::uint16_t>(1'000 + i)).id);
    for (Announcement& each : within(seconds(9))) mails.push_back(std::move(each));
  }
  EXPECT_LE(mails.size(), 10u);  // half an hour
  for (Announcement& each : within(hours(1))) mails.push_back(std::move(each));
  EXPECT_LE(mails.size(), 15u);
  std::set<std::string> threads;
  for (const Announcement& mail : mails) {
    threads.insert(mail.thread);
    for (const Notice& notice : mail.notices) ++opened[notice.fault.id];
  }
  EXPECT_EQ(opened.size(), wanted.size());
  for (const auto& [id, count] : opened) EXPECT_EQ(count, 1) << id;
  EXPECT_EQ(threads.size(), mails.size());
  EXPECT_GT(announcer.counters().limited, 100u);
  // Updates of many threads at once share a digest, too.
  for (std::uint16_t i = 0; i < 200; ++i) {
    tell(link_fault(i, static_cast<std::uint16_t>(1'000 + i)), NoticeReason::resolved);
  }
  std::size_t resolved = 0;
  for (const Announcement& mail : within(hours(2))) resolved += mail.notices.size();
  EXPECT_EQ(resolved, 200u);
  EXPECT_EQ(announcer.faults(), 0u);
  for (const auto& [key, body] : rows) EXPECT_TRUE(body.empty()) << key;
}

TEST_F(AnnouncerTest, WhatWasWaitingAtAKillIsToldOnceAfterIt) {
  open(link_fault(1, 2));
  restart();
  EXPECT_THAT(within(seconds(5)), SizeIs(1));
  restart();
  EXPECT_THAT(within(minutes(5)), IsEmpty());
  tell(link_fault(1, 2), NoticeReason::resolved);
  restart();
  const std::vector<Announcement> over = within(seconds(5));
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_EQ(over[0].number, 2u);
}

TEST(NoticeThread, RowsThatAreNoneAreRefused) {
  for (const char* bad : {"", "[]", "1", "{\"members\":"}) EXPECT_FALSE(decode_thread(bad)) << bad;
  const Result<StoredThread> odd = decode_thread(
      R"({"mails":-1,"to":[["x","a@b.c\r\nBcc: y@z"],["",7]],"members":[{"fault":""},{"fault":"f","pending":"x"}]})");
  ASSERT_TRUE(odd);
  EXPECT_THAT(odd->to, IsEmpty());
  EXPECT_THAT(odd->members, SizeIs(1));
}

TEST(Recipients, ARuleMatchesBySeverityRegionAndVendor) {
  MailSettings settings;
  settings.server = "x:25";
  settings.to = {{"", "all@x.y"}};
  settings.rules = {{{{"", "duty@x.y"}}, FaultSeverity::critical, {}, {}},
                    {{{"", "eu@x.y"}}, FaultSeverity::info, {{"eu-west"}}, {}},
                    {{{"", "tel@x.y"}, {"", "all@x.y"}}, FaultSeverity::info, {}, {{"Telecom"}}}};
  FaultBackground background;
  const auto who = [&](const Fault& fault) {
    std::vector<std::string> out;
    for (const Mailbox& each : recipients_of(settings, fault, background)) {
      out.push_back(each.address);
    }
    return out;
  };
  EXPECT_THAT(who(link_fault(1, 2)), ElementsAre("all@x.y"));
  EXPECT_THAT(who(node_fault(1)), ElementsAre("all@x.y", "duty@x.y"));
  background.regions = {"ap", "eu-west"};
  background.vendors = {"Telecom"};
  EXPECT_THAT(who(link_fault(1, 2)), ElementsAre("all@x.y", "eu@x.y", "tel@x.y"));
  EXPECT_THAT(recipient_warnings(settings), IsEmpty());
  settings.rules[1].regions = std::vector<std::string>{};
  EXPECT_THAT(recipient_warnings(settings), ElementsAre(HasSubstr("lets nothing through")));
  settings.to.clear();
  settings.rules = {settings.rules[2]};
  EXPECT_THAT(recipient_warnings(settings), ElementsAre(HasSubstr("nobody hears of critical")));
}

TEST(TimeZone, ShowsTheClockOfTheZoneInSummerAndWinter) {
  const Result<TimeZone> paris = load_time_zone("Europe/Paris", kThen);
  ASSERT_TRUE(paris) << paris.error().message;
  EXPECT_EQ(paris->text(kThen), "2026-11-21 15:30:00 CET (+01:00)");
  EXPECT_EQ(paris->text({1'782'000'000'000'000'000}), "2026-06-21 02:00:00 CEST (+02:00)");
  EXPECT_EQ(load_time_zone("Asia/Shanghai", kThen)->clock(kThen), "22:30:00 CST");
  EXPECT_EQ(TimeZone::fixed("-03:30")->text(kThen), "2026-11-21 11:00:00 UTC-03:30");
  EXPECT_EQ(TimeZone().text(kThen), "2026-11-21 14:30:00 UTC");
  for (const char* bad :
       {"Mars/Olympus", "../../etc/passwd", "/etc/localtime", "+25:00", "+8", "08:00"}) {
    EXPECT_FALSE(load_time_zone(bad, kThen)) << bad;
  }
}

TEST(TimeZone, TheNextMorningComesOnceADayThroughChangesOfTheClock) {
  const TimeZone paris = *load_time_zone("Europe/Paris", kThen);
  UnixNanos at{1'774'600'000'000'000'000};  // two days before the clock goes forward
  for (int day = 0; day < 400; ++day) {
    const UnixNanos next = paris.next_daily(at, 8 * 60);
    const LocalTime local = paris.at(next);
    EXPECT_EQ(local.hour * 60 + local.minute, 8 * 60) << paris.text(next);
    EXPECT_GT((next - at).count(), 0);
    if (day > 0) {
      EXPECT_LE(next - at, hours(25));
    }
    at = next;
  }
}

TEST(TimeZone, FilesThatAreCutShortAreRefused) {
  const auto octets = read_file("/usr/share/zoneinfo/Europe/Paris", kZoneOctetsMax);
  ASSERT_TRUE(octets);
  ASSERT_TRUE(TimeZone::from_tzif("x", *octets, kThen));
  for (std::size_t size = 0; size + 40 < octets->size(); size += 7) {
    EXPECT_FALSE(TimeZone::from_tzif("x", std::span(*octets).first(size), kThen)) << size;
  }
}

TEST(Canvas, DrawsInsideItselfOnly) {
  Canvas canvas(40, 20, {255, 255, 255});
  canvas.line({-100, 10}, {100, 10}, 4, {0, 0, 0});
  canvas.fill({-5, -5}, {3, 3}, {255, 0, 0});
  canvas.text({30, 30}, 20, "0123456789:%.+-ms?", {0, 0, 255});
  canvas.dashed({0, 0}, {1e9, 0}, 1, 0, {0, 0, 0});
  EXPECT_EQ(canvas.at(20, 10), (Colour{0, 0, 0}));
  EXPECT_EQ(canvas.at(0, 0), (Colour{255, 0, 0}));
  EXPECT_EQ(canvas.at(20, 2), (Colour{255, 255, 255}));
  EXPECT_TRUE(canvas.png().starts_with("\x89PNG\r\n\x1a\n"));
}

TEST(LinkTrails, KeepsTenMinutesOfDelayAndLoss) {
  LinkTrails trails;
  LinkHistories histories;
  optimizer::LinkBelief belief;
  belief.link = {{NodeId{1}, PortIndex{0}}, {NodeId{2}, PortIndex{0}}};
  belief.measured = true;
  Now now{MonoTime{1'000'000'000}, kThen};
  for (int i = 0; i < 1'000; ++i) {
    belief.rtt_p50 = std::chrono::milliseconds(i < 900 ? 20 : 50);
    LinkHistory& history = histories[belief.link];
    history.sent += 10;
    history.lost_forward += i < 900 ? 0 : 5;
    trails.look({belief}, histories, now);
    now.mono += seconds(1);
    now.wall += seconds(1);
  }
  const std::vector<TracePoint> trail = trails.trail(belief.link);
  ASSERT_THAT(trail, SizeIs(LinkTrails::kPoints));
  EXPECT_FLOAT_EQ(trail.front().rtt_ms, 20);
  EXPECT_FLOAT_EQ(trail.front().loss_ratio, 0);
  EXPECT_FLOAT_EQ(trail.back().rtt_ms, 50);
  EXPECT_FLOAT_EQ(trail.back().loss_ratio, 0.5);
  EXPECT_THAT(trails.trail(belief.link.reversed()), IsEmpty());
}

class AlertBoardTest : public testing::Test {
 protected:
  AlertBoardTest()
      : board([] {
          AlertSettings settings;
          settings.url = "http://x";
          return settings;
        }()) {}
  int alerts_due() {
    push = board.due(now);
    return push ? static_cast<int>(push->alerts.size()) : 0;
  }
  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
  }
  AlertBoard board;
  std::optional<AlertPush> push;
  Now now{MonoTime{1'000'000'000'000}, kThen};
};

TEST_F(AlertBoardTest, PostsRefreshesResolvesAndForgets) {
  Fault fault = link_fault(1, 2);
  board.note(fault, {}, "https://w/link-dead", now.mono);
  ASSERT_EQ(alerts_due(), 1);
  EXPECT_THAT(push->body,
              AllOf(HasSubstr(R"("startsAt":"2026-11-21T14:30:00.000Z")"),
                    HasSubstr(R"("endsAt":"2026-11-21T14:34:00.000Z")"),
                    HasSubstr(R"("severity":"warning")"), HasSubstr("https://w/link-dead")));
  board.settle(*push, 200, now.mono);
  EXPECT_EQ(alerts_due(), 0);
  pass(seconds(61));
  ASSERT_EQ(alerts_due(), 1);
  fault.resolved = now.wall;
  board.note(fault, {}, "", now.mono);  // while the refresh is under way
  board.settle(*push, 200, now.mono);
  ASSERT_EQ(alerts_due(), 1);
  EXPECT_THAT(push->body, HasSubstr(R"("endsAt":"2026-11-21T14:31:01.000Z")"));
  board.settle(*push, 200, now.mono);
  EXPECT_EQ(board.size(), 0u);
}

TEST_F(AlertBoardTest, AServerThatIsDownGetsItLaterAndOneThatRefusesIsNotPestered) {
  board.note(link_fault(1, 2), {}, "", now.mono);
  int tries = 0;
  for (int second = 0; second < 600; ++second) {
    if (alerts_due() > 0) {
      ++tries;
      board.settle(*push, tries % 2 == 0 ? 0 : 503, now.mono);
    }
    pass(seconds(1));
  }
  EXPECT_GT(tries, 10);
  EXPECT_LT(tries, 20);
  pass(minutes(2));
  ASSERT_EQ(alerts_due(), 1);
  board.settle(*push, 400, now.mono);
  EXPECT_EQ(board.counters().refused, 1u);
  EXPECT_EQ(alerts_due(), 0);
}

TEST_F(AlertBoardTest, AGraverFaultIsAnotherAlertAndTheOldOneIsOver) {
  Fault fault = link_fault(1, 2);
  fault.grade = FaultGrade::degraded;
  board.note(fault, {}, "", now.mono);
  ASSERT_EQ(alerts_due(), 1);
  board.settle(*push, 200, now.mono);
  pass(seconds(5));
  fault.grade = FaultGrade::dead;
  fault.updated = now.wall;
  board.note(fault, {}, "", now.mono);
  ASSERT_EQ(alerts_due(), 2);
  EXPECT_THAT(push->body, AllOf(HasSubstr(R"("severity":"info")"),
                                HasSubstr(R"("endsAt":"2026-11-21T14:30:05.000Z")"),
                                HasSubstr(R"("severity":"warning")")));
  board.settle(*push, 200, now.mono);
  EXPECT_EQ(board.size(), 1u);
}

TEST_F(AlertBoardTest, IsBounded) {
  for (std::uint16_t i = 0; i < 2'100; ++i) board.note(link_fault(i, 9'999), {}, "", now.mono);
  EXPECT_EQ(board.size(), AlertBoard::kAlertsMax);
  EXPECT_EQ(board.counters().dropped, 2'100 - AlertBoard::kAlertsMax);
  EXPECT_EQ(alerts_due(), static_cast<int>(AlertBoard::kBatchMax));
}

TEST_F(AlertBoardTest, IsBoundedWhileOneFaultChangesAndTheServerIsDown) {
  Fault fault = link_fault(1, 2);
  for (int i = 0; i < 5'000; ++i) {
    fault.grade = i % 2 == 0 ? FaultGrade::degraded : FaultGrade::dead;
    board.note(fault, {}, "", now.mono);
  }
  EXPECT_LE(board.size(), AlertBoard::kAlertsMax);
  EXPECT_GT(board.counters().dropped, 0u);
}

TEST(HookQueue, KeepsTheIdInEachAttemptAndTheOrder) {
  HookSettings settings;
  settings.url = "http://x";
  settings.queue_max = 3;
  HookQueue queue(settings);
  Now now{MonoTime{1'000'000'000'000}, kThen};
  for (std::uint16_t i = 1; i <= 4; ++i) {
    (void)queue.add(make_delivery({NoticeReason::opened, link_fault(i, 9)}, now.wall));
  }
  EXPECT_EQ(queue.counters().dropped, 1u);
  ASSERT_NE(queue.due(now), nullptr);
  const HookDelivery first = *queue.due(now);
  EXPECT_EQ(first.id, link_fault(2, 9).id + ".1.opened");
  EXPECT_FALSE(queue.settle(first.id, 500, "", now).done);
  EXPECT_EQ(queue.due(now), nullptr);
  now.mono += seconds(6);
  EXPECT_EQ(queue.due(now)->id, first.id);
  EXPECT_TRUE(queue.settle(first.id, 204, "", now).done);
  const HookSettled refused = queue.settle(queue.due(now)->id, 410, "", now);
  EXPECT_TRUE(refused.done);
  EXPECT_EQ(refused.trouble, "the receiver answers 410");
  now.wall += hours(25);
  EXPECT_TRUE(queue.settle(queue.due(now)->id, 0, "refused", now).done);
  EXPECT_EQ(queue.size(), 0u);
  const Result<HookDelivery> back = delivery_of(row_of(first));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->body, first.body);
  EXPECT_FALSE(delivery_of({"hook:x", "no number"}));
}

TEST(HookQueue, SignsAsDocumented) {
  // RFC 4231, test cases 2 and 6.
  EXPECT_EQ(hmac_sha256("Jefe", {"what do ya ", "want for nothing?"}),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(std::string(131, '\xaa'),
                        {"Test Using Larger Than Block-Size Key - Hash Key First"}),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(sign_delivery("k", 17, "{}"), "sha256=" + hmac_sha256("k", {"17.{}"}));
}

}  // namespace
}  // namespace linkpilot::collector

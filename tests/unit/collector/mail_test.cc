#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "collector/faults/fault_codec.h"
#include "collector/notify/fault_mail.h"
#include "collector/notify/fault_page.h"
#include "collector/notify/mail_queue.h"
#include "collector/notify/mime.h"
#include "collector/notify/smtp_transcript.h"

namespace linkpilot::collector {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr UnixNanos kAt{1'795'271'400'000'000'000};  // 2026-11-21T14:30:00Z

Fault sample_fault() {
  Fault fault;
  fault.key = "link:paris:tokyo";
  fault.since = kAt - std::chrono::seconds(8);
  fault.id = fault_id(fault.key, fault.since);
  fault.scope = FaultScope::link;
  fault.nodes = {NodeId{1}, NodeId{2}};
  fault.members = {"paris", "tokyo"};
  fault.opened = fault.updated = kAt;
  fault.events = 1;
  fault.detail = "nothing gets through from tokyo to paris";
  FaultLink link;
  link.link = {{NodeId{2}, PortIndex{0}}, {NodeId{1}, PortIndex{0}}};
  link.text = "tokyo/0>paris/0";
  link.grade = FaultGrade::dead;
  link.rtt_ms_before = 210.4;
  link.loss_ratio_before = 0;
  link.loss_ratio = 1;
  link.seen = "confirmed by paris, last heard 2026-11-21T14:29:51.600Z";
  fault.links = {link};
  fault.links_total = 1;
  fault.routes = {"14:29:52.100: tokyo > mumbai > paris instead of tokyo > paris"};
  fault.routes_total = 1;
  return fault;
}

MailSettings sample_settings() {
  MailSettings settings;
  settings.server = "mail.example.net:587";
  settings.from = {"LinkPilot", "linkpilot@example.net"};
  settings.to = {{"", "ops@example.net"}, {"Nachtschicht Zürich", "night@example.net"}};
  return settings;
}

std::string header_of(const std::string& octets) {
  return octets.substr(0, octets.find("\r\n\r\n"));
}

TEST(Mailbox, TakesTheUsualFormsAndNothingThatCouldBreakOut) {
  const Result<Mailbox> plain = parse_mailbox(" ops@example.net ");
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, (Mailbox{"", "ops@example.net"}));
  const Result<Mailbox> named = parse_mailbox("\"Night, shift\" <night+x@sub.example.net>");
  ASSERT_TRUE(named);
  EXPECT_EQ(*named, (Mailbox{"Night, shift", "night+x@sub.example.net"}));
  for (const char* bad : {"", "ops", "@example.net", "ops@", "ops@exa mple.net", "a b@example.net",
                          "ops@example.net>", "<ops@example.net", "ops@example.net\r\nBcc: x@y.z",
                          "x <ops@example.net\r\n>", "a..b@example.net", ".a@example.net",
                          "a.@example.net", "a@.example.net", "a@example.net.", "<>", "a@b,c@d",
                          "x@y.z\r\nRCPT TO:<ops@example.net>", "\xff <ops@example.net>"}) {
    EXPECT_FALSE(parse_mailbox(bad)) << bad;
  }
}

TEST(Mime, FoldsAndEncodesSoThatEachFieldReadsBack) {
  EXPECT_EQ(text_field("Subject", "short"), "Subject: short\r\n");
  EXPECT_EQ(text_field("Subject", "Zürich"), "Subject: =?utf-8?B?WsO8cmljaA==?=\r\n");
  EXPECT_EQ(text_field("Subject", "a\r\nBcc: evil@example.net"),
            "Subject: a??Bcc: evil@example.net\r\n");
  EXPECT_EQ(text_field("Subject", "bad \xff octet"),
            "Subject: =?utf-8?B?YmFkIO+/vSBvY3RldA==?=\r\n");
  EXPECT_THAT(text_field("Subject", "=?utf-8?B?YQ==?="), Not(HasSubstr("YQ==?=\r\n ")));
  EXPECT_EQ(date_text(kAt), "Sat, 21 Nov 2026 14:30:00 +0000");
  EXPECT_EQ(address_field("To", {{"A \"q\"", "a@b.c"}, {"", "d@e.f"}}),
            "To: \"A \\\"q\\\"\" <a@b.c>, d@e.f\r\n");
}

TEST(Mime, QuotedPrintableBreaksLongLinesAndKeepsSpacesAtTheEnd) {
  EXPECT_EQ(quoted_printable("a=b \nü\n"), "a=3Db=20\r\n=C3=BC\r\n");
  const std::string out = quoted_printable(std::string(200, 'x'));
  std::size_t begin = 0;
  for (std::size_t end = out.find("\r\n"); end != std::string::npos;
       end = out.find("\r\n", begin)) {
    EXPECT_LE(end - begin, 76u);
    begin = end + 2;
  }
  EXPECT_EQ(begin, out.size());
}

Announcement announcement_of(NoticeReason reason, const Fault& fault) {
  Announcement out;
  out.thread = "fault." + fault.id;
  out.number = fault.events;
  out.notices = {{reason, fault}};
  out.stem = subject_stem(out.notices, style_of(sample_settings()));
  out.to = sample_settings().to;
  return out;
}

OutgoingMail opened_mail() {
  return write_announcement(announcement_of(NoticeReason::opened, sample_fault()), {},
                            sample_settings(), kAt);
}

TEST(FaultMail, SaysWhatSinceWhenFromWhereAndWhatWasDone) {
  const OutgoingMail mail = opened_mail();
  const std::string id = sample_fault().id;
  EXPECT_EQ(mail.message_id, "<fault." + id + ".1@example.net>");
  EXPECT_EQ(mail.subject, "[cut] link paris - tokyo, since 14:29:52 UTC");
  EXPECT_THAT(mail.recipients, ElementsAre("ops@example.net", "night@example.net"));
  EXPECT_THAT(
      header_of(mail.octets),
      AllOf(HasSubstr("Auto-Submitted: auto-generated"), Not(HasSubstr("In-Reply-To")),
            HasSubstr("Message-ID: " + mail.message_id), HasSubstr("X-LinkPilot-Severity: warning"),
            HasSubstr("X-LinkPilot-Fault: " + id + "; event=opened; grade=dead")));
  PageStyle style = style_of(sample_settings());
  style.runbook_base = "https://wiki.example.net/";
  FaultBackground background;
  background.links = {
      {sample_fault().links[0].link, "192.0.2.7 (Telecom)", "192.0.2.1 (Orange)", {}}};
  EXPECT_THAT(
      page_text(fault_page({NoticeReason::opened, sample_fault()}, background, {2}, style)),
      AllOf(HasSubstr("Link paris - tokyo is cut."),
            HasSubstr("Since       2026-11-21 14:29:52 UTC (8 s before this was written)"),
            HasSubstr("Seen from   tokyo"), HasSubstr("2 smaller faults are explained by it"),
            HasSubstr("tokyo/0>paris/0: round trip 210.4 ms -> no answer, lost 0.0 % -> all"),
            HasSubstr("192.0.2.7 (Telecom) -> 192.0.2.1 (Orange)"),
            HasSubstr("Routes that moved away from it at once: 1"),
            HasSubstr("tokyo > mumbai > paris instead of tokyo > paris"),
            HasSubstr("linkpilot link probe paris tokyo"), HasSubstr("linkpilot fault show " + id),
            HasSubstr("https://wiki.example.net/link-dead")));
}

TEST(FaultMail, TimesAndWordsAreThoseOfTheConfiguration) {
  MailSettings settings = sample_settings();
  settings.language = MailLanguage::chinese;
  settings.zone = *TimeZone::fixed("+08:00");
  const std::string text =
      page_text(fault_page({NoticeReason::opened, sample_fault()}, {}, {}, style_of(settings)));
  EXPECT_THAT(text, AllOf(HasSubstr("链路 paris - tokyo 中断。"),
                          HasSubstr("2026-11-21 22:29:52 UTC+08:00 = 2026-11-21T14:29:52.000Z")));
  // What can be said is said in both.
  for (const MailLanguage language : {MailLanguage::english, MailLanguage::chinese}) {
    settings.language = language;
    for (const NoticeReason reason : {NoticeReason::opened, NoticeReason::updated,
                                      NoticeReason::repeated, NoticeReason::escalated}) {
      EXPECT_THAT(
          write_announcement(announcement_of(reason, sample_fault()), {}, settings, kAt).octets,
          HasSubstr("multipart/alternative"));
    }
    EXPECT_THAT(write_summary({sample_fault()}, {3, 4}, 5, 6, settings, kAt).octets,
                HasSubstr("summary.2026-11-21@example.net"));
    EXPECT_THAT(write_heartbeat({3, 4}, 1, settings, kAt).octets,
                HasSubstr("Message-ID: <heartbeat."));
    EXPECT_THAT(write_test_mail(settings, {}, "x", kAt).octets, HasSubstr("Message-ID: <test."));
  }
}

TEST(FaultMail, AllMailsOfAFaultAreOneThread) {
  Fault fault = sample_fault();
  fault.events = 3;
  fault.resolved = fault.updated = kAt + std::chrono::seconds(184);
  fault.outcome = "packets get through again, in both directions";
  const OutgoingMail mail = write_announcement(announcement_of(NoticeReason::resolved, fault), {},
                                               sample_settings(), kAt);
  const std::string root = "<fault." + fault.id + ".1@example.net>";
  EXPECT_THAT(header_of(mail.octets), HasSubstr("In-Reply-To: " + root));
  EXPECT_THAT(header_of(mail.octets), HasSubstr("References: " + root));
  EXPECT_THAT(header_of(mail.octets), HasSubstr("<fault." + fault.id + ".2@example.net>"));
  EXPECT_EQ(mail.subject, "[resolved] link paris - tokyo, since 14:29:52 UTC");
  EXPECT_THAT(page_text(fault_page({NoticeReason::resolved, fault}, {}, {}, {})),
              HasSubstr("is well again. It was cut for 3 min 12 s."));
}

TEST(FaultMail, TheSameEventIsTheSameOctets) { EXPECT_EQ(opened_mail(), opened_mail()); }

// The worst that comes in: every list full, every text at its bound, a chart of noise.
TEST(FaultMail, NoMailIsLargerThanReadersShow) {
  Announcement announcement = announcement_of(NoticeReason::opened, sample_fault());
  announcement.notices.clear();
  const std::string long_name(2'000, '\xE9');
  FaultBackground background;
  for (int i = 0; i < 200; ++i) {
    Fault fault = sample_fault();
    fault.members.assign(kFaultMembersMax, long_name);
    fault.detail = fault.vendor = std::string(3'000, '<') + "\xE4\xB8\xAD";
    fault.routes.assign(kFaultRoutesKept, long_name);
    fault.links.clear();
    for (std::uint8_t k = 0; k < kFaultLinksKept; ++k) {
      FaultLink link = sample_fault().links[0];
      link.link.from.port = PortIndex{k};
      link.text = fmt::format("{}{}>{}", k, long_name, k);
      link.seen = long_name;
      fault.links.push_back(link);
    }
    fault.links_total = 5'000;
    announcement.notices.push_back({NoticeReason::opened, fault});
  }
  for (const FaultLink& link : announcement.notices[0].fault.links) {
    LinkTrace trace{link.link, long_name, long_name, {}};
    for (std::size_t k = 0; k < kTracePointsMax; ++k) {
      trace.points.push_back({kAt + std::chrono::seconds(k), static_cast<float>(k * 7919 % 613),
                              static_cast<float>(k * 104729 % 101) / 100.0F});
    }
    background.links.push_back(trace);
  }
  for (const MailLanguage language : {MailLanguage::english, MailLanguage::chinese}) {
    MailSettings settings = sample_settings();
    settings.language = language;
    EXPECT_LE(write_announcement(announcement, background, settings, kAt).octets.size(),
              kMailOctetsMax);
  }
}

// Whatever names and texts hold, headers stay the ones that were meant, in lines that are allowed.
RC_GTEST_PROP(FaultMailProperty, NothingBreaksOutOfItsPlace,
              (const std::string& name, const std::string& detail, const std::string& seen)) {
  Fault fault = sample_fault();
  fault.members = {name + "\r\nBcc: evil@example.net\r\n\r\nbody", "x\n.\r\nQUIT"};
  fault.detail = detail + "\r\n.\r\nMAIL FROM:<x@y.z>";
  fault.links.front().seen = seen + "\r\n--=_forms--\r\n";
  fault.links.front().text = name;
  fault.routes = {detail, seen, name};
  MailSettings settings = sample_settings();
  settings.from.name = name;
  const std::string octets =
      write_announcement(announcement_of(NoticeReason::opened, fault), {}, settings, kAt).octets;
  const std::string header = header_of(octets);
  RC_ASSERT(header.find("\r\nBcc:") == std::string::npos);
  std::size_t begin = 0;
  std::size_t ends = 0;
  std::set<std::string> fields;
  while (begin < octets.size()) {
    const std::size_t end = octets.find("\r\n", begin);
    RC_ASSERT(end != std::string::npos);
    const std::string line = octets.substr(begin, end - begin);
    RC_ASSERT(line.size() <= 998u);
    RC_ASSERT(line.find('\r') == std::string::npos && line.find('\n') == std::string::npos);
    for (const char c : line) RC_ASSERT(static_cast<unsigned char>(c) < 0x80);
    if (begin < header.size() && !line.starts_with(' ')) {
      RC_ASSERT(fields.insert(line.substr(0, line.find(':'))).second);
    }
    ends += line == "--=_forms--" ? 1 : 0;
    begin = end + 2;
  }
  RC_ASSERT(ends == 1u);
  RC_ASSERT(fields ==
            (std::set<std::string>{"From", "To", "Date", "Message-ID", "Subject", "List-Id",
                                   "Auto-Submitted", "Precedence", "X-LinkPilot-Fault",
                                   "X-LinkPilot-Severity", "MIME-Version", "Content-Type"}));
}

TEST(Page, MarkupInNamesStaysText) {
  Fault fault = sample_fault();
  fault.detail = "<script>alert(1)</script> & \"x\"";
  const std::string html = page_html(fault_page({NoticeReason::opened, fault}, {}, {}, {}), "");
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot;"),
                          Not(HasSubstr("<script"))));
}

TEST(FaultCodec, AFaultReadsBackAsItWas) {
  Fault fault = sample_fault();
  fault.outcome = "over";
  fault.region = "ap";
  fault.resolved = kAt;
  const Result<Fault> back = decode_fault(encode_fault(fault));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, fault);
}

TEST(FaultCodec, RefusesWhatIsNone) {
  for (const char* bad : {"", "[]", "{}", "{\"id\":\"x\"}", "{\"id\":\"x\",\"key\":\"y\"}",
                          R"({"id":"x","key":"y","scope":"link","nodes":[1]})"}) {
    EXPECT_FALSE(decode_fault(bad)) << bad;
  }
  EXPECT_TRUE(decode_fault(R"({"id":"x","key":"y","scope":"node","nodes":[1],"events":-5})"));
}

TEST(SmtpTranscript, GivesEachRecipientItsAnswer) {
  SmtpTranscript transcript(3);
  transcript.received("220-mail.example.net\r\n");
  transcript.received("220 ready\r\n");
  transcript.sent("EHLO x\r\n");
  transcript.received("250-mail.example.net\r\n");
  transcript.received("250 SIZE 1000\r\n");
  transcript.sent("MAIL FROM:<a@b.c>\r\n");
  transcript.received("250 fine\r\n");
  transcript.sent("RCPT TO:<x@b.c>\r\n");
  transcript.received("250 fine\r\n");
  transcript.sent("RCPT TO:<y@b.c>\r\n");
  transcript.received("550-no\r\n");
  transcript.received("550 such user \x01\r\n");
  transcript.sent("RCPT TO:<z@b.c>\r\n");
  transcript.received("451 later\r\n");
  transcript.sent("DATA\r\n");
  transcript.received("354 go on\r\n");
  transcript.received("250 queued\r\n");
  transcript.sent("QUIT\r\n");
  transcript.received("221 bye\r\n");
  const SmtpReport& report = transcript.report();
  EXPECT_EQ(report.sender.code, 250);
  ASSERT_THAT(report.recipients, SizeIs(3));
  EXPECT_EQ(report.recipients[1].code, 550);
  EXPECT_EQ(report.recipients[1].text, "no such user ?");
  EXPECT_EQ(report.recipients[2].code, 451);
  EXPECT_EQ(report.message.code, 250);
}

TEST(SmtpTranscript, SurvivesAServerThatTalksNonsenseForEver) {
  SmtpTranscript transcript(1);
  for (int i = 0; i < 100'000; ++i) transcript.received("220-" + std::string(100, 'x') + "\r\n");
  transcript.sent("RCPT TO:<x@y.z>\r\n");
  for (int i = 0; i < 1'000; ++i) transcript.received("250 yes\r\n");
  EXPECT_THAT(transcript.report().recipients, SizeIs(1));
  EXPECT_LE(transcript.last().text.size(), SmtpTranscript::kTextMax);
}

class MailQueueTest : public testing::Test {
 protected:
  MailQueueTest() : queue(settings()) {}
  static MailSettings settings() {
    MailSettings out = sample_settings();
    out.spool_max = 4;
    return out;
  }
  void add(std::uint64_t id, const std::string& thread) {
    OutgoingMail mail;
    mail.id = id;
    mail.thread = thread;
    mail.created = now.wall;
    mail.recipients = {"a@x.y", "b@x.y"};
    for (const OutgoingMail& each : queue.add(std::move(mail), now)) dropped.push_back(each.id);
  }
  [[nodiscard]] std::uint64_t due() {
    const OutgoingMail* mail = queue.due(now);
    return mail == nullptr ? 0 : mail->id;
  }
  void pass(Duration time) {
    now.mono += time;
    now.wall += time;
  }
  static SmtpReport said(int a, int b, int message) {
    SmtpReport report;
    report.recipients = {{a, "x"}, {b, "x"}};
    report.message = {message, "x"};
    return report;
  }
  static SmtpReport down() {
    SmtpReport report;
    report.error = "connection refused";
    return report;
  }
  MailQueue queue;
  Now now{MonoTime{1'000'000'000'000}, kAt};
  std::vector<std::uint64_t> dropped;
};

TEST_F(MailQueueTest, ARefusedRecipientDoesNotLoseTheOthers) {
  add(1, "t");
  const MailSettled settled = queue.settle(due(), said(550, 250, 250), now);
  EXPECT_TRUE(settled.done);
  EXPECT_THAT(settled.handed, ElementsAre("b@x.y"));
  EXPECT_THAT(settled.refused, ElementsAre("a@x.y: 550 x"));
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(MailQueueTest, WhoIsPutOffIsTriedAgainAlone) {
  add(1, "t");
  const MailSettled settled = queue.settle(due(), said(451, 250, 250), now);
  EXPECT_FALSE(settled.done);
  EXPECT_THAT(settled.handed, ElementsAre("b@x.y"));
  EXPECT_THAT(settled.mail.recipients, ElementsAre("a@x.y"));
  EXPECT_EQ(due(), 0u);
  pass(std::chrono::seconds(6));
  EXPECT_EQ(due(), 1u);
}

TEST_F(MailQueueTest, LaterMailsOfAThreadWaitForTheEarlierOnesOthersDoNot) {
  add(1, "t");
  add(2, "t");
  add(3, "u");
  queue.settle(due(), said(451, 451, 0), now);
  EXPECT_EQ(due(), 3u);
  queue.settle(3, said(250, 250, 250), now);
  EXPECT_EQ(due(), 0u);
  pass(std::chrono::seconds(6));
  EXPECT_EQ(due(), 1u);
  queue.settle(1, said(250, 250, 250), now);
  EXPECT_EQ(due(), 2u);
}

TEST_F(MailQueueTest, AServerThatIsDownIsLeftAloneForLongerAndLonger) {
  add(1, "t");
  add(2, "u");
  Duration waited{};
  int tries = 0;
  while (waited < std::chrono::hours(1)) {
    if (due() != 0) {
      ++tries;
      EXPECT_FALSE(queue.settle(due(), down(), now).done);
      EXPECT_EQ(due(), 0u);
    }
    pass(std::chrono::seconds(1));
    waited += std::chrono::seconds(1);
  }
  // 5, 10, 20, ... 300 s: 7 in the first five minutes, then 12 an hour.
  EXPECT_GT(tries, 12);
  EXPECT_LT(tries, 20);
  pass(std::chrono::hours(48));
  EXPECT_TRUE(queue.settle(due(), down(), now).done);
  EXPECT_EQ(queue.counters().dropped_old, 1u);
}

TEST_F(MailQueueTest, TheOldestGoesWhenTheSpoolIsFull) {
  for (std::uint64_t id = 1; id <= 6; ++id) add(id, std::to_string(id));
  EXPECT_THAT(dropped, ElementsAre(1, 2));
  EXPECT_EQ(queue.counters().dropped_full, 2u);
  EXPECT_EQ(due(), 3u);
  EXPECT_TRUE(queue.settle(1, said(250, 250, 250), now).done);  // was under way when it went
}

}  // namespace
}  // namespace linkpilot::collector

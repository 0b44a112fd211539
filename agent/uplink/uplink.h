// Uplink: the agent's side of the conversation with the collector, as a state machine. Hello on
// every connection, Welcome back; a ping each second; nothing heard for 5 s means the next address.
// Attempts that fail are spaced by a growing, random delay, so that a fleet which lost its
// collector does not come back as one. A refusal (another agent holds our key, say) is a long
// pause, not a storm.
//
// Alarms go ahead of reports and are repeated until they are superseded or stale. Reports go at a
// bounded pace within a window that starts with one and doubles with each acknowledgement; without
// one for `ack_timeout` they are sent again. So after an outage no alarm waits behind more than a
// window, and a collector that has no room is asked less, not more.
//
// An agent that is to end takes its leave: Bye goes out at once, so that its peers know before they
// miss it, and the process goes on, probing and reflecting, until Bye and its last reports are
// acknowledged, for half a second at most. The node's media process is another process: it goes on
// forwarding and looking up routes, by the same table file; marks of an agent that is gone are
// ignored after 5 s.
//
// A core: no socket, no clock. The shell (collector_link.h) feeds it what the transport says and
// takes what is to be sent. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/spool/report_spool.h"
#include "base/message.h"
#include "base/rng.h"
#include "base/time.h"

namespace linkpilot::agent {

enum class UplinkState : std::uint8_t { connecting, greeting, online, refused };
[[nodiscard]] std::string_view to_string(UplinkState state);

struct UplinkOptions {
  Duration ping_interval = std::chrono::seconds(1);
  Duration silence_max = std::chrono::seconds(5);
  Duration refused_pause = std::chrono::seconds(30);
  Duration alarm_repeat = std::chrono::milliseconds(200);
  std::uint32_t alarm_repeats = 5;
  std::size_t alarms_max = 2 * kPlanLinksMax;
  // Reports, after an outage: octets per second, and how many of them at once.
  double report_octets_per_second = 2e6;
  double report_octets_burst = 64 * 1024;
  std::size_t window_reports_max = 16;
  Duration ack_timeout = std::chrono::seconds(5);
  Duration ack_timeout_max = std::chrono::seconds(40);
  // Delays before another attempt to connect: at random up to `spread` after a connection that
  // stood, half to all of `retry`, doubled each round, after one that did not.
  Duration spread = std::chrono::milliseconds(500);
  Duration retry = std::chrono::milliseconds(500);
  Duration retry_max = std::chrono::seconds(4);
  Duration leave_max = std::chrono::milliseconds(500);
};

// What the collector is told in a Hello, as it is at that moment.
struct Greeting {
  Node self;
  std::uint64_t run_id = 0;
  std::string software;
  TableVersion loaded;
  std::uint64_t plan_version = 0;
};

// Sends, or says that it cannot now.
using SendMessage = std::function<bool(const AgentMessage&)>;
using SendBytes = std::function<bool(std::span<const std::uint8_t>)>;

class Uplink {
 public:
  // The seed makes the delays of two agents differ.
  Uplink(const UplinkOptions& options, std::uint64_t seed) : options_(options), rng_(seed) {}

  // A new transport was made, for this or the next of `choices` addresses and keys.
  void on_new_transport(std::size_t choices, Now now);
  void on_connected(Now now);
  // The connection ended, or the attempt failed.
  void on_disconnected(Now now);
  // Deals with Welcome, ReportAck, ResendFrom, Pong and Refused; the caller deals with the others
  // too.
  void on_message(const CollectorMessage& message, ReportSpool& spool, Now now);

  // The newest word on a link replaces the one before.
  void raise(const Alarm& alarm, Now now);
  // Alarms whose turn it is; call as often as there are ticks.
  void send_alarms(Now now, const SendMessage& send);
  // A connection waits for its Hello.
  [[nodiscard]] bool hello_due() const { return hello_due_; }
  void send_hello(const Greeting& greeting, std::uint64_t epoch, const SendMessage& send);
  void send_ping(Now now, const SendMessage& send);
  void send_reports(ReportSpool& spool, Now now, const SendMessage& send,
                    const SendBytes& send_bytes);

  // The first call counts.
  void take_leave(ByeReason reason, Now now);
  void send_bye(const SendMessage& send);
  // The process may end: nothing more is to be acknowledged, nobody is there who would, or it took
  // too long.
  [[nodiscard]] bool has_left(const ReportSpool& spool, Now now) const;

  // The transport should be thrown away and made anew, with the next address of the list; after a
  // connection that stood, with the first.
  [[nodiscard]] bool wants_new_transport(Now now) const;

  // Nothing was heard for so long that the transport is taken for dead.
  [[nodiscard]] bool silent(Now now) const {
    return state_ != UplinkState::refused && !retry_at_ &&
           now.mono - last_heard_ > options_.silence_max;
  }
  [[nodiscard]] UplinkState state() const { return state_; }
  [[nodiscard]] bool online() const { return state_ == UplinkState::online; }
  [[nodiscard]] const std::string& refusal() const { return refusal_; }
  [[nodiscard]] MonoTime last_heard() const { return last_heard_; }
  // Times that reports were sent again because nobody acknowledged them.
  [[nodiscard]] std::uint64_t ack_timeouts() const { return ack_timeouts_; }

 private:
  void on_welcome(const Welcome& welcome, ReportSpool& spool, Now now);
  [[nodiscard]] Duration retry_delay(bool stood);
  [[nodiscard]] bool announce_gap(ReportId id, const SendMessage& send);
  void pace(ReportSpool& spool, Now now);
  struct PendingAlarm {
    Alarm alarm;
    std::uint32_t repeats_left = 0;
    MonoTime next;
  };

  UplinkOptions options_;
  UplinkState state_ = UplinkState::connecting;
  bool hello_due_ = false;
  MonoTime last_heard_;
  MonoTime refused_until_;
  MonoTime next_ping_;
  Rng rng_;
  std::size_t choices_ = 1;
  std::uint32_t failures_ = 0;  // attempts in a row
  std::optional<MonoTime> retry_at_;
  std::uint64_t hello_epoch_ = 0;
  std::map<std::uint64_t, std::uint64_t> told_;  // epoch -> last sequence sent, known or given up
  double credit_ = 0;                            // octets
  MonoTime credit_at_;
  std::size_t window_ = 1;
  std::uint64_t acknowledgements_ = 0;
  MonoTime progress_at_;
  Duration ack_wait_{};
  std::uint64_t ack_timeouts_ = 0;
  std::uint64_t pings_ = 0;
  std::string refusal_;
  struct Leave {
    Bye bye;
    MonoTime until;
    bool sent = false;
    bool acknowledged = false;
  };
  std::optional<Leave> leave_;
  std::map<LinkId, PendingAlarm>
      alarms_;  // the newest of each link; alive ones leave when repeated
};

}  // namespace linkpilot::agent

// Uplink: the agent's side of the conversation with the collector, as a state machine. Hello on
// every connection, Welcome back; a ping each second; nothing heard for 5 s means the next address.
// Alarms go ahead of reports and are repeated until they are superseded or stale; reports follow
// the window of the spool. A refusal (another agent holds our key, say) is a long pause, not a
// storm.
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
  // Reports sent in one turn; a drain after an outage must not delay an alarm behind a megabyte.
  std::uint32_t reports_per_turn = 4;
  std::size_t alarms_max = 2 * kPlanLinksMax;
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
  explicit Uplink(const UplinkOptions& options) : options_(options) {}

  // A new transport was made, for this or the next address.
  void on_new_transport(Now now);
  void on_connected(Now now);
  void on_disconnected(Now now);
  // Deals with Welcome, ReportAck, Pong and Refused; the caller deals with the others too.
  void on_message(const CollectorMessage& message, ReportSpool& spool, Now now);

  // The newest word on a link replaces the one before.
  void raise(const Alarm& alarm, Now now);
  // Alarms whose turn it is; call as often as there are ticks.
  void send_alarms(Now now, const SendMessage& send);
  // A connection waits for its Hello.
  [[nodiscard]] bool hello_due() const { return hello_due_; }
  void send_hello(const Greeting& greeting, std::uint64_t epoch, const SendMessage& send);
  void send_ping(Now now, const SendMessage& send);
  void send_reports(ReportSpool& spool, const SendBytes& send);

  // The transport should be thrown away and made anew, with the next address of the list.
  [[nodiscard]] bool wants_new_transport(Now now) const;

  [[nodiscard]] UplinkState state() const { return state_; }
  [[nodiscard]] bool online() const { return state_ == UplinkState::online; }
  [[nodiscard]] const std::string& refusal() const { return refusal_; }
  [[nodiscard]] MonoTime last_heard() const { return last_heard_; }

 private:
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
  std::uint64_t pings_ = 0;
  std::string refusal_;
  std::map<LinkId, PendingAlarm>
      alarms_;  // the newest of each link; alive ones leave when repeated
};

}  // namespace linkpilot::agent

// A route reader's side of the conversation with the collector, as a state machine: Hello on every
// connection, a Ping each second, a TableAck for each table; nothing heard for five seconds means
// that the connection should be made anew. No socket and no clock in it; the table store writes the
// file. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/route_client/table_store.h"
#include "base/message.h"
#include "base/time.h"

namespace linkpilot::route_client {

inline constexpr Duration kPingInterval = std::chrono::seconds(1);
inline constexpr Duration kSilenceMax = std::chrono::seconds(5);

enum class SyncEvent : std::uint8_t {
  table_accepted,
  table_refused,
  connected,
  disconnected,
  refused,
};
struct SyncNotice {
  SyncEvent event = SyncEvent::disconnected;
  std::string detail;
};

class SyncSession {
 public:
  // What the session wants after each call: messages to send, notices to pass on. Taken by take().
  struct Output {
    std::vector<AgentMessage> messages;
    std::vector<SyncNotice> notices;
  };

  SyncSession(TableStore& store, std::string name, std::uint64_t run_id);  // `store` outlives it

  void on_connected(Now now);
  void on_disconnected(std::string why);
  void on_message(const CollectorMessage& message, Now now);
  void on_tick(Now now);  // a few times a second
  [[nodiscard]] bool wants_new_connection(Now now) const;
  // A new connection is being made: the silence is counted from here.
  void on_new_connection(Now now);
  [[nodiscard]] Output take();

 private:
  void note(SyncEvent event, std::string detail = {});

  TableStore& store_;
  std::string name_;
  std::uint64_t run_id_;
  Output output_;
  bool is_connected_ = false;  // the transport
  bool is_welcome_ = false;    // and the collector
  MonoTime last_heard_;
  MonoTime next_ping_;
  std::uint64_t pings_ = 0;
};

}  // namespace linkpilot::route_client

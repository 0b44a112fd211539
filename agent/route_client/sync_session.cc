#include "agent/route_client/sync_session.h"

#include <utility>

namespace linkpilot::route_client {

SyncSession::SyncSession(TableStore& store, std::string name, std::uint64_t run_id)
    : store_(store), name_(std::move(name)), run_id_(run_id) {}

void SyncSession::note(SyncEvent event, std::string detail) {
  output_.notices.push_back({event, std::move(detail)});
}

void SyncSession::on_new_connection(Now now) {
  on_disconnected("a new connection is made");
  last_heard_ = now.mono;
}

void SyncSession::on_connected(Now now) {
  is_connected_ = true;
  last_heard_ = now.mono;
  next_ping_ = now.mono + kPingInterval;
  Hello hello;
  hello.kind = ClientKind::route_reader;
  hello.self.name = name_;
  hello.run_id = run_id_;
  hello.software = "linkpilot-routes-sync";
  hello.loaded = store_.version();
  output_.messages.emplace_back(std::move(hello));
}

void SyncSession::on_disconnected(std::string why) {
  if (is_welcome_) note(SyncEvent::disconnected, std::move(why));
  is_connected_ = false;
  is_welcome_ = false;
}

void SyncSession::on_message(const CollectorMessage& message, Now now) {
  last_heard_ = now.mono;
  if (const auto* welcome = std::get_if<Welcome>(&message)) {
    store_.set_self(welcome->id);
    is_welcome_ = true;
    note(SyncEvent::connected, welcome->collector);
  } else if (const auto* table = std::get_if<SignedTable>(&message)) {
    // Whose table it should be is known from the Welcome only.
    if (!is_welcome_) return;
    TableAck ack = store_.accept(*table, now.wall);
    note(ack.accepted ? SyncEvent::table_accepted : SyncEvent::table_refused, ack.reason);
    output_.messages.emplace_back(std::move(ack));
  } else if (const auto* refused = std::get_if<Refused>(&message)) {
    is_welcome_ = false;
    note(SyncEvent::refused, refused->reason);
  }
  // Plans and probe requests are for agents; a pong has done its work by arriving.
}

void SyncSession::on_tick(Now now) {
  if (!is_connected_ || now.mono < next_ping_) return;
  next_ping_ = now.mono + kPingInterval;
  output_.messages.emplace_back(Ping{++pings_, now.wall});
}

bool SyncSession::wants_new_connection(Now now) const {
  return now.mono - last_heard_ > kSilenceMax;
}

SyncSession::Output SyncSession::take() { return std::exchange(output_, {}); }

}  // namespace linkpilot::route_client

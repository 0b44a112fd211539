#include "tools/fleet/storm_agent.h"

#include <algorithm>
#include <type_traits>

#include "schemas/codec.h"

namespace linkpilot::fleet {

namespace {

constexpr std::size_t kReadOctets = std::size_t{256} << 10;  // of the spool at once, as the agent

}  // namespace

StormAgent::StormAgent(asio::io_context& loop, AgentIdentity identity, std::string server,
                       std::string server_key, std::uint64_t epoch)
    : loop_(loop),
      identity_(std::move(identity)),
      server_(std::move(server)),
      server_key_(std::move(server_key)),
      epoch_(epoch),
      uplink_({}, epoch ^ identity_.index),
      spool_({}) {}

void StormAgent::connect(Now now) {
  MessageClient::Options options;
  options.connect = server_;
  options.server_public_key = server_key_;
  options.keys = identity_.keys;
  client_.reset();
  Result<std::unique_ptr<MessageClient>> client = MessageClient::create(
      loop_, options, [this](std::span<const std::uint8_t> bytes) { on_bytes(bytes); },
      [this](MessageClient::State state) { on_state(state); });
  if (client) client_ = *std::move(client);
  uplink_.on_new_transport(1, now);
}

void StormAgent::on_state(MessageClient::State state) {
  const Now now = SystemClock().now();
  if (state == MessageClient::State::connected) {
    uplink_.on_connected(now);
  } else if (state != MessageClient::State::connecting) {
    uplink_.on_disconnected(now);
  }
}

void StormAgent::tick(Now now) {
  if (client_ == nullptr || uplink_.wants_new_transport(now)) connect(now);
  if (client_ == nullptr) return;
  const agent::SendMessage send = [this](const AgentMessage& message) {
    return client_->send(schemas::encode(message));
  };
  uplink_.send_alarms(now, send);
  if (uplink_.hello_due()) {
    uplink_.send_hello({profile_of(identity_), epoch_ ^ identity_.index, "linkpilot-fleet", {}, 0},
                       epoch_, send);
  }
  uplink_.send_ping(now, send);
  read_spool();
  (void)spool_.take_acknowledgement();
  uplink_.send_reports(spool_, now, send, [this](std::span<const std::uint8_t> bytes) {
    return client_->send(bytes);
  });
}

void StormAgent::spool(std::uint64_t reports) {
  spooled_ += reports;
  spool_.on_recovered(spooled_);
}

void StormAgent::read_spool() {
  const std::optional<std::uint64_t> after = spool_.next_read();
  if (!after || mill_ == nullptr) return;
  spool_.read_started();
  const UnixNanos created = SystemClock().now().wall;
  agent::SpoolLog::Batch batch;
  batch.through = std::max(*after, acked_);
  for (std::size_t octets = 0; batch.through < spooled_ && octets < kReadOctets;) {
    const std::uint64_t sequence = ++batch.through;
    const std::span<const std::uint8_t> report = mill_->make(sequence, created);
    octets += report.size();
    batch.reports.push_back(
        {{epoch_, sequence},
         std::make_shared<const std::vector<std::uint8_t>>(report.begin(), report.end())});
  }
  spool_.on_read(std::move(batch));
}

void StormAgent::note_acked(std::uint64_t sequence, Now now) {
  if (sequence <= acked_) return;
  acked_ = sequence;
  if (!first_ack_) first_ack_ = now.wall;
}

void StormAgent::on_bytes(std::span<const std::uint8_t> bytes) {
  const Now now = SystemClock().now();
  const Result<CollectorMessage> message = schemas::decode_collector_message(bytes);
  if (!message) return;
  uplink_.on_message(*message, spool_, now);
  if (const Welcome* welcome = std::get_if<Welcome>(&*message)) {
    id_ = welcome->id;
    online_since_ = now.wall;
    first_ack_.reset();
    note_acked(welcome->acked_sequence, now);
    first_ack_.reset();
  } else if (const ReportAck* ack = std::get_if<ReportAck>(&*message)) {
    if (ack->up_to.epoch == epoch_) note_acked(ack->up_to.sequence, now);
  }
}

}  // namespace linkpilot::fleet

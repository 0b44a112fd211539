#include "tools/fleet/played_agent.h"

#include <algorithm>
#include <type_traits>

#include "schemas/codec.h"

namespace linkpilot::fleet {

PlayedAgent::PlayedAgent(asio::io_context& loop, AgentIdentity identity, std::string server,
                         std::string server_key, std::uint64_t epoch, Hooks hooks)
    : loop_(loop),
      identity_(std::move(identity)),
      server_(std::move(server)),
      server_key_(std::move(server_key)),
      epoch_(epoch),
      run_id_(epoch ^ (identity_.index + 1)),
      hooks_(std::move(hooks)) {}

Status PlayedAgent::connect() {
  MessageClient::Options options;
  options.connect = server_;
  options.server_public_key = server_key_;
  options.keys = identity_.keys;
  Result<std::unique_ptr<MessageClient>> client = MessageClient::create(
      loop_, options, [this](std::span<const std::uint8_t> bytes) { on_message(bytes); },
      [this](MessageClient::State state) { on_state(state); });
  if (!client) return fail(client.error());
  client_ = *std::move(client);
  return {};
}

void PlayedAgent::on_state(MessageClient::State state) {
  switch (state) {
    case MessageClient::State::connected:
      say_hello();
      break;
    case MessageClient::State::connecting:
    case MessageClient::State::disconnected:
    case MessageClient::State::handshake_refused:
      welcome_ = false;
      in_flight_ = 0;
      break;
  }
}

Node profile_of(const AgentIdentity& identity) {
  Node self;
  self.name = identity.name;
  self.region = "fleet";
  Port port;
  // 198.18.0.0/15 is for benches (RFC 2544); nobody probes it, these agents probe nothing.
  port.advertised = IpAddress::v4(198, 18, static_cast<std::uint8_t>(identity.index >> 8),
                                  static_cast<std::uint8_t>(identity.index));
  port.stamp_port = 862;
  port.isp = "fleet";
  self.ports = {port};
  return self;
}

void PlayedAgent::say_hello() {
  Hello hello;
  hello.kind = ClientKind::agent;
  hello.self = profile_of(identity_);
  hello.report_epoch = epoch_;
  hello.run_id = run_id_;
  hello.software = "linkpilot-fleet";
  send(hello);
}

void PlayedAgent::send(const AgentMessage& message) { client_->send(schemas::encode(message)); }

void PlayedAgent::ping() {
  if (welcome_) send(Ping{1, SystemClock().now().wall});
}

void PlayedAgent::add_report(MonoTime due, UnixNanos created) {
  waiting_.push_back({due, created});
}

void PlayedAgent::send_due(std::size_t window, std::size_t reports_max) {
  if (!welcome_ || mill_ == nullptr) return;
  const std::size_t may = std::min(window, waiting_.size());
  for (std::size_t i = 0; in_flight_ < may && i < reports_max; ++i) {
    const std::uint64_t sequence = acked_ + in_flight_ + 1;
    if (!client_->send(mill_->make(sequence, waiting_[in_flight_].created))) return;
    ++in_flight_;
    ++totals_.sent;
  }
}

void PlayedAgent::acknowledge(std::uint64_t sequence) {
  if (sequence <= acked_) return;
  const std::size_t count = std::min<std::size_t>(sequence - acked_, waiting_.size());
  const MonoTime now = SystemClock().now().mono;
  for (std::size_t i = 0; i < count; ++i) hooks_.on_ack(now - waiting_[i].due);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  in_flight_ -= std::min(in_flight_, count);
  acked_ += count;
}

void PlayedAgent::on_message(std::span<const std::uint8_t> bytes) {
  const Result<CollectorMessage> message = schemas::decode_collector_message(bytes);
  if (!message) return;
  std::visit(
      [this](const auto& body) {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, Welcome>) {
          id_ = body.id;
          welcome_ = true;
          in_flight_ = 0;
          ++totals_.welcomes;
          acknowledge(body.acked_sequence);
          hooks_.on_welcome();
        } else if constexpr (std::is_same_v<Body, ReportAck>) {
          if (body.up_to.epoch == epoch_) acknowledge(body.up_to.sequence);
        } else if constexpr (std::is_same_v<Body, Refused>) {
          ++totals_.refusals;
        } else if constexpr (std::is_same_v<Body, Plan>) {
          ++totals_.plans;
        } else if constexpr (std::is_same_v<Body, SignedTable>) {
          ++totals_.tables;
        }
      },
      *message);
}

}  // namespace linkpilot::fleet

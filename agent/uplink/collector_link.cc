#include "agent/uplink/collector_link.h"

#include <utility>

#include "schemas/codec.h"

namespace linkpilot::agent {

CollectorLink::CollectorLink(asio::io_context& loop, Options options,
                             MessageClient::OnMessage on_message, MessageClient::OnState on_state)
    : loop_(loop),
      options_(std::move(options)),
      on_message_(std::move(on_message)),
      on_state_(std::move(on_state)) {}

Status CollectorLink::connect_next() {
  client_.reset();
  address_ = options_.addresses[next_ % options_.addresses.size()];
  next_ = (next_ + 1) % options_.addresses.size();
  MessageClient::Options options;
  options.connect = address_;
  options.server_public_key = options_.collector_key;
  options.keys = options_.keys;
  options.bind_address = options_.bind_address;
  options.queue_messages_max = 128;
  auto client = MessageClient::create(loop_, options, on_message_, on_state_);
  if (!client) return fail(client.error().in("connect to " + address_));
  client_ = std::move(*client);
  return {};
}

void CollectorLink::set_addresses(std::vector<std::string> addresses) {
  options_.addresses = std::move(addresses);
  next_ = 0;
}

bool CollectorLink::send(const AgentMessage& message) {
  return client_ != nullptr && client_->send(schemas::encode(message));
}

bool CollectorLink::send(std::span<const std::uint8_t> bytes) {
  return client_ != nullptr && client_->send(bytes);
}

}  // namespace linkpilot::agent

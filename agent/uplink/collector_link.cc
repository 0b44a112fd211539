#include "agent/uplink/collector_link.h"

#include <algorithm>
#include <utility>

#include "schemas/codec.h"

namespace linkpilot::agent {

namespace {
constexpr int kQueueMessagesMax = 128;
constexpr int kNeverReconnectMs = 24 * 3600 * 1000;
constexpr std::size_t kOwnKeysMax = 2;  // the newest, and the one before
}  // namespace

CollectorLink::CollectorLink(asio::io_context& loop, Options options,
                             MessageClient::OnMessage on_message, MessageClient::OnState on_state)
    : loop_(loop),
      options_(std::move(options)),
      on_message_(std::move(on_message)),
      on_state_(std::move(on_state)) {}

std::size_t CollectorLink::choices() const {
  return options_.addresses.size() * options_.collector_keys.size() * options_.keys.size();
}

Status CollectorLink::connect_next() {
  client_.reset();
  const std::size_t choice = next_ % choices();
  next_ = choice + 1;
  collector_key_ = choice % options_.collector_keys.size();
  const std::size_t rest = choice / options_.collector_keys.size();
  address_ = options_.addresses[rest % options_.addresses.size()];
  own_key_ = rest / options_.addresses.size();
  MessageClient::Options options;
  options.connect = address_;
  options.server_public_key = options_.collector_keys[collector_key_];
  options.keys = options_.keys[own_key_];
  options.bind_address = options_.bind_address;
  options.queue_messages_max = kQueueMessagesMax;
  // When to try again is the Uplink's decision.
  options.reconnect_min_ms = options.reconnect_max_ms = kNeverReconnectMs;
  auto client = MessageClient::create(loop_, options, on_message_, on_state_);
  if (!client) return fail(client.error().in("connect to " + address_));
  client_ = std::move(*client);
  return {};
}

void CollectorLink::settle() {
  auto& theirs = options_.collector_keys;
  std::rotate(theirs.begin(), theirs.begin() + static_cast<std::ptrdiff_t>(collector_key_),
              theirs.begin() + static_cast<std::ptrdiff_t>(collector_key_) + 1);
  if (own_key_ == 0) options_.keys.resize(1);
  collector_key_ = next_ = 0;
}

void CollectorLink::configure(std::vector<std::string> addresses,
                              std::vector<std::string> collector_keys) {
  options_.addresses = std::move(addresses);
  options_.collector_keys = std::move(collector_keys);
  next_ = 0;
}

void CollectorLink::add_keys(CurveKeyPair keys) {
  options_.keys.insert(options_.keys.begin(), std::move(keys));
  if (options_.keys.size() > kOwnKeysMax) options_.keys.resize(kOwnKeysMax);
  next_ = 0;
}

bool CollectorLink::send(const AgentMessage& message) {
  return client_ != nullptr && client_->send(schemas::encode(message));
}

bool CollectorLink::send(std::span<const std::uint8_t> bytes) {
  return client_ != nullptr && client_->send(bytes);
}

}  // namespace linkpilot::agent

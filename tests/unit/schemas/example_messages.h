// One fixed message of each kind with every field set, and messages drawn at random within their
// limits.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/message.h"
#include "base/rng.h"

namespace linkpilot {

// The names are file names in tests/golden/v1. Never change a value: the bytes there are for ever.
std::vector<std::pair<std::string, AgentMessage>> example_agent_messages();
std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages();
// What came with version 2.
std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v2();
std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v2();

// With version 3.
std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v3();
std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v3();
// With version 4.
std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v4();
std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v4();

AgentMessage random_agent_message(Rng& rng);
CollectorMessage random_collector_message(Rng& rng);

// Octets on an 8-byte boundary, as message sockets deliver them.
class AlignedOctets {
 public:
  explicit AlignedOctets(std::span<const std::uint8_t> bytes)
      : words_(bytes.size() / 8 + 2), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), data());
  }
  std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(words_.data()); }
  std::span<const std::uint8_t> span() { return {data(), size_}; }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_;
};

}  // namespace linkpilot

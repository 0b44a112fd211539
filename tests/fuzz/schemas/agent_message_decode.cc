// Any octets as a message of an agent: an error or a value, and a value survives its own bytes.
#include <cstdlib>
#include <cstring>

#include "schemas/codec.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(agent_message_decode, data, size) {
  std::vector<std::uint64_t> words(size / 8 + 1);
  if (size > 0) std::memcpy(words.data(), data, size);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(words.data());
  const auto message = linkpilot::schemas::decode_agent_message({bytes, size});
  if (!message) return 0;
  std::vector<std::uint8_t> again = linkpilot::schemas::encode(*message);
  if (linkpilot::schemas::decode_agent_message(again) != message) std::abort();
  return 0;
}

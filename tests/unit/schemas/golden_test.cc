// The bytes of version 1, kept for ever: whatever the schemas become, these must decode to the
// values they were written from. write_golden writes a folder of them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "schemas/codec.h"
#include "tests/unit/schemas/example_messages.h"

namespace linkpilot::schemas {
namespace {

Octets kept(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path("tests/golden/v1") / (name + ".bin");
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return {text.begin(), text.end()};
}

TEST(GoldenBytes, AgentMessagesOfVersionOneDecode) {
  for (const auto& [name, message] : example_agent_messages()) {
    SCOPED_TRACE(name);
    AlignedOctets bytes(kept("agent_" + name));
    const Result<AgentMessage> decoded = decode_agent_message(bytes.span());
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, message);
  }
}

TEST(GoldenBytes, CollectorMessagesOfVersionOneDecode) {
  for (const auto& [name, message] : example_collector_messages()) {
    SCOPED_TRACE(name);
    AlignedOctets bytes(kept("collector_" + name));
    const Result<CollectorMessage> decoded = decode_collector_message(bytes.span());
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, message);
  }
}

TEST(GoldenBytes, NoKeptFileIsForgotten) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/golden/v1")) {
    files += entry.path().extension() == ".bin" ? 1 : 0;
  }
  EXPECT_EQ(files, example_agent_messages().size() + example_collector_messages().size());
}

}  // namespace
}  // namespace linkpilot::schemas

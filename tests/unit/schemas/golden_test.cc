// The bytes of every version, kept for ever: whatever the schemas become, these must decode to the
// values they were written from. A folder holds what was new in its version; write_golden writes
// the newest.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "schemas/codec.h"
#include "tests/unit/schemas/example_messages.h"

namespace linkpilot::schemas {
namespace {

using AgentMessages = std::vector<std::pair<std::string, AgentMessage>>;
using CollectorMessages = std::vector<std::pair<std::string, CollectorMessage>>;

// The messages whose bytes a version's folder keeps.
struct Version {
  std::string folder;
  AgentMessages agent;
  CollectorMessages collector;
};

std::vector<Version> versions() {
  return {{"tests/golden/v1", example_agent_messages(), example_collector_messages()},
          {"tests/golden/v2", example_agent_messages_v2(), example_collector_messages_v2()},
          {"tests/golden/v3", example_agent_messages_v3(), example_collector_messages_v3()},
          {"tests/golden/v4", example_agent_messages_v4(), example_collector_messages_v4()}};
}

Octets kept(const std::string& folder, const std::string& name) {
  const std::filesystem::path path = std::filesystem::path(folder) / (name + ".bin");
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return {text.begin(), text.end()};
}

TEST(GoldenBytes, AgentMessagesOfEveryVersionDecode) {
  for (const Version& version : versions()) {
    for (const auto& [name, message] : version.agent) {
      SCOPED_TRACE(version.folder + " " + name);
      AlignedOctets bytes(kept(version.folder, "agent_" + name));
      const Result<AgentMessage> decoded = decode_agent_message(bytes.span());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(*decoded, message);
    }
  }
}

TEST(GoldenBytes, CollectorMessagesOfEveryVersionDecode) {
  for (const Version& version : versions()) {
    for (const auto& [name, message] : version.collector) {
      SCOPED_TRACE(version.folder + " " + name);
      AlignedOctets bytes(kept(version.folder, "collector_" + name));
      const Result<CollectorMessage> decoded = decode_collector_message(bytes.span());
      ASSERT_TRUE(decoded) << decoded.error().message;
      EXPECT_EQ(*decoded, message);
    }
  }
}

TEST(GoldenBytes, NoKeptFileIsForgotten) {
  for (const Version& version : versions()) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(version.folder)) {
      files += entry.path().extension() == ".bin" ? 1 : 0;
    }
    EXPECT_EQ(files, version.agent.size() + version.collector.size()) << version.folder;
  }
}

}  // namespace
}  // namespace linkpilot::schemas

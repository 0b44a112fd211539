// Old and new schemas understand each other: every change since version 1 is one that Cap'n Proto
// calls compatible, and bytes of a later version read as far as they are known.
#include <capnp/message.h>
#include <capnp/schema-loader.h>
#include <capnp/schema.capnp.h>
#include <capnp/serialize.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/runtime/files.h"
#include "future.capnp.h"
#include "schemas/codec.h"
#include "tests/unit/schemas/example_messages.h"

namespace linkpilot::schemas {
namespace {

// Loads every node of a compiled set of schemas; the loader throws where two nodes of one id are
// not versions of each other.
std::size_t load_all(capnp::SchemaLoader& loader, const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(fd) << path;
  capnp::StreamFdMessageReader reader(fd.get());
  std::size_t nodes = 0;
  for (auto node : reader.getRoot<capnp::schema::CodeGeneratorRequest>().getNodes()) {
    loader.load(node);
    ++nodes;
  }
  return nodes;
}

TEST(SchemaEvolution, TheSchemasAreACompatibleUpgradeOfVersionOne) {
  capnp::SchemaLoader loader;
  std::size_t old_nodes = 0;
  std::size_t nodes = 0;
  ASSERT_NO_THROW(old_nodes = load_all(loader, SCHEMAS_V1_COMPILED));
  ASSERT_NO_THROW(nodes = load_all(loader, SCHEMAS_COMPILED));
  EXPECT_GE(nodes, old_nodes);
  EXPECT_GT(old_nodes, 30u);
}

TEST(SchemaEvolution, AChangedFieldWouldBeNoticed) {
  capnp::SchemaLoader loader;
  load_all(loader, SCHEMAS_V1_COMPILED);
  EXPECT_ANY_THROW(load_all(loader, SCHEMAS_BROKEN_COMPILED));
}

Octets octets_of(capnp::MallocMessageBuilder& builder) {
  const kj::Array<capnp::word> words = capnp::messageToFlatArray(builder);
  const kj::ArrayPtr<const kj::byte> bytes = words.asBytes();
  return {bytes.begin(), bytes.end()};
}

Result<AgentMessage> read_now(capnp::MallocMessageBuilder& builder) {
  AlignedOctets bytes(octets_of(builder));
  return decode_agent_message(bytes.span());
}

TEST(SchemaEvolution, NewFieldsOfALaterVersionAreSkipped) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<future::AgentMessage>();
  root.setSchemaVersion(9);
  root.setTraceId(123);
  auto sample = root.initProbeResult().initSample();
  sample.setFromNode(7);
  sample.setToNode(8);
  sample.setSent(20);
  sample.setAnswered(19);
  sample.setTimestamps(future::TimestampMethod::PULSAR);
  sample.setHopCount(12);
  sample.setPathName("through the woods");
  sample.setQueueDelaySumNs(5);
  const Result<AgentMessage> decoded = read_now(builder);
  ASSERT_TRUE(decoded) << decoded.error().message;
  LinkSample expected;
  expected.link = {{NodeId(7), {}}, {NodeId(8), {}}};
  expected.sent = 20;
  expected.answered = 19;
  EXPECT_EQ(std::get<ProbeResult>(*decoded).sample, expected);
}

TEST(SchemaEvolution, ANewKindOfMessageIsNamedAndSkipped) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<future::AgentMessage>();
  root.setSchemaVersion(2);
  root.initWeather().setTemperatureMilliKelvin(293'000);
  const Result<AgentMessage> decoded = read_now(builder);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(decoded.error().message, "unknown message kind 11");
}

TEST(SchemaEvolution, ANewEnumerantReadsAsUnspecified) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<future::AgentMessage>();
  root.setSchemaVersion(2);
  auto alarm = root.initAlarm();
  alarm.setState(future::LinkState::HAUNTED);
  alarm.setEpisode(4);
  alarm.initWitnesses(3);
  const Result<AgentMessage> decoded = read_now(builder);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(std::get<Alarm>(*decoded).state, LinkState::unspecified);
  EXPECT_EQ(std::get<Alarm>(*decoded).episode, 4u);
}

TEST(SchemaEvolution, ALaterReaderReadsTheBytesOfVersionOne) {
  for (const auto& [name, message] : example_agent_messages()) {
    if (name != "probe_result") continue;
    AlignedOctets bytes(encode(message));
    capnp::FlatArrayMessageReader reader(
        {reinterpret_cast<const capnp::word*>(bytes.data()), bytes.span().size() / 8});
    const auto root = reader.getRoot<future::AgentMessage>();
    EXPECT_EQ(root.getSchemaVersion(), 1);
    EXPECT_EQ(root.getTraceId(), 0u);
    ASSERT_TRUE(root.isProbeResult());
    const auto sample = root.getProbeResult().getSample();
    const LinkSample& written = std::get<ProbeResult>(message).sample;
    EXPECT_EQ(sample.getSent(), written.sent);
    EXPECT_EQ(sample.getRttMaxNs(), written.rtt_max.count());
    EXPECT_EQ(sample.getIpdvCount(), written.ipdv_count);
    EXPECT_EQ(sample.getTimestamps(), future::TimestampMethod::KERNEL);
    EXPECT_EQ(sample.getHopCount(), 0);
    EXPECT_FALSE(sample.hasPathName());
  }
}

}  // namespace
}  // namespace linkpilot::schemas

// What the doctor concludes of given facts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/linkpilot/doctor/doctor.h"

namespace linkpilot::cli {
namespace {

using testing::HasSubstr;

HostConfigs agent_host() {
  HostConfigs configs;
  agent::AgentConfig agent;
  agent.state_directory = "/var/lib/linkpilot";
  agent.collectors = {"tcp://192.0.2.1:7100"};
  Port port;
  port.listen = IpAddress::v4(192, 0, 2, 10);
  agent.self.ports = {port};
  configs.agent = std::move(agent);
  return configs;
}

HostFacts sound() {
  HostFacts facts;
  facts.clock = ClockFacts{true, std::chrono::milliseconds(3), std::chrono::microseconds(50)};
  facts.rmem_max = std::uint64_t{8} << 20;
  facts.udp_received = 1'000'000;
  facts.udp_buffer_errors = 0;
  PortFacts port;
  port.address = "192.0.2.10";
  port.port = 862;
  port.use = PortUse::in_use;
  port.interface_name = "eth0";
  port.receive_stamped = port.transmit_stamped = port.driver_stamps = true;
  port.rx_packets = 1'000'000;
  facts.stamp_ports = {port};
  facts.files = {{"/etc/linkpilot/agent.key", "the agent's secret key", true, true, 0600, ""}};
  DiskFacts disk;
  disk.path = "/var/lib/linkpilot";
  disk.what = "the agent's state directory";
  disk.wanted = std::uint64_t{64} << 20;
  disk.free_octets = std::uint64_t{10} << 30;
  disk.free_inodes = 100'000;
  disk.counts_inodes = true;
  facts.disks = {disk};
  facts.agent_metrics =
      MetricValues{{"linkpilot_agent_online", 1}, {"linkpilot_agent_spool_disk_ok", 1}};
  facts.agent_metrics_age = std::chrono::seconds(4);
  return facts;
}

// The finding of this check that is not ok; an empty one if there is none.
Finding trouble(const Examination& examination, const std::string& check) {
  for (const Finding& finding : examination.findings) {
    if (finding.check == check && finding.health != Health::ok) return finding;
  }
  return {};
}

TEST(Doctor, FindsNothingWrongWithASoundHost) {
  const Examination found = examine_host(agent_host(), sound());
  EXPECT_EQ(found.worst(), Health::ok) << doctor_text(found);
  EXPECT_GE(found.findings.size(), 8U);
}

TEST(Doctor, SaysOfEachTroubleWhatItMeansAndHowItIsMended) {
  struct Case {
    const char* check;
    Health health;
    std::function<void(HostFacts&)> spoil;
  };
  const Case cases[] = {
      {"clock.sync", Health::bad, [](HostFacts& f) { f.clock->synchronised = false; }},
      {"clock.sync", Health::warn,
       [](HostFacts& f) { f.clock->error_max = std::chrono::seconds(2); }},
      {"kernel.rmem_max", Health::warn, [](HostFacts& f) { f.rmem_max = 212'992; }},
      {"kernel.udp_drops", Health::warn, [](HostFacts& f) { f.udp_buffer_errors = 900; }},
      {"port.open", Health::warn, [](HostFacts& f) { f.stamp_ports[0].use = PortUse::free; }},
      {"port.open", Health::bad, [](HostFacts& f) { f.stamp_ports[0].use = PortUse::not_ours; }},
      {"port.timestamps", Health::warn,
       [](HostFacts& f) { f.stamp_ports[0].transmit_stamped = false; }},
      {"port.timestamps", Health::warn,
       [](HostFacts& f) { f.stamp_ports[0].driver_stamps = false; }},
      {"nic.drops", Health::warn, [](HostFacts& f) { f.stamp_ports[0].rx_dropped = 5'000; }},
      {"file.mode", Health::bad, [](HostFacts& f) { f.files[0].mode = 0644; }},
      {"file.present", Health::bad, [](HostFacts& f) { f.files[0].exists = false; }},
      {"disk.room", Health::bad, [](HostFacts& f) { f.disks[0].free_octets = 1'000; }},
      {"disk.room", Health::warn,
       [](HostFacts& f) { f.disks[0].free_octets = std::uint64_t{32} << 20; }},
      {"disk.inodes", Health::bad, [](HostFacts& f) { f.disks[0].free_inodes = 3; }},
      {"agent.figures", Health::warn, [](HostFacts& f) { f.agent_metrics.reset(); }},
      {"agent.running", Health::bad,
       [](HostFacts& f) { f.agent_metrics_age = std::chrono::minutes(10); }},
      {"agent.online", Health::bad,
       [](HostFacts& f) { (*f.agent_metrics)["linkpilot_agent_online"] = 0; }},
      {"agent.spool_disk", Health::bad,
       [](HostFacts& f) { (*f.agent_metrics)["linkpilot_agent_spool_disk_ok"] = 0; }},
      {"agent.table", Health::bad,
       [](HostFacts& f) {
         (*f.agent_metrics)["linkpilot_agent_table_state{state=\"expired\"}"] = 1;
       }},
      {"agent.receive_queue", Health::warn,
       [](HostFacts& f) { (*f.agent_metrics)["linkpilot_agent_receive_queue_drops_total"] = 7; }}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.check);
    HostFacts facts = sound();
    each.spoil(facts);
    const Finding finding = trouble(examine_host(agent_host(), facts), each.check);
    EXPECT_EQ(finding.health, each.health);
    EXPECT_NE(finding.meaning, "");
    EXPECT_NE(finding.fix, "");
  }
}

TEST(Doctor, ListsWhatAFirewallMustLetThrough) {
  HostConfigs configs = agent_host();
  configs.collector.emplace();
  configs.collector->mail.server = "mail.example.net:587";
  const std::vector<OpenPort> ports = open_ports(configs);
  const auto has = [&](const char* direction, const char* protocol, std::uint16_t port) {
    return std::ranges::any_of(ports, [&](const OpenPort& one) {
      return one.direction == direction && one.protocol == protocol && one.port == port;
    });
  };
  EXPECT_TRUE(has("in", "udp", 862));
  EXPECT_TRUE(has("out", "udp", 862));
  EXPECT_TRUE(has("out", "tcp", 7100));
  EXPECT_TRUE(has("in", "tcp", 7100));
  EXPECT_TRUE(has("in", "tcp", 7180));
  EXPECT_TRUE(has("out", "tcp", 587));
}

Json agent_json(const char* name) {
  return {{"node", name},
          {"state", "connected"},
          {"software", "linkpilot-agent 1.2.0"},
          {"clock_ahead_ms", 0.2},
          {"table", {{"refused_reason", ""}}},
          {"freshness", {{"table", "fresh"}}},
          {"spool", {{"reports", 1}, {"dropped", 0}, {"error", ""}}},
          {"plan", {{"capped", 0}}},
          {"probing", {{"refused_authentication", nullptr}}}};
}

FleetFacts sound_fleet() {
  FleetFacts facts;
  facts.status = {{"software", "linkpilot-collector 1.2.0"},
                  {"agents", {{"enrolled", 2}, {"connected", 2}}},
                  {"store", {{"ok", true}, {"reason", ""}}}};
  facts.agents = {{"agents", {agent_json("tokyo"), agent_json("paris")}},
                  {"refused_keys", Json::array()}};
  facts.metrics = {{"linkpilot_collector_store_disk_free_bytes", 1e10},
                   {"linkpilot_collector_store_size_max_bytes", 4e9},
                   {"linkpilot_collector_store_size_bytes", 1e9}};
  return facts;
}

TEST(Doctor, FindsNothingWrongWithASoundFleet) {
  const Examination found = examine_fleet(sound_fleet(), "1.2.0");
  EXPECT_EQ(found.worst(), Health::ok) << doctor_text(found);
}

TEST(Doctor, NamesTheAgentsThatAreInTrouble) {
  struct Case {
    const char* check;
    Health health;
    std::function<void(Json& agent)> spoil;
  };
  const Case cases[] = {
      {"fleet.silent", Health::bad, [](Json& a) { a["state"] = "silent"; }},
      {"fleet.never_seen", Health::warn, [](Json& a) { a["state"] = "never_seen"; }},
      {"fleet.table_refused", Health::bad,
       [](Json& a) { a["table"]["refused_reason"] = "unknown signer"; }},
      {"fleet.clock", Health::bad, [](Json& a) { a["clock_ahead_ms"] = -40'000.0; }},
      {"fleet.clock_skew", Health::warn, [](Json& a) { a["clock_ahead_ms"] = 5'000.0; }},
      {"fleet.spool_disk", Health::bad, [](Json& a) { a["spool"]["error"] = "No space left"; }},
      {"fleet.spool_backlog", Health::warn, [](Json& a) { a["spool"]["reports"] = 5'000; }},
      {"fleet.spool_dropped", Health::warn, [](Json& a) { a["spool"]["dropped"] = 3; }},
      {"fleet.capped", Health::warn, [](Json& a) { a["plan"]["capped"] = 3; }},
      {"fleet.unauthenticated", Health::warn,
       [](Json& a) { a["probing"]["refused_authentication"] = 9; }},
      {"version.agents", Health::warn, [](Json& a) { a["software"] = "linkpilot-agent 1.1.0"; }}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.check);
    FleetFacts facts = sound_fleet();
    each.spoil(facts.agents["agents"][1]);
    const Finding finding = trouble(examine_fleet(facts, "1.2.0"), each.check);
    EXPECT_EQ(finding.health, each.health);
    EXPECT_THAT(finding.found + finding.fix, HasSubstr(each.health == Health::ok ? "" : "p"));
    EXPECT_NE(finding.fix, "");
  }
}

TEST(Doctor, TellsThatTheCollectorsDiskWillNotDo) {
  FleetFacts facts = sound_fleet();
  facts.metrics["linkpilot_collector_store_disk_free_bytes"] = 1e8;
  EXPECT_EQ(trouble(examine_fleet(facts, "1.2.0"), "collector.disk").health, Health::bad);
  facts.status["store"] = {{"ok", false}, {"reason", "database or disk is full"}};
  EXPECT_THAT(trouble(examine_fleet(facts, "1.2.0"), "collector.store").found,
              HasSubstr("disk is full"));
}

TEST(Doctor, SurvivesAnswersOfAnotherShape) {
  FleetFacts facts;
  facts.status = Json::array();
  facts.agents = {{"agents", {1, "x", nullptr, {{"table", 3}}}}};
  EXPECT_FALSE(examine_fleet(facts, "1.2.0").findings.empty());
}

TEST(KernelText, ReadsCountersAndPages) {
  EXPECT_EQ(snmp_counter("Ip: A\nIp: 1\nUdp: InDatagrams NoPorts RcvbufErrors\nUdp: 7 8 9\n", "Udp",
                         "RcvbufErrors"),
            9U);
  EXPECT_EQ(snmp_counter("Udp: A\nUdp: 1\n", "Udp", "B"), std::nullopt);
  const MetricValues values = parse_metrics("# HELP a b\na{x=\"y z\"} 1.5\nb 2\nc nonsense\n");
  EXPECT_EQ(values, (MetricValues{{"a{x=\"y z\"}", 1.5}, {"b", 2}}));
}

}  // namespace
}  // namespace linkpilot::cli

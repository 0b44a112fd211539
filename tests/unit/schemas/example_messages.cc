#include "tests/unit/schemas/example_messages.h"

#include <limits>

namespace linkpilot {
namespace {

constexpr std::int64_t kTime = 1'795'253'400'000'000'000;  // 2026-11-21T09:30:00Z

LinkId example_link() { return {{NodeId(7), PortIndex(1)}, {NodeId(40'000), PortIndex(3)}}; }

StageTimes example_stages() {
  return {{kTime + 1}, {kTime + 2}, {kTime + 3}, {kTime + 4}, {kTime + 5}, {kTime + 6}};
}

LinkSample example_sample() {
  LinkSample s;
  s.link = example_link();
  s.start = {kTime};
  s.length = std::chrono::seconds(1);
  s.probe_interval = std::chrono::milliseconds(50);
  s.flows = 2;
  s.sent = 20;
  s.answered = 14;
  s.late = 1;
  s.lost_forward = 2;
  s.lost_backward = 2;
  s.lost_unplaced = 1;
  s.duplicate_forward = 3;
  s.duplicate_backward = 4;
  s.reordered_forward = 5;
  s.reordered_backward = 6;
  s.missed_by_us = 7;
  s.local_send_error = 8;
  s.rtt_min = Duration(20'000'123);
  s.rtt_max = Duration(31'000'456);
  s.rtt_sum = Duration(300'000'789);
  for (const std::int64_t ns : {20'000'123, 21'000'000, 21'000'000, 31'000'456}) {
    s.rtt.add(Duration(ns));
  }
  s.rtt.add_bucket(kSketchBuckets - 1, std::numeric_limits<std::uint32_t>::max());
  s.forward_delay = {14, Duration(-1'000'001), Duration(-9'000'009), Duration(2'000'002)};
  s.backward_delay = {13, Duration(11'000'011), Duration(150'000'015), Duration(3'000'003)};
  s.ipdv_count = 12;
  s.ipdv_sum = Duration(4'000'004);
  s.timestamps = TimestampMethod::kernel;
  s.nonconformant_peer = true;
  return s;
}

Port example_port() {
  return {PortIndex(1),
          "isp-a",
          *IpAddress::parse("10.0.0.1"),
          *IpAddress::parse("2001:db8::1"),
          8620,
          {1'000'000'000},
          "bill-a"};
}

Node example_node() {
  return {
      NodeId(7), "edge-7", NodeRole::edge, "west", {example_port(), {}}, "rtmp://192.0.2.1/live"};
}

std::vector<std::uint8_t> octets(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return bytes;
}

Report example_report() {
  Report r;
  r.id = {0x1122334455667788, 42};
  r.created = {kTime + 9};
  r.links = {example_sample(), {}};
  r.load = {125, {8'000'000}, {9'000'000}, 321, 7'654'321, 19};
  r.streams = {{"live/one", StreamState::running, true, 17, {2'500'000}}, {}};
  r.events = {{{kTime + 8}, "link_suspected", "peer=edge-9 silence_ms=190"}};
  r.spool_dropped = 5;
  return r;
}

}  // namespace

std::vector<std::pair<std::string, AgentMessage>> example_agent_messages() {
  return {
      {"hello",
       Hello{ClientKind::agent, example_node(), 11, 12, "linkpilot-agent 0.1.0", {3, 4}, 13}},
      {"report", example_report()},
      {"alarm", Alarm{example_link(), LinkState::suspect, true, {kTime + 7}, 77, example_stages()}},
      {"table_ack", TableAck{{5, 6}, true, "why", {7, 8}, {kTime + 10}}},
      {"plan_ack", PlanAck{14, 15, 16, "over the ceiling"}},
      {"ping", Ping{0xdeadbeefcafef00d, {kTime + 11}}},
      {"probe_result", ProbeResult{18, "timeout", example_sample()}},
  };
}

std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages() {
  const PlannedLink link{example_link(),
                         {*IpAddress::parse("192.0.2.2"), 862},
                         std::chrono::milliseconds(50),
                         2,
                         ProbeMode::stamp_authenticated,
                         octets(32),
                         19};
  const Plan plan{20,        {kTime + 12},         std::chrono::minutes(5),
                  NodeId(7), {example_node(), {}}, {link, {}}};
  return {
      {"welcome", Welcome{NodeId(7), "edge-7", "linkpilot-collector 0.1.0", {kTime + 13}, 21}},
      {"report_ack", ReportAck{{22, 23}}},
      {"plan", plan},
      {"signed_table",
       SignedTable{NodeId(7), {24, 25}, octets(32), octets(64), octets(1000), example_stages()}},
      {"pong", Pong{26, {kTime + 14}}},
      {"probe_request", ProbeRequest{27, example_link(), 28, std::chrono::milliseconds(20)}},
      {"refused", Refused{"another agent holds this key"}},
  };
}

std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v2() {
  AgentStatus status;
  status.plan = Freshness::stale;
  status.plan_age = std::chrono::seconds(31);
  status.table = Freshness::expired;
  status.table_age = std::chrono::seconds(32);
  status.spool_reports = 33;
  status.spool_octets = 34'000;
  status.spool_disk_octets = 35'000;
  status.spool_dropped = 36;
  status.spool_failures = 37;
  status.spool_error = "No space left on device";
  status.file_jobs_refused = 38;
  return {{"reports_gone", ReportsGone{{39, 40}}}, {"status", status}};
}

std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v2() {
  Plan plan;
  plan.version = 41;
  plan.self = NodeId(7);
  plan.links.resize(2);
  plan.links[1].in_use = true;
  return {{"plan_in_use", plan}, {"resend_from", ResendFrom{{42, 43}}}};
}

std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v3() {
  AgentStatus status;
  status.probes_refused_authentication = 51;
  return {{"status_refused_probes", status}, {"report_packed", example_report()}};
}

std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v3() {
  Plan plan;
  plan.version = 52;
  plan.self = NodeId(7);
  plan.links.resize(2);
  plan.links[1].mode = ProbeMode::stamp_authenticated;
  plan.links[1].secret = octets(32);
  plan.links[1].secret_epoch = 53;
  plan.links[1].also_mode = ProbeMode::stamp_authenticated;
  plan.links[1].also_secret = octets(31);
  plan.links[1].also_secret_epoch = 54;
  return {{"plan_changing_secret", plan}};
}

std::vector<std::pair<std::string, AgentMessage>> example_agent_messages_v4() {
  return {{"bye", Bye{ByeReason::restart}}};
}

std::vector<std::pair<std::string, CollectorMessage>> example_collector_messages_v4() {
  return {{"bye_ack", ByeAck{std::chrono::seconds(61)}},
          {"peer_away", PeerAway{NodeId(62), std::chrono::seconds(63)}}};
}

// --- at random ---

namespace {

template <typename T>
T any(Rng& rng) {
  // Extremes and small values are likelier than a uniform draw makes them.
  switch (rng.below(4)) {
    case 0:
      return 0;
    case 1:
      return std::numeric_limits<T>::max();
    case 2:
      return static_cast<T>(rng.below(100));
    default:
      return static_cast<T>(rng.next());
  }
}

bool any_flag(Rng& rng) { return rng.below(2) == 1; }
UnixNanos any_time(Rng& rng) { return {any<std::int64_t>(rng)}; }
Duration any_span(Rng& rng) { return Duration(any<std::int64_t>(rng) & INT64_MAX); }
Duration any_delay(Rng& rng) { return Duration(any<std::int64_t>(rng)); }

template <typename Enum>
Enum any_enum(Rng& rng, Enum last) {
  return static_cast<Enum>(rng.below(static_cast<std::uint64_t>(last) + 1));
}

std::vector<std::uint8_t> any_octets(Rng& rng, std::size_t count_max) {
  std::vector<std::uint8_t> bytes(rng.below(count_max + 1));
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng.next());
  return bytes;
}

std::string any_text(Rng& rng) {
  const std::vector<std::uint8_t> bytes = any_octets(rng, rng.below(8) == 0 ? 1024 : 20);
  return {bytes.begin(), bytes.end()};
}

template <typename Make>
auto any_list(Rng& rng, std::size_t count_max, Make make) {
  std::vector<decltype(make(rng))> values(rng.below(count_max + 1));
  for (auto& value : values) value = make(rng);
  return values;
}

PortIndex any_port_index(Rng& rng) {
  return PortIndex(static_cast<std::uint8_t>(rng.below(kPortsPerNodeMax)));
}
PortId any_port_id(Rng& rng) { return {NodeId(any<std::uint16_t>(rng)), any_port_index(rng)}; }
LinkId any_link(Rng& rng) { return {any_port_id(rng), any_port_id(rng)}; }
TableVersion any_version(Rng& rng) { return {any<std::uint64_t>(rng), any<std::uint64_t>(rng)}; }

IpAddress any_address(Rng& rng) {
  IpAddress address;
  for (std::uint8_t& octet : address.octets) octet = static_cast<std::uint8_t>(rng.next());
  return address;
}

StageTimes any_stages(Rng& rng) {
  return {any_time(rng), any_time(rng), any_time(rng), any_time(rng), any_time(rng), any_time(rng)};
}

OneWayDelay any_one_way(Rng& rng) {
  return {any<std::uint32_t>(rng), any_delay(rng), any_delay(rng), any_span(rng)};
}

LinkSample any_sample(Rng& rng) {
  LinkSample s;
  s.link = any_link(rng);
  s.start = any_time(rng);
  s.length = any_span(rng);
  s.probe_interval = any_span(rng);
  s.flows = any<std::uint8_t>(rng);
  for (std::uint32_t* count :
       {&s.sent, &s.answered, &s.late, &s.lost_forward, &s.lost_backward, &s.lost_unplaced,
        &s.duplicate_forward, &s.duplicate_backward, &s.reordered_forward, &s.reordered_backward,
        &s.missed_by_us, &s.local_send_error, &s.ipdv_count}) {
    *count = any<std::uint32_t>(rng);
  }
  s.rtt_min = any_span(rng);
  s.rtt_max = any_span(rng);
  s.rtt_sum = any_span(rng);
  for (std::uint64_t cells = rng.below(40); cells > 0; --cells) {
    s.rtt.add_bucket(static_cast<std::uint16_t>(rng.below(kSketchBuckets)),
                     any<std::uint32_t>(rng));
  }
  s.forward_delay = any_one_way(rng);
  s.backward_delay = any_one_way(rng);
  s.ipdv_sum = any_span(rng);
  s.timestamps = any_enum(rng, TimestampMethod::user);
  s.nonconformant_peer = any_flag(rng);
  return s;
}

Port any_port(Rng& rng) {
  return {any_port_index(rng), any_text(rng),           any_address(rng),
          any_address(rng),    any<std::uint16_t>(rng), {any<std::uint64_t>(rng)},
          any_text(rng)};
}

Node any_node(Rng& rng) {
  return {NodeId(any<std::uint16_t>(rng)),           any_text(rng),
          any_enum(rng, NodeRole::test_host),        any_text(rng),
          any_list(rng, kPortsPerNodeMax, any_port), any_text(rng)};
}

StreamReport any_stream(Rng& rng) {
  return {any_text(rng),
          any_enum(rng, StreamState::ended),
          any_flag(rng),
          any<std::uint32_t>(rng),
          {any<std::uint64_t>(rng)}};
}

Report any_report(Rng& rng) {
  Report r;
  r.id = {any<std::uint64_t>(rng), any<std::uint64_t>(rng)};
  r.created = any_time(rng);
  r.links = any_list(rng, 8, any_sample);
  r.load = {any<std::uint32_t>(rng), {any<std::uint64_t>(rng)}, {any<std::uint64_t>(rng)},
            any<std::uint32_t>(rng), any<std::uint64_t>(rng),   any<std::uint32_t>(rng)};
  r.streams = any_list(rng, 8, any_stream);
  r.events =
      any_list(rng, 8, [](Rng& g) { return AgentEvent{any_time(g), any_text(g), any_text(g)}; });
  r.spool_dropped = any<std::uint64_t>(rng);
  return r;
}

PlannedLink any_planned_link(Rng& rng) {
  return {any_link(rng),
          {any_address(rng), any<std::uint16_t>(rng)},
          any_span(rng),
          any<std::uint8_t>(rng),
          any_enum(rng, ProbeMode::twamp_light),
          any_octets(rng, 64),
          any<std::uint32_t>(rng),
          any_flag(rng),
          any_enum(rng, ProbeMode::twamp_light),
          any_octets(rng, 64),
          any<std::uint32_t>(rng)};
}

}  // namespace

AgentMessage random_agent_message(Rng& rng) {
  switch (rng.below(10)) {
    case 0:
      return Hello{any_enum(rng, ClientKind::route_reader),
                   any_node(rng),
                   any<std::uint64_t>(rng),
                   any<std::uint64_t>(rng),
                   any_text(rng),
                   any_version(rng),
                   any<std::uint64_t>(rng)};
    case 1:
      return any_report(rng);
    case 2:
      return Alarm{any_link(rng), any_enum(rng, LinkState::dead), any_flag(rng),
                   any_time(rng), any<std::uint64_t>(rng),        any_stages(rng)};
    case 3:
      return TableAck{any_version(rng), any_flag(rng), any_text(rng), any_version(rng),
                      any_time(rng)};
    case 4:
      return PlanAck{any<std::uint64_t>(rng), any<std::uint32_t>(rng), any<std::uint32_t>(rng),
                     any_text(rng)};
    case 5:
      return Ping{any<std::uint64_t>(rng), any_time(rng)};
    case 6:
      return ReportsGone{{any<std::uint64_t>(rng), any<std::uint64_t>(rng)}};
    case 7:
      return AgentStatus{any_enum(rng, Freshness::expired), any_span(rng),
                         any_enum(rng, Freshness::expired), any_span(rng),
                         any<std::uint64_t>(rng),           any<std::uint64_t>(rng),
                         any<std::uint64_t>(rng),           any<std::uint64_t>(rng),
                         any<std::uint64_t>(rng),           any_text(rng),
                         any<std::uint64_t>(rng),           any<std::uint64_t>(rng)};
    case 8:
      return Bye{any_enum(rng, ByeReason::restart)};
    default:
      return ProbeResult{any<std::uint64_t>(rng), any_text(rng), any_sample(rng)};
  }
}

CollectorMessage random_collector_message(Rng& rng) {
  switch (rng.below(10)) {
    case 0:
      return Welcome{NodeId(any<std::uint16_t>(rng)), any_text(rng), any_text(rng), any_time(rng),
                     any<std::uint64_t>(rng)};
    case 1:
      return ReportAck{{any<std::uint64_t>(rng), any<std::uint64_t>(rng)}};
    case 2:
      return Plan{any<std::uint64_t>(rng),
                  any_time(rng),
                  any_span(rng),
                  NodeId(any<std::uint16_t>(rng)),
                  any_list(rng, 4, any_node),
                  any_list(rng, 8, any_planned_link)};
    case 3:
      return SignedTable{NodeId(any<std::uint16_t>(rng)),
                         any_version(rng),
                         any_octets(rng, 32),
                         any_octets(rng, 64),
                         any_octets(rng, 4096),
                         any_stages(rng)};
    case 4:
      return Pong{any<std::uint64_t>(rng), any_time(rng)};
    case 5:
      return ProbeRequest{any<std::uint64_t>(rng), any_link(rng), any<std::uint32_t>(rng),
                          any_span(rng)};
    case 6:
      return ResendFrom{{any<std::uint64_t>(rng), any<std::uint64_t>(rng)}};
    case 7:
      return ByeAck{any_span(rng)};
    case 8:
      return PeerAway{NodeId(any<std::uint16_t>(rng)), any_span(rng)};
    default:
      return Refused{any_text(rng)};
  }
}

}  // namespace linkpilot

#include "schemas/message_codec.h"
#include "schemas/wire_values.h"

namespace linkpilot::schemas {
namespace {

static_assert(static_cast<int>(NodeRole::test_host) == static_cast<int>(wire::NodeRole::TEST_HOST));
static_assert(static_cast<int>(ClientKind::route_reader) ==
              static_cast<int>(wire::ClientKind::ROUTE_READER));
static_assert(static_cast<int>(Freshness::expired) == static_cast<int>(wire::Freshness::EXPIRED));
static_assert(static_cast<int>(ByeReason::restart) == static_cast<int>(wire::ByeReason::RESTART));
static_assert(static_cast<int>(ProbeMode::twamp_light) ==
              static_cast<int>(wire::ProbeMode::TWAMP_LIGHT));

constexpr std::size_t kSignerBytes = 32;
constexpr std::size_t kSignatureBytes = 64;

}  // namespace

void write(const Port& port, wire::Port::Builder out) {
  out.setIndex(port.index.value);
  write_text(port.isp, [&](auto text) { out.setIsp(text); });
  out.setListen(octets_of(port.listen.octets));
  out.setAdvertised(octets_of(port.advertised.octets));
  out.setStampPort(port.stamp_port);
  out.setCapacityBitsPerSecond(port.capacity.value);
  write_text(port.bill, [&](auto text) { out.setBill(text); });
}

Port read(wire::Port::Reader in) {
  Port port;
  port.index = read_port_index(in.getIndex());
  port.isp = read_text(in.getIsp(), "a port's isp");
  port.listen = read_address(in.getListen());
  port.advertised = read_address(in.getAdvertised());
  port.stamp_port = in.getStampPort();
  port.capacity = {in.getCapacityBitsPerSecond()};
  port.bill = read_text(in.getBill(), "a port's bill");
  return port;
}

void write(const PlannedLink& link, wire::PlannedLink::Builder out) {
  LP_ASSERT(link.secret.size() <= kSecretBytesMax);
  LP_ASSERT(link.also_secret.size() <= kSecretBytesMax);
  write(link.link, out.initLink());
  out.setPeerAddress(octets_of(link.peer.address.octets));
  out.setPeerPort(link.peer.port);
  out.setIntervalNs(span_ns(link.interval));
  out.setFlows(link.flows);
  out.setMode(write_enum<wire::ProbeMode>(link.mode));
  if (!link.secret.empty()) out.setSecret(octets_of(link.secret));
  out.setSecretEpoch(link.secret_epoch);
  out.setInUse(link.in_use);
  out.setAlsoMode(write_enum<wire::ProbeMode>(link.also_mode));
  if (!link.also_secret.empty()) out.setAlsoSecret(octets_of(link.also_secret));
  out.setAlsoSecretEpoch(link.also_secret_epoch);
}

PlannedLink read(wire::PlannedLink::Reader in) {
  PlannedLink link;
  link.link = read(in.getLink());
  link.peer = {read_address(in.getPeerAddress()), in.getPeerPort()};
  link.interval = read_span_ns(in.getIntervalNs(), "a probe interval");
  link.flows = in.getFlows();
  link.mode = read_enum(in.getMode(), ProbeMode::twamp_light);
  link.secret = read_octets(in.getSecret(), kSecretBytesMax, "a probe secret");
  link.secret_epoch = in.getSecretEpoch();
  link.in_use = in.getInUse();
  link.also_mode = read_enum(in.getAlsoMode(), ProbeMode::twamp_light);
  link.also_secret = read_octets(in.getAlsoSecret(), kSecretBytesMax, "a probe secret");
  link.also_secret_epoch = in.getAlsoSecretEpoch();
  return link;
}

void write(TableVersion version, wire::TableVersion::Builder out) {
  out.setEpoch(version.epoch);
  out.setVersion(version.version);
}

TableVersion read(wire::TableVersion::Reader in) { return {in.getEpoch(), in.getVersion()}; }

void write(const SignedTable& table, wire::SignedTable::Builder out) {
  LP_ASSERT(table.body.size() <= kTableBytesMax);
  out.setNode(table.node.value);
  write(table.version, out.initVersion());
  out.setSigner(octets_of(table.signer));
  out.setSignature(octets_of(table.signature));
  out.setBody(octets_of(table.body));
  write(table.stages, out.initStages());
}

SignedTable read(wire::SignedTable::Reader in) {
  SignedTable table;
  table.node = NodeId(in.getNode());
  table.version = read(in.getVersion());
  table.signer = read_octets(in.getSigner(), kSignerBytes, "a table's signer");
  table.signature = read_octets(in.getSignature(), kSignatureBytes, "a table's signature");
  table.body = read_octets(in.getBody(), kTableBytesMax, "a table's body");
  table.stages = read(in.getStages());
  return table;
}

void write(const TableAck& ack, wire::TableAck::Builder out) {
  write(ack.version, out.initVersion());
  out.setAccepted(ack.accepted);
  write_text(ack.reason, [&](auto text) { out.setReason(text); });
  write(ack.in_use, out.initInUse());
  out.setLoadedUnixNs(ack.loaded.ns);
}

TableAck read(wire::TableAck::Reader in) {
  TableAck ack;
  ack.version = read(in.getVersion());
  ack.accepted = in.getAccepted();
  ack.reason = read_text(in.getReason(), "a reason");
  ack.in_use = read(in.getInUse());
  ack.loaded = {in.getLoadedUnixNs()};
  return ack;
}

void write(const Node& node, wire::Node::Builder out) {
  LP_ASSERT(node.ports.size() <= kPortsPerNodeMax);
  out.setId(node.id.value);
  write_text(node.name, [&](auto text) { out.setName(text); });
  out.setRole(write_enum<wire::NodeRole>(node.role));
  write_text(node.region, [&](auto text) { out.setRegion(text); });
  write_list(node.ports, out.initPorts(static_cast<unsigned>(node.ports.size())),
             [](const Port& value, auto element) { write(value, element); });
  write_text(node.media_base, [&](auto text) { out.setMediaBase(text); });
}

Node read(wire::Node::Reader in) {
  Node node;
  node.id = NodeId(in.getId());
  node.name = read_text(in.getName(), "a node's name");
  node.role = read_enum(in.getRole(), NodeRole::test_host);
  node.region = read_text(in.getRegion(), "a node's region");
  node.ports = read_list<Port>(in.getPorts(), kPortsPerNodeMax, "a node's ports",
                               [](auto element) { return read(element); });
  node.media_base = read_text(in.getMediaBase(), "a node's media base");
  return node;
}

void write(const Hello& hello, wire::Hello::Builder out) {
  out.setKind(write_enum<wire::ClientKind>(hello.kind));
  write(hello.self, out.initSelf());
  out.setReportEpoch(hello.report_epoch);
  out.setRunId(hello.run_id);
  write_text(hello.software, [&](auto text) { out.setSoftware(text); });
  write(hello.loaded, out.initLoaded());
  out.setPlanVersion(hello.plan_version);
}

Hello read(wire::Hello::Reader in) {
  Hello hello;
  hello.kind = read_enum(in.getKind(), ClientKind::route_reader);
  hello.self = read(in.getSelf());
  hello.report_epoch = in.getReportEpoch();
  hello.run_id = in.getRunId();
  hello.software = read_text(in.getSoftware(), "a software name");
  hello.loaded = read(in.getLoaded());
  hello.plan_version = in.getPlanVersion();
  return hello;
}

void write(const PlanAck& ack, wire::PlanAck::Builder out) {
  out.setVersion(ack.version);
  out.setSessions(ack.sessions);
  out.setCapped(ack.capped);
  write_text(ack.reason, [&](auto text) { out.setReason(text); });
}

PlanAck read(wire::PlanAck::Reader in) {
  return {in.getVersion(), in.getSessions(), in.getCapped(), read_text(in.getReason(), "a reason")};
}

void write(const Ping& ping, wire::Ping::Builder out) {
  out.setNonce(ping.nonce);
  out.setSentUnixNs(ping.sent.ns);
}

Ping read(wire::Ping::Reader in) { return {in.getNonce(), {in.getSentUnixNs()}}; }

void write(const ProbeResult& result, wire::ProbeResult::Builder out) {
  out.setRequest(result.request);
  write_text(result.error, [&](auto text) { out.setError(text); });
  write(result.sample, out.initSample());
}

ProbeResult read(wire::ProbeResult::Reader in) {
  return {in.getRequest(), read_text(in.getError(), "a probe's error"), read(in.getSample())};
}

void write(const AgentStatus& status, wire::AgentStatus::Builder out) {
  out.setPlan(write_enum<wire::Freshness>(status.plan));
  out.setTable(write_enum<wire::Freshness>(status.table));
  out.setPlanAgeNs(span_ns(status.plan_age));
  out.setTableAgeNs(span_ns(status.table_age));
  out.setSpoolReports(status.spool_reports);
  out.setSpoolOctets(status.spool_octets);
  out.setSpoolDiskOctets(status.spool_disk_octets);
  out.setSpoolDropped(status.spool_dropped);
  out.setSpoolFailures(status.spool_failures);
  write_text(status.spool_error, [&](auto text) { out.setSpoolError(text); });
  out.setFileJobsRefused(status.file_jobs_refused);
  out.setProbesRefusedAuthentication(status.probes_refused_authentication);
}

AgentStatus read(wire::AgentStatus::Reader in) {
  AgentStatus status;
  status.plan = read_enum(in.getPlan(), Freshness::expired);
  status.table = read_enum(in.getTable(), Freshness::expired);
  status.plan_age = read_span_ns(in.getPlanAgeNs(), "a plan's age");
  status.table_age = read_span_ns(in.getTableAgeNs(), "a table's age");
  status.spool_reports = in.getSpoolReports();
  status.spool_octets = in.getSpoolOctets();
  status.spool_disk_octets = in.getSpoolDiskOctets();
  status.spool_dropped = in.getSpoolDropped();
  status.spool_failures = in.getSpoolFailures();
  status.spool_error = read_text(in.getSpoolError(), "a spool's error");
  status.file_jobs_refused = in.getFileJobsRefused();
  status.probes_refused_authentication = in.getProbesRefusedAuthentication();
  return status;
}

void write(Bye bye, wire::Bye::Builder out) {
  out.setReason(write_enum<wire::ByeReason>(bye.reason));
}

Bye read(wire::Bye::Reader in) { return {read_enum(in.getReason(), ByeReason::restart)}; }

void write(const ReportsGone& gone, wire::ReportId::Builder out) {
  out.setEpoch(gone.up_to.epoch);
  out.setSequence(gone.up_to.sequence);
}

void write(const ResendFrom& resend, wire::ReportId::Builder out) {
  out.setEpoch(resend.first.epoch);
  out.setSequence(resend.first.sequence);
}

void write(const Welcome& welcome, wire::Welcome::Builder out) {
  out.setId(welcome.id.value);
  write_text(welcome.name, [&](auto text) { out.setName(text); });
  write_text(welcome.collector, [&](auto text) { out.setCollector(text); });
  out.setTimeUnixNs(welcome.time.ns);
  out.setAckedSequence(welcome.acked_sequence);
}

Welcome read(wire::Welcome::Reader in) {
  return {NodeId(in.getId()),
          read_text(in.getName(), "a node's name"),
          read_text(in.getCollector(), "a software name"),
          {in.getTimeUnixNs()},
          in.getAckedSequence()};
}

void write(const ReportAck& ack, wire::ReportId::Builder out) {
  out.setEpoch(ack.up_to.epoch);
  out.setSequence(ack.up_to.sequence);
}

ReportAck read(wire::ReportId::Reader in) { return {{in.getEpoch(), in.getSequence()}}; }

void write(const Plan& plan, wire::Plan::Builder out) {
  LP_ASSERT(plan.nodes.size() <= kFleetNodesMax && plan.links.size() <= kPlanLinksMax);
  out.setVersion(plan.version);
  out.setCreatedUnixNs(plan.created.ns);
  out.setLifetimeNs(span_ns(plan.lifetime));
  out.setSelf(plan.self.value);
  write_list(plan.nodes, out.initNodes(static_cast<unsigned>(plan.nodes.size())),
             [](const Node& value, auto element) { write(value, element); });
  write_list(plan.links, out.initLinks(static_cast<unsigned>(plan.links.size())),
             [](const PlannedLink& value, auto element) { write(value, element); });
}

Plan read(wire::Plan::Reader in) {
  Plan plan;
  plan.version = in.getVersion();
  plan.created = {in.getCreatedUnixNs()};
  plan.lifetime = read_span_ns(in.getLifetimeNs(), "a plan's lifetime");
  plan.self = NodeId(in.getSelf());
  plan.nodes = read_list<Node>(in.getNodes(), kFleetNodesMax, "a plan's nodes",
                               [](auto element) { return read(element); });
  plan.links = read_list<PlannedLink>(in.getLinks(), kPlanLinksMax, "a plan's links",
                                      [](auto element) { return read(element); });
  return plan;
}

void write(const Pong& pong, wire::Pong::Builder out) {
  out.setNonce(pong.nonce);
  out.setReceivedUnixNs(pong.received.ns);
}

Pong read(wire::Pong::Reader in) { return {in.getNonce(), {in.getReceivedUnixNs()}}; }

void write(const ProbeRequest& request, wire::ProbeRequest::Builder out) {
  out.setRequest(request.request);
  write(request.link, out.initLink());
  out.setCount(request.count);
  out.setIntervalNs(span_ns(request.interval));
}

ProbeRequest read(wire::ProbeRequest::Reader in) {
  return {in.getRequest(), read(in.getLink()), in.getCount(),
          read_span_ns(in.getIntervalNs(), "a probe interval")};
}

void write(const Refused& refused, wire::Refused::Builder out) {
  write_text(refused.reason, [&](auto text) { out.setReason(text); });
}

Refused read(wire::Refused::Reader in) { return {read_text(in.getReason(), "a reason")}; }

void write(const ByeAck& ack, wire::ByeAck::Builder out) { out.setGraceNs(span_ns(ack.grace)); }

ByeAck read(wire::ByeAck::Reader in) { return {read_span_ns(in.getGraceNs(), "a grace")}; }

void write(const PeerAway& away, wire::PeerAway::Builder out) {
  out.setNode(away.node.value);
  out.setGraceNs(span_ns(away.grace));
}

PeerAway read(wire::PeerAway::Reader in) {
  return {NodeId(in.getNode()), read_span_ns(in.getGraceNs(), "a grace")};
}

}  // namespace linkpilot::schemas

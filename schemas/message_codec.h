// One pair of functions per struct of the schemas: write a value into its builder, read it back.
// Internal to schemas/; the readers throw (wire_values.h).
#pragma once

#include "base/message.h"
#include "control.capnp.h"
#include "measurement.capnp.h"
#include "route_table.capnp.h"

namespace linkpilot::schemas {

// measurement.capnp
void write(LinkId link, wire::LinkId::Builder out);
LinkId read(wire::LinkId::Reader in);
void write(const StageTimes& stages, wire::StageTimes::Builder out);
StageTimes read(wire::StageTimes::Reader in);
void write(const LinkSample& sample, wire::LinkSample::Builder out);
LinkSample read(wire::LinkSample::Reader in);
void write(const NodeLoad& load, wire::NodeLoad::Builder out);
NodeLoad read(wire::NodeLoad::Reader in);
void write(const StreamReport& stream, wire::StreamReport::Builder out);
StreamReport read(wire::StreamReport::Reader in);
void write(const AgentEvent& event, wire::AgentEvent::Builder out);
AgentEvent read(wire::AgentEvent::Reader in);
void write(const Report& report, wire::Report::Builder out);
Report read(wire::Report::Reader in);
// Uses the memory of `report` again.
void read_into(wire::Report::Reader in, Report& report);
void write(const Alarm& alarm, wire::Alarm::Builder out);
Alarm read(wire::Alarm::Reader in);

// route_table.capnp
void write(TableVersion version, wire::TableVersion::Builder out);
TableVersion read(wire::TableVersion::Reader in);
void write(const SignedTable& table, wire::SignedTable::Builder out);
SignedTable read(wire::SignedTable::Reader in);
void write(const TableAck& ack, wire::TableAck::Builder out);
TableAck read(wire::TableAck::Reader in);

// control.capnp
void write(const Port& port, wire::Port::Builder out);
Port read(wire::Port::Reader in);
void write(const Node& node, wire::Node::Builder out);
Node read(wire::Node::Reader in);
void write(const Hello& hello, wire::Hello::Builder out);
Hello read(wire::Hello::Reader in);
void write(const PlanAck& ack, wire::PlanAck::Builder out);
PlanAck read(wire::PlanAck::Reader in);
void write(const Ping& ping, wire::Ping::Builder out);
Ping read(wire::Ping::Reader in);
void write(const ProbeResult& result, wire::ProbeResult::Builder out);
ProbeResult read(wire::ProbeResult::Reader in);
void write(const ReportsGone& gone, wire::ReportId::Builder out);
void write(const AgentStatus& status, wire::AgentStatus::Builder out);
AgentStatus read(wire::AgentStatus::Reader in);
void write(Bye bye, wire::Bye::Builder out);
Bye read(wire::Bye::Reader in);
void write(const ResendFrom& resend, wire::ReportId::Builder out);
void write(const Welcome& welcome, wire::Welcome::Builder out);
Welcome read(wire::Welcome::Reader in);
void write(const ReportAck& ack, wire::ReportId::Builder out);
ReportAck read(wire::ReportId::Reader in);
void write(const PlannedLink& link, wire::PlannedLink::Builder out);
PlannedLink read(wire::PlannedLink::Reader in);
void write(const Plan& plan, wire::Plan::Builder out);
Plan read(wire::Plan::Reader in);
void write(const Pong& pong, wire::Pong::Builder out);
Pong read(wire::Pong::Reader in);
void write(const ProbeRequest& request, wire::ProbeRequest::Builder out);
ProbeRequest read(wire::ProbeRequest::Reader in);
void write(const Refused& refused, wire::Refused::Builder out);
Refused read(wire::Refused::Reader in);
void write(const ByeAck& ack, wire::ByeAck::Builder out);
ByeAck read(wire::ByeAck::Reader in);
void write(const PeerAway& away, wire::PeerAway::Builder out);
PeerAway read(wire::PeerAway::Reader in);

}  // namespace linkpilot::schemas

#include <array>

#include "schemas/message_codec.h"
#include "schemas/packed_samples.h"
#include "schemas/wire_values.h"

namespace linkpilot::schemas {
namespace {

static_assert(static_cast<int>(TimestampMethod::user) ==
              static_cast<int>(wire::TimestampMethod::USER));
static_assert(static_cast<int>(StreamState::ended) == static_cast<int>(wire::StreamState::ENDED));
static_assert(static_cast<int>(LinkState::dead) == static_cast<int>(wire::LinkState::DEAD));

// --- the sketch: see rttSketch in measurement.capnp ---

void append_varint(std::vector<std::uint8_t>& out, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
  out.push_back(static_cast<std::uint8_t>(value));
}

std::uint32_t take_varint(const std::uint8_t*& at, const std::uint8_t* end) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    if (at == end) refuse("a sketch ends within a number");
    const std::uint8_t octet = *at++;
    value |= std::uint64_t{octet & 0x7fU} << shift;
    if ((octet & 0x80U) == 0) {
      if (value > UINT32_MAX) break;
      return static_cast<std::uint32_t>(value);
    }
  }
  refuse("a sketch holds a number over 32 bits");
}

void write_sketch(const LatencySketch& sketch, wire::LinkSample::Builder out) {
  if (sketch.cells().empty()) return;
  thread_local std::vector<std::uint8_t> octets;  // reused: a report writes a thousand sketches
  octets.clear();
  std::uint32_t previous = 0;
  for (const SketchCell& cell : sketch.cells()) {
    append_varint(octets, cell.bucket - previous);
    append_varint(octets, cell.count);
    previous = cell.bucket;
  }
  out.setRttSketch(octets_of(octets));
}

LatencySketch read_sketch(capnp::Data::Reader data) {
  LatencySketch sketch;
  const std::uint8_t* at = data.begin();
  std::uint64_t bucket = 0;
  for (bool first = true; at != data.end(); first = false) {
    const std::uint32_t step = take_varint(at, data.end());
    const std::uint32_t count = take_varint(at, data.end());
    bucket += step;
    if ((!first && step == 0) || count == 0) refuse("a sketch is not in its one canonical form");
    if (bucket >= kSketchBuckets) refuse("a sketch has a bucket out of range");
    sketch.add_bucket(static_cast<std::uint16_t>(bucket), count);
  }
  return sketch;
}

// --- samples ---

void write_counts(const LinkSample& sample, wire::LinkSample::Builder out) {
  out.setSent(sample.sent);
  out.setAnswered(sample.answered);
  out.setLate(sample.late);
  out.setLostForward(sample.lost_forward);
  out.setLostBackward(sample.lost_backward);
  out.setLostUnplaced(sample.lost_unplaced);
  out.setDuplicateForward(sample.duplicate_forward);
  out.setDuplicateBackward(sample.duplicate_backward);
  out.setReorderedForward(sample.reordered_forward);
  out.setReorderedBackward(sample.reordered_backward);
  out.setMissedByUs(sample.missed_by_us);
  out.setLocalSendError(sample.local_send_error);
}

void read_counts(wire::LinkSample::Reader in, LinkSample& sample) {
  sample.sent = in.getSent();
  sample.answered = in.getAnswered();
  sample.late = in.getLate();
  sample.lost_forward = in.getLostForward();
  sample.lost_backward = in.getLostBackward();
  sample.lost_unplaced = in.getLostUnplaced();
  sample.duplicate_forward = in.getDuplicateForward();
  sample.duplicate_backward = in.getDuplicateBackward();
  sample.reordered_forward = in.getReorderedForward();
  sample.reordered_backward = in.getReorderedBackward();
  sample.missed_by_us = in.getMissedByUs();
  sample.local_send_error = in.getLocalSendError();
}

}  // namespace

void write(const NodeLoad& load, wire::NodeLoad::Builder out) {
  out.setCpuPermille(load.cpu_permille);
  out.setInboundBitsPerSecond(load.inbound.value);
  out.setOutboundBitsPerSecond(load.outbound.value);
  out.setConnections(load.connections);
  out.setAgentRssBytes(load.agent_rss_bytes);
  out.setAgentCpuPermille(load.agent_cpu_permille);
}

NodeLoad read(wire::NodeLoad::Reader in) {
  NodeLoad load;
  load.cpu_permille = in.getCpuPermille();
  load.inbound = {in.getInboundBitsPerSecond()};
  load.outbound = {in.getOutboundBitsPerSecond()};
  load.connections = in.getConnections();
  load.agent_rss_bytes = in.getAgentRssBytes();
  load.agent_cpu_permille = in.getAgentCpuPermille();
  return load;
}

void write(const StreamReport& stream, wire::StreamReport::Builder out) {
  write_text(stream.name, [&](auto text) { out.setName(text); });
  out.setState(write_enum<wire::StreamState>(stream.state));
  out.setIngestedHere(stream.ingested_here);
  out.setViewers(stream.viewers);
  out.setBitrateBitsPerSecond(stream.bitrate.value);
}

StreamReport read(wire::StreamReport::Reader in) {
  StreamReport stream;
  stream.name = read_text(in.getName(), "a stream's name");
  stream.state = read_enum(in.getState(), StreamState::ended);
  stream.ingested_here = in.getIngestedHere();
  stream.viewers = in.getViewers();
  stream.bitrate = {in.getBitrateBitsPerSecond()};
  return stream;
}

void write(const AgentEvent& event, wire::AgentEvent::Builder out) {
  out.setTimeUnixNs(event.time.ns);
  write_text(event.name, [&](auto text) { out.setName(text); });
  write_text(event.detail, [&](auto text) { out.setDetail(text); });
}

AgentEvent read(wire::AgentEvent::Reader in) {
  return {{in.getTimeUnixNs()},
          read_text(in.getName(), "an event's name"),
          read_text(in.getDetail(), "an event's detail")};
}

void write(LinkId link, wire::LinkId::Builder out) {
  out.setFromNode(link.from.node.value);
  out.setFromPort(link.from.port.value);
  out.setToNode(link.to.node.value);
  out.setToPort(link.to.port.value);
}

LinkId read(wire::LinkId::Reader in) {
  return {{NodeId(in.getFromNode()), read_port_index(in.getFromPort())},
          {NodeId(in.getToNode()), read_port_index(in.getToPort())}};
}

void write(const StageTimes& stages, wire::StageTimes::Builder out) {
  out.setProbeSentUnixNs(stages.probe_sent.ns);
  out.setReportedUnixNs(stages.reported.ns);
  out.setIngestedUnixNs(stages.ingested.ns);
  out.setSolvedUnixNs(stages.solved.ns);
  out.setPublishedUnixNs(stages.published.ns);
  out.setLoadedUnixNs(stages.loaded.ns);
}

StageTimes read(wire::StageTimes::Reader in) {
  return {{in.getProbeSentUnixNs()}, {in.getReportedUnixNs()},  {in.getIngestedUnixNs()},
          {in.getSolvedUnixNs()},    {in.getPublishedUnixNs()}, {in.getLoadedUnixNs()}};
}

void write(const LinkSample& sample, wire::LinkSample::Builder out) {
  out.setFromNode(sample.link.from.node.value);
  out.setFromPort(sample.link.from.port.value);
  out.setToNode(sample.link.to.node.value);
  out.setToPort(sample.link.to.port.value);
  out.setStartUnixNs(sample.start.ns);
  out.setLengthNs(span_ns(sample.length));
  out.setProbeIntervalNs(span_ns(sample.probe_interval));
  out.setFlows(sample.flows);
  out.setNonconformantPeer(sample.nonconformant_peer);
  write_counts(sample, out);
  out.setRttMinNs(span_ns(sample.rtt_min));
  out.setRttMaxNs(span_ns(sample.rtt_max));
  out.setRttSumNs(span_ns(sample.rtt_sum));
  write_sketch(sample.rtt, out);
  out.setForwardCount(sample.forward_delay.count);
  out.setForwardMinNs(sample.forward_delay.min.count());
  out.setForwardSumNs(sample.forward_delay.sum.count());
  out.setForwardErrorNs(span_ns(sample.forward_delay.error));
  out.setBackwardCount(sample.backward_delay.count);
  out.setBackwardMinNs(sample.backward_delay.min.count());
  out.setBackwardSumNs(sample.backward_delay.sum.count());
  out.setBackwardErrorNs(span_ns(sample.backward_delay.error));
  out.setIpdvCount(sample.ipdv_count);
  out.setIpdvSumNs(span_ns(sample.ipdv_sum));
  out.setTimestamps(write_enum<wire::TimestampMethod>(sample.timestamps));
}

LinkSample read(wire::LinkSample::Reader in) {
  LinkSample sample;
  sample.link = {{NodeId(in.getFromNode()), read_port_index(in.getFromPort())},
                 {NodeId(in.getToNode()), read_port_index(in.getToPort())}};
  sample.start = {in.getStartUnixNs()};
  sample.length = read_span_ns(in.getLengthNs(), "a sample's length");
  sample.probe_interval = read_span_ns(in.getProbeIntervalNs(), "a sample's probe interval");
  sample.flows = in.getFlows();
  sample.nonconformant_peer = in.getNonconformantPeer();
  read_counts(in, sample);
  sample.rtt_min = read_span_ns(in.getRttMinNs(), "a sample's least RTT");
  sample.rtt_max = read_span_ns(in.getRttMaxNs(), "a sample's greatest RTT");
  sample.rtt_sum = read_span_ns(in.getRttSumNs(), "a sample's sum of RTTs");
  sample.rtt = read_sketch(in.getRttSketch());
  sample.forward_delay = {in.getForwardCount(), Duration(in.getForwardMinNs()),
                          Duration(in.getForwardSumNs()),
                          read_span_ns(in.getForwardErrorNs(), "a clock error")};
  sample.backward_delay = {in.getBackwardCount(), Duration(in.getBackwardMinNs()),
                           Duration(in.getBackwardSumNs()),
                           read_span_ns(in.getBackwardErrorNs(), "a clock error")};
  sample.ipdv_count = in.getIpdvCount();
  sample.ipdv_sum = read_span_ns(in.getIpdvSumNs(), "a sample's sum of delay variations");
  sample.timestamps = read_enum(in.getTimestamps(), TimestampMethod::user);
  return sample;
}

void write(const Report& report, wire::Report::Builder out) {
  LP_ASSERT(report.links.size() <= kReportLinksMax && report.streams.size() <= kReportStreamsMax &&
            report.events.size() <= kReportEventsMax);
  out.initId().setEpoch(report.id.epoch);
  out.getId().setSequence(report.id.sequence);
  out.setCreatedUnixNs(report.created.ns);
  if (!report.links.empty()) {
    thread_local std::vector<std::uint8_t> octets;  // reused: hundreds of kilobytes
    octets.clear();
    pack_samples(report.links, report.created, octets);
    out.setPackedLinks(octets_of(octets));
  }
  write(report.load, out.initLoad());
  write_list(report.streams, out.initStreams(static_cast<unsigned>(report.streams.size())),
             [](const StreamReport& value, auto element) { write(value, element); });
  write_list(report.events, out.initEvents(static_cast<unsigned>(report.events.size())),
             [](const AgentEvent& value, auto element) { write(value, element); });
  out.setSpoolDropped(report.spool_dropped);
}

Report read(wire::Report::Reader in) {
  Report report;
  read_into(in, report);
  return report;
}

void read_into(wire::Report::Reader in, Report& report) {
  const wire::ReportId::Reader id = in.getId();
  report.id = {id.getEpoch(), id.getSequence()};
  report.created = {in.getCreatedUnixNs()};
  const auto links = in.getLinks();
  if (links.size() == 0) {
    const capnp::Data::Reader packed = in.getPackedLinks();
    unpack_samples({packed.begin(), packed.size()}, report.created, report.links);
  } else {
    report.links = read_list<LinkSample>(links, kReportLinksMax, "a report's links",
                                         [](auto element) { return read(element); });
    if (in.hasPackedLinks()) refuse("a report has its links twice");
  }
  report.load = read(in.getLoad());
  report.streams = read_list<StreamReport>(in.getStreams(), kReportStreamsMax, "a report's streams",
                                           [](auto element) { return read(element); });
  report.events = read_list<AgentEvent>(in.getEvents(), kReportEventsMax, "a report's events",
                                        [](auto element) { return read(element); });
  report.spool_dropped = in.getSpoolDropped();
}

void write(const Alarm& alarm, wire::Alarm::Builder out) {
  write(alarm.link, out.initLink());
  out.setState(write_enum<wire::LinkState>(alarm.state));
  out.setConfirmed(alarm.confirmed);
  out.setSinceUnixNs(alarm.since.ns);
  out.setEpisode(alarm.episode);
  write(alarm.stages, out.initStages());
}

Alarm read(wire::Alarm::Reader in) {
  Alarm alarm;
  alarm.link = read(in.getLink());
  alarm.state = read_enum(in.getState(), LinkState::dead);
  alarm.confirmed = in.getConfirmed();
  alarm.since = {in.getSinceUnixNs()};
  alarm.episode = in.getEpisode();
  alarm.stages = read(in.getStages());
  return alarm;
}

}  // namespace linkpilot::schemas

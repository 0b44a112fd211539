@0xc02da4b54b7813d0;
# What an agent measured and how its node fares: reports, samples, alarms. The values are
# base/link_sample.h and base/report.h; units are in the names. Evolution rules: README.md.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("linkpilot::wire");

struct PortId {
  node @0 :UInt16;
  port @1 :UInt8;
}

# An ordered pair of ports: the direction in which packets travel.
struct LinkId {
  fromNode @0 :UInt16;
  toNode @1 :UInt16;
  fromPort @2 :UInt8;
  toPort @3 :UInt8;
}

# When each stage of a measurement's life was passed, nanoseconds since 1970 UTC; zero: not yet.
struct StageTimes {
  probeSentUnixNs @0 :Int64;
  reportedUnixNs @1 :Int64;
  ingestedUnixNs @2 :Int64;
  solvedUnixNs @3 :Int64;
  publishedUnixNs @4 :Int64;
  loadedUnixNs @5 :Int64;
}

enum TimestampMethod {
  unspecified @0;
  hardware @1;
  kernel @2;
  user @3;
}

# One link in one interval. Counts and sums, never ratios. Flat on purpose: a report holds a thousand.
struct LinkSample {
  startUnixNs @0 :Int64;
  lengthNs @1 :Int64;
  probeIntervalNs @2 :Int64;

  fromNode @3 :UInt16;
  toNode @4 :UInt16;
  fromPort @5 :UInt8;
  toPort @6 :UInt8;
  flows @7 :UInt8;
  nonconformantPeer @8 :Bool;

  sent @9 :UInt32;
  answered @10 :UInt32;
  late @11 :UInt32;
  lostForward @12 :UInt32;
  lostBackward @13 :UInt32;
  lostUnplaced @14 :UInt32;
  duplicateForward @15 :UInt32;
  duplicateBackward @16 :UInt32;
  reorderedForward @17 :UInt32;
  reorderedBackward @18 :UInt32;
  missedByUs @19 :UInt32;
  localSendError @20 :UInt32;

  rttMinNs @21 :Int64;
  rttMaxNs @22 :Int64;
  rttSumNs @23 :Int64;
  # The sketch's cells in order of their bucket: for each the bucket less the one before (the first:
  # the bucket itself), then the count; both as LEB128 varints.
  rttSketch @24 :Data;

  # One-way delays may be negative: they compare two clocks. The error bounds both clocks together.
  forwardCount @25 :UInt32;
  backwardCount @26 :UInt32;
  forwardMinNs @27 :Int64;
  forwardSumNs @28 :Int64;
  forwardErrorNs @29 :Int64;
  backwardMinNs @30 :Int64;
  backwardSumNs @31 :Int64;
  backwardErrorNs @32 :Int64;

  ipdvSumNs @33 :Int64;
  ipdvCount @34 :UInt32;
  timestamps @35 :TimestampMethod;
}

struct NodeLoad {
  cpuPermille @0 :UInt32;  # of all cores together
  connections @1 :UInt32;
  inboundBitsPerSecond @2 :UInt64;
  outboundBitsPerSecond @3 :UInt64;
  agentRssBytes @4 :UInt64;
  agentCpuPermille @5 :UInt32;  # of one core
}

enum StreamState {
  unspecified @0;
  started @1;
  running @2;
  ended @3;
}

struct StreamReport {
  name @0 :Text;
  state @1 :StreamState;
  ingestedHere @2 :Bool;
  viewers @3 :UInt32;
  bitrateBitsPerSecond @4 :UInt64;
}

struct AgentEvent {
  timeUnixNs @0 :Int64;
  name @1 :Text;
  detail @2 :Text;
}

# Unique for ever by (the connection's key, epoch, sequence): safe to send again.
struct ReportId {
  epoch @0 :UInt64;
  sequence @1 :UInt64;
}

struct Report {
  id @0 :ReportId;
  createdUnixNs @1 :Int64;
  links @2 :List(LinkSample);
  load @3 :NodeLoad;
  streams @4 :List(StreamReport);
  events @5 :List(AgentEvent);
  spoolDropped @6 :UInt64;
  # The links as packed_samples.h writes them: a third of the octets of `links`. A report carries one
  # or the other, never both.
  packedLinks @7 :Data;
}

enum LinkState {
  unspecified @0;
  alive @1;
  suspect @2;
  dead @3;
}

struct Alarm {
  link @0 :LinkId;
  state @1 :LinkState;
  confirmed @2 :Bool;
  sinceUnixNs @3 :Int64;
  episode @4 :UInt64;
  stages @5 :StageTimes;
}

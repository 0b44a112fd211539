@0xe462c6a8838ee5f3;
# The conversation of an agent and the collector. One message is one AgentMessage or one
# CollectorMessage, by who sends it; who the sender is follows from its CURVE key alone.

using Cxx = import "/capnp/c++.capnp";
using Measurement = import "measurement.capnp";
using RouteTable = import "route_table.capnp";
$Cxx.namespace("linkpilot::wire");

struct AgentMessage {
  schemaVersion @0 :UInt16;
  union {
    unspecified @1 :Void;
    hello @2 :Hello;
    report @3 :Measurement.Report;
    alarm @4 :Measurement.Alarm;
    tableAck @5 :RouteTable.TableAck;
    planAck @6 :PlanAck;
    ping @7 :Ping;
    probeResult @8 :ProbeResult;
    reportsGone @9 :Measurement.ReportId;
    status @10 :AgentStatus;
    bye @11 :Bye;
  }
}

struct CollectorMessage {
  schemaVersion @0 :UInt16;
  union {
    unspecified @1 :Void;
    welcome @2 :Welcome;
    reportAck @3 :Measurement.ReportId;
    plan @4 :Plan;
    signedTable @5 :RouteTable.SignedTable;
    pong @6 :Pong;
    probeRequest @7 :ProbeRequest;
    refused @8 :Refused;
    resendFrom @9 :Measurement.ReportId;
    byeAck @10 :ByeAck;
    peerAway @11 :PeerAway;
  }
}

# --- nodes ---

enum NodeRole {
  unspecified @0;
  ingest @1;
  relay @2;
  edge @3;
  testHost @4;
}

struct Port {
  index @0 :UInt8;
  stampPort @1 :UInt16;  # UDP
  capacityBitsPerSecond @2 :UInt64;
  isp @3 :Text;
  bill @4 :Text;
  listen @5 :Data;      # 16 octets; IPv4 as IPv6-mapped (RFC 4291)
  advertised @6 :Data;
}

struct Node {
  id @0 :UInt16;
  role @1 :NodeRole;
  name @2 :Text;
  region @3 :Text;
  mediaBase @4 :Text;
  ports @5 :List(Port);
}

# --- from the agent ---

enum ClientKind {
  unspecified @0;
  agent @1;
  routeReader @2;
}

struct Hello {
  kind @0 :ClientKind;
  self @1 :Node;
  reportEpoch @2 :UInt64;
  runId @3 :UInt64;
  software @4 :Text;
  loaded @5 :RouteTable.TableVersion;
  planVersion @6 :UInt64;
}

struct PlanAck {
  version @0 :UInt64;
  sessions @1 :UInt32;
  capped @2 :UInt32;
  reason @3 :Text;
}

struct Ping {
  nonce @0 :UInt64;
  sentUnixNs @1 :Int64;
}

struct ProbeResult {
  request @0 :UInt64;
  error @1 :Text;  # empty: `sample` holds
  sample @2 :Measurement.LinkSample;
}

enum Freshness {
  unspecified @0;
  none @1;
  fresh @2;
  stale @3;
  expired @4;
}

struct AgentStatus {
  plan @0 :Freshness;
  table @1 :Freshness;
  planAgeNs @2 :Int64;
  tableAgeNs @3 :Int64;
  spoolReports @4 :UInt64;
  spoolOctets @5 :UInt64;
  spoolDiskOctets @6 :UInt64;
  spoolDropped @7 :UInt64;
  spoolFailures @8 :UInt64;
  spoolError @9 :Text;  # empty: the disk works
  fileJobsRefused @10 :UInt64;
  probesRefusedAuthentication @11 :UInt64;
}

enum ByeReason {
  unspecified @0;
  stop @1;
  restart @2;
}

struct Bye {
  reason @0 :ByeReason;
}

# --- from the collector ---

struct Welcome {
  id @0 :UInt16;
  name @1 :Text;
  collector @2 :Text;
  timeUnixNs @3 :Int64;
  ackedSequence @4 :UInt64;
}

enum ProbeMode {
  unspecified @0;
  stamp @1;
  stampAuthenticated @2;
  twampLight @3;
}

struct PlannedLink {
  link @0 :Measurement.LinkId;
  peerAddress @1 :Data;  # 16 octets
  peerPort @2 :UInt16;
  flows @3 :UInt8;
  mode @4 :ProbeMode;
  intervalNs @5 :Int64;
  secret @6 :Data;
  secretEpoch @7 :UInt32;
  inUse @8 :Bool;
  alsoMode @9 :ProbeMode;  # unspecified: probes are answered under `mode` alone
  alsoSecret @10 :Data;
  alsoSecretEpoch @11 :UInt32;
}

struct Plan {
  version @0 :UInt64;
  createdUnixNs @1 :Int64;
  lifetimeNs @2 :Int64;
  self @3 :UInt16;
  nodes @4 :List(Node);
  links @5 :List(PlannedLink);
}

struct Pong {
  nonce @0 :UInt64;
  receivedUnixNs @1 :Int64;
}

struct ProbeRequest {
  request @0 :UInt64;
  link @1 :Measurement.LinkId;
  count @2 :UInt32;
  intervalNs @3 :Int64;
}

struct Refused {
  reason @0 :Text;
}

struct ByeAck {
  graceNs @0 :Int64;  # 0: nobody waits
}

struct PeerAway {
  node @0 :UInt16;
  graceNs @1 :Int64;  # 0: it is back
}

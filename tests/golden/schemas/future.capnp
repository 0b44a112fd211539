@0xd9d34bcf4b53a6a9;
# A later version as it may come to be: what stands now with one new kind of message, new fields and new
# enumerants. The evolution test has it and the code read each other's bytes. Only what the test touches
# is spelled out; the other members of a union keep their place as AnyPointer.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("linkpilot::future");

struct AgentMessage {
  schemaVersion @0 :UInt16;
  union {
    unspecified @1 :Void;
    hello @2 :AnyPointer;
    report @3 :AnyPointer;
    alarm @4 :Alarm;
    tableAck @5 :AnyPointer;
    planAck @6 :AnyPointer;
    ping @7 :Ping;
    probeResult @8 :ProbeResult;
    reportsGone @9 :AnyPointer;
    status @10 :AnyPointer;
    bye @11 :AnyPointer;
    weather @12 :Weather;  # new
  }
  traceId @13 :UInt64;  # new
}

struct Weather {
  temperatureMilliKelvin @0 :UInt32;
}

struct LinkId {
  fromNode @0 :UInt16;
  toNode @1 :UInt16;
  fromPort @2 :UInt8;
  toPort @3 :UInt8;
}

enum LinkState {
  unspecified @0;
  alive @1;
  suspect @2;
  dead @3;
  haunted @4;  # new
}

struct Alarm {
  link @0 :LinkId;
  state @1 :LinkState;
  confirmed @2 :Bool;
  sinceUnixNs @3 :Int64;
  episode @4 :UInt64;
  stages @5 :AnyPointer;
  witnesses @6 :List(UInt16);  # new
}

struct Ping {
  nonce @0 :UInt64;
  sentUnixNs @1 :Int64;
  load @2 :Float32;  # new
}

struct ProbeResult {
  request @0 :UInt64;
  error @1 :Text;
  sample @2 :LinkSample;
}

enum TimestampMethod {
  unspecified @0;
  hardware @1;
  kernel @2;
  user @3;
  pulsar @4;  # new
}

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
  rttSketch @24 :Data;

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

  # new
  hopCount @36 :UInt8;
  pathName @37 :Text;
  queueDelaySumNs @38 :Int64;
}

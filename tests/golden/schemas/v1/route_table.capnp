@0xd348b3e81ae69701;
# The envelope of a published route table, and the agent's answer to it. The table itself is
# route_file.h: what a node maps into memory is, octet for octet, what was signed.

using Cxx = import "/capnp/c++.capnp";
using Measurement = import "measurement.capnp";
$Cxx.namespace("linkpilot::wire");

struct TableVersion {
  epoch @0 :UInt64;
  version @1 :UInt64;
}

struct SignedTable {
  node @0 :UInt16;
  version @1 :TableVersion;
  signer @2 :Data;     # 32 octets, Ed25519 public key
  signature @3 :Data;  # 64 octets, Ed25519 over exactly `body`
  body @4 :Data;       # a route_file.h image, push and pull routes alike
  stages @5 :Measurement.StageTimes;
}

struct TableAck {
  version @0 :TableVersion;  # the one judged
  accepted @1 :Bool;
  reason @2 :Text;           # when not accepted
  inUse @3 :TableVersion;
  loadedUnixNs @4 :Int64;
}

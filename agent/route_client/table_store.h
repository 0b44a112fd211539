// The last good route table of this node: on disk for the media processes, in memory for the agent.
// Accepting a table means: checked (table_check.h), written beside the old file, fsynced, renamed.
// Used by the agent and by linkpilot-routes-sync. One thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/route_client/table_check.h"
#include "base/message.h"
#include "base/result.h"

namespace linkpilot::route_client {

// The file image of a signed table: its body and the trailer of 96 octets, and back. The version
// and node of the result are those of the body.
[[nodiscard]] std::vector<std::uint8_t> to_file(const SignedTable& signed_table);
[[nodiscard]] Result<SignedTable> from_file(std::span<const std::uint8_t> bytes);

class TableStore {
 public:
  struct Options {
    std::string path;                       // the route file
    std::vector<SigningPublicKey> signers;  // any of them may sign
    NodeId self;                            // 0: learnt from Welcome (set_self) or from the file
  };

  explicit TableStore(Options options);

  // Reads the last good table; call once at start. No file is not an error. A file that does not
  // pass (signature, bytes, node) is left where it is and not used. A table past its expiry is
  // used.
  [[nodiscard]] Status load(UnixNanos now);

  // The number the collector assigned. A table of another node is no longer in use then.
  void set_self(NodeId self);

  // Who may sign from now on; the table in use stays.
  void set_signers(std::vector<SigningPublicKey> signers) { options_.signers = std::move(signers); }

  // Judges and, if good, stores. The answer is what the collector is told; a disk that refuses
  // makes a refusal whose reason is the error. A table that is already in use is accepted again.
  [[nodiscard]] TableAck accept(const SignedTable& signed_table, UnixNanos now);

  // accept() in three steps, for who must not wait for a disk: judge, write `file` to the path
  // (whole or not at all; nothing to write when it is empty), and say how that went. No other table
  // may be judged in between.
  struct Judged {
    TableAck ack;
    std::optional<RouteTable> table;  // to be adopted once the file is written
    std::vector<std::uint8_t> file;
  };
  [[nodiscard]] Judged judge(const SignedTable& signed_table, UnixNanos now) const;
  [[nodiscard]] static Status write(const std::string& path, const Judged& judged);
  [[nodiscard]] TableAck adopt(Judged judged, const Status& written, UnixNanos now);

  // Null: none.
  [[nodiscard]] const RouteTable* in_use() const { return table_ ? &*table_ : nullptr; }
  [[nodiscard]] TableVersion version() const;
  [[nodiscard]] UnixNanos loaded() const { return loaded_; }
  [[nodiscard]] const Options& options() const { return options_; }

 private:
  Options options_;
  std::optional<RouteTable> table_;
  UnixNanos loaded_;
};

}  // namespace linkpilot::route_client

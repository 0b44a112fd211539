// The media process's sight of its route table: the C look-up library, with every answer verified
// against an independent reading of the file (signature, bytes and order), and a cache of parsed
// addresses. What a production media server needs of this is `lookup` alone; the rest is the demo's
// proof that no look-up ever fails. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/route_client/linkpilot_routes.h"
#include "base/address.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/route_table.h"
#include "base/runtime/curve_keys.h"
#include "base/time.h"

namespace linkpilot::media {

struct LookupCounts {
  std::uint64_t total = 0;
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;     // a known target without a path; the report judges which may be
  std::uint64_t older = 0;          // an answer older than one already given
  std::uint64_t not_published = 0;  // bytes that the signed table of that version does not have
};

// The path chosen by a look-up; `length` 0 means there is none.
struct ChosenPath {
  std::array<NodeId, LPR_HOPS_MAX> nodes{};
  std::uint8_t length = 0;
  std::uint8_t candidate = 0;
  std::uint32_t flags = 0;  // LPR_ROUTE_*
  lpr_status status = LPR_NO_TABLE;
  IpAddress next_address;

  [[nodiscard]] std::span<const NodeId> path() const { return {nodes.data(), length}; }
  // Would a log reader see a difference?
  [[nodiscard]] bool same_choice(const ChosenPath& other) const {
    return nodes == other.nodes && length == other.length && status == other.status &&
           flags == other.flags;
  }
};

struct KnownNode {
  NodeId id;
  std::string name;
};

class RouteView {
 public:
  struct Options {
    std::string table_path;
    std::string marks_path;
    std::vector<SigningPublicKey> signers;  // who may have signed
  };
  [[nodiscard]] static Result<RouteView> open(Options options);
  RouteView(RouteView&&) noexcept = default;
  RouteView& operator=(RouteView&&) = delete;

  // Takes in a new table; true if there is one. `nodes` and `version` are those of the new table
  // then.
  bool poll(UnixNanos now);
  // Nullopt before the first table.
  [[nodiscard]] std::optional<NodeId> self() const;
  [[nodiscard]] TableVersion version() const { return version_; }
  [[nodiscard]] const std::vector<KnownNode>& nodes() const { return nodes_; }

  using PushRoutes = std::map<NodeId, std::vector<CandidatePath>>;
  // Of the newest table whose signature held: target -> candidates, best first.
  [[nodiscard]] const PushRoutes& push_routes() const { return expected_; }

  // One counted and verified push look-up.
  ChosenPath lookup(const std::string& target, UnixNanos now);

  struct Turn {
    std::array<NodeId, LPR_HOPS_MAX> nodes{};
    std::uint8_t length = 0;  // 0: the next hop is dead and there is no way round
    bool turned = false;
    IpAddress next_address;
    [[nodiscard]] std::span<const NodeId> path() const { return {nodes.data(), length}; }
  };
  // Where a relay sends a datagram with this remaining path.
  Turn turn(std::span<const NodeId> remaining, std::size_t hops_max, UnixNanos now);

  [[nodiscard]] const LookupCounts& counts() const { return counts_; }
  // Why the newest file was not taken or not verified; empty if it was.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct CloseClient {
    void operator()(lpr_client* client) const { lpr_close(client); }
  };
  struct FreeReader {
    void operator()(lpr_reader* reader) const { lpr_reader_free(reader); }
  };

  RouteView(Options options, std::unique_ptr<lpr_client, CloseClient> client,
            std::unique_ptr<lpr_reader, FreeReader> reader);
  void learn_nodes();
  void read_expected(UnixNanos now);
  [[nodiscard]] bool as_published(const lpr_route& route) const;
  [[nodiscard]] IpAddress address_of(const lpr_hop& hop);

  Options options_;
  std::unique_ptr<lpr_client, CloseClient> client_;
  std::unique_ptr<lpr_reader, FreeReader> reader_;  // freed before the client
  TableVersion version_;
  TableVersion newest_answer_;
  NodeId self_;
  std::vector<KnownNode> nodes_;
  PushRoutes expected_;  // push candidates of the signed table of `expected_version_`
  TableVersion expected_version_;
  std::unordered_map<std::uint32_t, IpAddress> addresses_;  // (node, port), of this table
  LookupCounts counts_;
  std::string trouble_;
};

}  // namespace linkpilot::media

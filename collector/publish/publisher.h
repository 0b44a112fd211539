// The chain of published tables: gives each its version and predecessor, its expiry, its bytes and
// its signature, and knows the newest of every node. Pure but for the signature. What a node has
// loaded is in its AgentRecord.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/message.h"
#include "base/result.h"
#include "base/runtime/curve_keys.h"

namespace linkpilot::collector {

struct PublishedTable {
  std::shared_ptr<const RouteTable> table;
  std::shared_ptr<const SignedTable> envelope;
  bool restored = false;  // by an earlier run
};

struct TableLifetimes {
  Duration soft{};
  Duration hard{};
};

class Publisher {
 public:
  Publisher(SigningKey key, std::uint64_t epoch, TableLifetimes lifetimes);
  void set_lifetimes(TableLifetimes lifetimes) { lifetimes_ = lifetimes; }

  // Tables of an earlier run: still in force, and what the next ones follow. Unreadable ones are
  // left out.
  void restore(const std::vector<SignedTable>& tables);

  // All under one new version. A table that cannot be encoded is an error of ours: told, and
  // nothing is published.
  [[nodiscard]] Result<std::vector<PublishedTable>> publish(std::vector<RouteTable> tables,
                                                            UnixNanos now);
  // Publishes anew what comes near its soft expiry (60 % of its time), unchanged but for the times.
  // Tables of an earlier run are renewed without a solve only where the operator says that routes
  // stay as they are.
  [[nodiscard]] Result<std::vector<PublishedTable>> refresh(UnixNanos now,
                                                            bool with_restored = false);
  // Every later table is signed with this key; `republish` signs those in force with it.
  void set_key(const SigningKey& key) { key_ = key; }
  [[nodiscard]] const SigningPublicKey& signer() const { return key_.public_key; }
  [[nodiscard]] Result<std::vector<PublishedTable>> republish(UnixNanos now);
  // Every later table is of this epoch, if it is a later one than that of now.
  void raise_epoch(std::uint64_t epoch);
  // The node is no longer enrolled.
  void forget(NodeId node) { current_.erase(node); }

  [[nodiscard]] const PublishedTable* current(NodeId node) const;
  [[nodiscard]] const std::map<NodeId, PublishedTable>& tables() const { return current_; }
  // Of what is published next: epoch, and the version before it.
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t newest_version() const { return version_; }

 private:
  SigningKey key_;
  std::uint64_t epoch_;
  TableLifetimes lifetimes_;
  std::uint64_t version_ = 0;
  std::map<NodeId, PublishedTable> current_;
};

}  // namespace linkpilot::collector

// One network namespace and one TUN device per node, and the hygiene around them: a lock per
// prefix, a list of what was made (so that a later run removes exactly that, even after a kill),
// removal on exit.
//
// Names: namespace PREFIX-NODE in /run/netns (where `ip netns` looks), device wan0. State: folder
// /run/linkpilot-lab with PREFIX.lock and PREFIX.namespaces. Needs root; says exactly what is
// missing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/runtime/files.h"
#include "tools/lab/netlink.h"
#include "tools/lab/topology.h"

namespace linkpilot::lab {

inline constexpr std::size_t kPrefixLengthMax = 24;

// Lower-case letters, digits and '-', starting with a letter.
[[nodiscard]] bool is_valid_prefix(std::string_view prefix);

// Everything this machine lacks for a run, one line each; empty: ready.
[[nodiscard]] std::vector<std::string> missing_requirements();

// Holds the lock of a prefix for its lifetime. A second holder is `unavailable`, with the pid of
// the first. Taking it removes what an earlier run of the prefix left behind.
class RunLock {
 public:
  [[nodiscard]] static Result<RunLock> take(const std::string& prefix);
  RunLock(RunLock&&) noexcept = default;
  RunLock& operator=(RunLock&&) noexcept = default;

  // Namespaces removed when the lock was taken.
  [[nodiscard]] std::size_t leftovers() const { return leftovers_; }
  [[nodiscard]] const std::string& prefix() const { return prefix_; }
  [[nodiscard]] Status note_namespaces(const std::vector<std::string>& names) const;
  // Unmounts and removes the noted namespaces; the number removed.
  std::size_t remove_namespaces() const;

 private:
  RunLock(UniqueFd lock, std::string prefix) : lock_(std::move(lock)), prefix_(std::move(prefix)) {}
  UniqueFd lock_;
  std::string prefix_;
  std::size_t leftovers_ = 0;
};

struct NodeDevice {
  std::string network_namespace;
  UniqueFd tun;     // one IP packet per read and write, not blocking
  Netlink netlink;  // opened inside the namespace
};

// In the order of the topology's nodes. On failure everything made is removed with the lock.
[[nodiscard]] Result<std::vector<NodeDevice>> make_devices(const RunLock& lock,
                                                           const Topology& topology);

}  // namespace linkpilot::lab

// The door: which keys may connect, and who knocked in vain. The transport asks from a thread of
// its own (MessageServer::Allow), so everything here is thread-safe and quick.
//
// Refused keys are kept for the operator, at most kRefusedKeysMax; beyond that the one seen longest
// ago makes room.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/snapshot.h"
#include "base/time.h"

namespace linkpilot::collector {

inline constexpr std::size_t kRefusedKeysMax = 256;

struct RefusedKey {
  std::string public_key;
  std::string address;
  UnixNanos first;
  UnixNanos last;
  std::uint64_t count = 0;
  std::string reason;
};

class Door {
 public:
  using Keys = std::unordered_set<std::string>;

  void set_enrolled(Keys keys) { enrolled_.publish(std::make_shared<const Keys>(std::move(keys))); }
  // Shuts out the keys that `stays` denies; lets nobody in.
  void keep_only(const std::function<bool(const std::string&)>& stays);

  // True if the key is enrolled; otherwise the knock is noted.
  [[nodiscard]] bool admit(const std::string& public_key, const std::string& address,
                           UnixNanos now);

  // Where an enrolled key connected from last; empty: unknown.
  [[nodiscard]] std::string address_of(const std::string& public_key) const;

  // Newest first.
  [[nodiscard]] std::vector<RefusedKey> refused() const;
  // Keys that were refused for the first time since the last call.
  [[nodiscard]] std::vector<RefusedKey> take_new();

 private:
  Snapshot<Keys> enrolled_;
  mutable std::mutex mutex_;
  std::map<std::string, RefusedKey> refused_;               // guarded by mutex_
  std::vector<RefusedKey> new_;                             // guarded by mutex_
  std::unordered_map<std::string, std::string> addresses_;  // of enrolled keys; guarded by mutex_
};

}  // namespace linkpilot::collector

#include "collector/registry/door.h"

#include <algorithm>
#include <utility>

namespace linkpilot::collector {

bool Door::admit(const std::string& public_key, const std::string& address, UnixNanos now) {
  const std::shared_ptr<const Keys> keys = enrolled_.get();
  if (keys != nullptr && keys->contains(public_key)) return true;

  const std::lock_guard lock(mutex_);
  const auto found = refused_.find(public_key);
  if (found != refused_.end()) {
    found->second.last = now;
    found->second.address = address;
    ++found->second.count;
    return false;
  }
  if (refused_.size() >= kRefusedKeysMax) {
    refused_.erase(std::min_element(refused_.begin(), refused_.end(), [](const auto& a, const auto& b) {
      return a.second.last < b.second.last;
    }));
  }
  const RefusedKey knock{public_key, address, now, now, 1, "not enrolled"};
  refused_.emplace(public_key, knock);
  if (new_.size() < kRefusedKeysMax) new_.push_back(knock);
  return false;
}

std::vector<RefusedKey> Door::refused() const {
  std::vector<RefusedKey> out;
  {
    const std::lock_guard lock(mutex_);
    out.reserve(refused_.size());
    for (const auto& [key, knock] : refused_) out.push_back(knock);
  }
  std::sort(out.begin(), out.end(),
            [](const RefusedKey& a, const RefusedKey& b) { return a.last > b.last; });
  return out;
}

std::vector<RefusedKey> Door::take_new() {
  const std::lock_guard lock(mutex_);
  return std::exchange(new_, {});
}

}  // namespace linkpilot::collector

#include "collector/registry/door.h"

#include <algorithm>
#include <utility>

namespace linkpilot::collector {

bool Door::admit(const std::string& public_key, const std::string& address, UnixNanos now) {
  const std::shared_ptr<const Keys> keys = enrolled_.get();
  const bool enrolled = keys != nullptr && keys->contains(public_key);
  const std::lock_guard lock(mutex_);
  if (enrolled) {
    addresses_[public_key] = address;
    refused_.erase(public_key);
    return true;
  }
  const auto found = refused_.find(public_key);
  if (found != refused_.end()) {
    found->second.last = now;
    found->second.address = address;
    ++found->second.count;
    return false;
  }
  if (refused_.size() >= kRefusedKeysMax) {
    refused_.erase(std::min_element(
        refused_.begin(), refused_.end(),
        [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
  }
  const RefusedKey knock{public_key, address, now, now, 1, "not enrolled"};
  refused_.emplace(public_key, knock);
  if (new_.size() < kRefusedKeysMax) new_.push_back(knock);
  return false;
}

void Door::keep_only(const std::function<bool(const std::string&)>& stays) {
  const std::shared_ptr<const Keys> keys = enrolled_.get();
  if (keys == nullptr) return;
  Keys kept;
  for (const std::string& key : *keys) {
    if (stays(key)) kept.insert(key);
  }
  if (kept.size() == keys->size()) return;
  const std::lock_guard lock(mutex_);
  std::erase_if(addresses_, [&](const auto& address) { return !kept.contains(address.first); });
  set_enrolled(std::move(kept));
}

std::string Door::address_of(const std::string& public_key) const {
  const std::lock_guard lock(mutex_);
  const auto found = addresses_.find(public_key);
  return found == addresses_.end() ? "" : found->second;
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

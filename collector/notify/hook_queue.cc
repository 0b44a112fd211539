#include "collector/notify/hook_queue.h"

#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

Json known(double value) { return value < 0 ? Json(nullptr) : Json(value); }

Json time_or_null(UnixNanos time) { return time.ns == 0 ? Json(nullptr) : Json(format_utc(time)); }

Json json_of(const Fault& fault) {
  Json links = Json::array();
  for (const FaultLink& link : fault.links) {
    links.push_back({{"link", link.text},
                     {"grade", to_string(link.grade)},
                     {"rtt_ms_before", known(link.rtt_ms_before)},
                     {"rtt_ms", known(link.rtt_ms)},
                     {"loss_ratio_before", known(link.loss_ratio_before)},
                     {"loss_ratio", known(link.loss_ratio)},
                     {"seen", link.seen}});
  }
  return {{"id", fault.id},
          {"state", fault.open() ? "open" : "resolved"},
          {"scope", to_string(fault.scope)},
          {"grade", to_string(fault.grade)},
          {"severity", to_string(severity_of(fault.scope, fault.grade))},
          {"subject", subject_of(fault)},
          {"nodes", fault.members},
          {"region", fault.region},
          {"vendor", fault.vendor},
          {"since_at", format_utc(fault.since)},
          {"updated_at", format_utc(fault.updated)},
          {"resolved_at", time_or_null(fault.resolved)},
          {"detail", fault.detail},
          {"outcome", fault.outcome},
          {"links", std::move(links)},
          {"links_total", fault.links_total},
          {"routes", fault.routes},
          {"routes_total", fault.routes_total}};
}

}  // namespace

void HookQueue::set_settings(const HookSettings& settings) {
  settings_ = settings;
  attempts_ = 0;
  not_before_ = MonoTime{};
}

std::vector<std::string> HookQueue::add(HookDelivery delivery) {
  std::vector<std::string> dropped;
  waiting_.push_back(std::move(delivery));
  while (waiting_.size() > std::max<std::size_t>(1, settings_.queue_max)) {
    dropped.push_back(std::move(waiting_.front().id));
    waiting_.pop_front();
    ++counters_.dropped;
  }
  return dropped;
}

const HookDelivery* HookQueue::due(Now now) const {
  if (settings_.url.empty() || waiting_.empty() || now.mono < not_before_) return nullptr;
  return &waiting_.front();
}

std::optional<MonoTime> HookQueue::next_due() const {
  if (settings_.url.empty() || waiting_.empty()) return std::nullopt;
  return not_before_;
}

HookSettled HookQueue::settle(const std::string& id, int status, const std::string& error,
                              Now now) {
  HookSettled settled{id, true, ""};
  if (waiting_.empty() || waiting_.front().id != id) return settled;  // dropped for room meanwhile
  const bool taken = status >= 200 && status < 300;
  const bool never = status >= 400 && status < 500 && status != 408 && status != 429;
  if (!taken) {
    settled.trouble = error.empty() ? fmt::format("the receiver answers {}", status) : error;
  }
  if (taken) {
    ++counters_.delivered;
  } else if (never) {
    ++counters_.refused;
  } else if (now.wall - waiting_.front().created >= settings_.give_up_after) {
    ++counters_.dropped;
  } else {
    settled.done = false;
    ++counters_.failed;
    Duration pause = settings_.retry_min;
    for (std::uint32_t i = 0; i < attempts_ && pause < settings_.retry_max; ++i) pause *= 2;
    ++attempts_;
    not_before_ = now.mono + std::min(pause, settings_.retry_max);
    return settled;
  }
  waiting_.pop_front();
  if (taken || never) {
    attempts_ = 0;
    not_before_ = MonoTime{};
  }
  return settled;
}

HookDelivery make_delivery(const Notice& notice, UnixNanos now) {
  HookDelivery delivery;
  delivery.id =
      fmt::format("{}.{}.{}", notice.fault.id, notice.fault.events, to_string(notice.reason));
  delivery.created = now;
  const Json json = {{"version", 1},
                     {"delivery", delivery.id},
                     {"reason", to_string(notice.reason)},
                     {"fault", json_of(notice.fault)}};
  delivery.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return delivery;
}

std::string hmac_sha256(std::string_view secret, std::initializer_list<std::string_view> parts) {
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> digest{};
  crypto_auth_hmacsha256_state state;
  const auto octets = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  crypto_auth_hmacsha256_init(&state, octets(secret), secret.size());
  for (const std::string_view part : parts) {
    crypto_auth_hmacsha256_update(&state, octets(part), part.size());
  }
  crypto_auth_hmacsha256_final(&state, digest.data());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string sign_delivery(std::string_view secret, std::int64_t timestamp, std::string_view body) {
  return "sha256=" + hmac_sha256(secret, {fmt::format("{}.", timestamp), body});
}

NoticeRow row_of(const HookDelivery& delivery) {
  return {fmt::format("{}{}", kHookKey, delivery.id),
          fmt::format("{}\n{}", delivery.created.ns, delivery.body)};
}

Result<HookDelivery> delivery_of(const NoticeRow& row) {
  HookDelivery delivery;
  const char* const end = row.body.data() + row.body.size();
  const auto [rest, error] = std::from_chars(row.body.data(), end, delivery.created.ns);
  if (!row.key.starts_with(kHookKey) || error != std::errc() || rest == end || *rest != '\n') {
    return fail(ErrorCode::corrupt, "a delivery that is none");
  }
  delivery.id = row.key.substr(kHookKey.size());
  delivery.body.assign(rest + 1, end);
  return delivery;
}

}  // namespace linkpilot::collector

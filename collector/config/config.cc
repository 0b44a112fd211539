#include "collector/config/config.h"

#include <fmt/format.h>

#include <filesystem>

#include "collector/config/notify_config.h"
#include "collector/notify/recipients.h"

namespace linkpilot::collector {

namespace {

ListenConfig read_listen(ConfigReader reader) {
  ListenConfig out;
  out.agents = reader.text("agents", out.agents);
  out.agents_next = reader.text("agents_next", out.agents_next);
  out.http = reader.text("http", out.http);
  out.io_threads = static_cast<int>(reader.integer("io_threads", out.io_threads, {1, 64}));
  out.http_threads = static_cast<int>(reader.integer("http_threads", out.http_threads, {1, 64}));
  if (!out.agents.starts_with("tcp://")) {
    reader.reject("agents", fmt::format("\"{}\" must begin with tcp://", out.agents));
  }
  if (!out.agents_next.empty() && !out.agents_next.starts_with("tcp://")) {
    reader.reject("agents_next", fmt::format("\"{}\" must begin with tcp://", out.agents_next));
  }
  if (!out.http.empty() && out.http.rfind(':') == std::string::npos) {
    reader.reject("http", fmt::format("\"{}\" must be ADDRESS:PORT, or \"\" for none", out.http));
  }
  return out;
}

KeysConfig read_keys(ConfigReader reader) {
  KeysConfig out;
  out.curve_file = reader.text("curve_file", out.curve_file);
  out.curve_next_file = reader.text("curve_next_file", out.curve_next_file);
  out.signing_file = reader.text("signing_file", out.signing_file);
  out.probing_file = reader.text("probing_file", out.probing_file);
  out.enrolled_directory = reader.text("enrolled_directory", out.enrolled_directory);
  return out;
}

StoreConfig read_store(ConfigReader reader) {
  StoreConfig out;
  out.path = reader.text("path", out.path);
  out.retention = reader.duration("retention", out.retention,
                                  {std::chrono::minutes(1), std::chrono::hours(24 * 365)});
  out.size_max = reader.bytes("size_max", out.size_max,
                              {Bytes{std::uint64_t{16} << 20}, Bytes{std::uint64_t{1} << 44}});
  out.commit_interval = reader.duration("commit_interval", out.commit_interval,
                                        {std::chrono::milliseconds(1), std::chrono::seconds(1)});
  return out;
}

ProbingConfig read_probing(ConfigReader reader) {
  ProbingConfig out;
  out.fast_interval = reader.duration("fast_interval", out.fast_interval,
                                      {std::chrono::milliseconds(5), std::chrono::seconds(10)});
  out.slow_interval = reader.duration("slow_interval", out.slow_interval,
                                      {std::chrono::milliseconds(5), std::chrono::seconds(60)});
  out.flows = static_cast<std::uint8_t>(reader.integer("flows", out.flows, {1, 16}));
  out.warm_up =
      reader.duration("warm_up", out.warm_up, {std::chrono::seconds(0), std::chrono::minutes(10)});
  out.plan_lifetime = reader.duration("plan_lifetime", out.plan_lifetime,
                                      {std::chrono::seconds(5), std::chrono::hours(24)});
  out.authenticate = reader.flag("authenticate", out.authenticate);
  const std::string cross = reader.text("cross_isp", "penalty");
  if (cross == "never") {
    out.cross_isp = CrossIsp::never;
  } else if (cross == "penalty") {
    out.cross_isp = CrossIsp::penalty;
  } else if (cross == "free") {
    out.cross_isp = CrossIsp::free;
  } else {
    reader.reject("cross_isp", fmt::format("\"{}\" is none of never, penalty, free", cross));
  }
  if (out.slow_interval < out.fast_interval) {
    reader.reject("slow_interval", "must not be shorter than fast_interval");
  }
  return out;
}

RoutingConfig read_routing(ConfigReader reader) {
  RoutingConfig out;
  out.tick =
      reader.duration("tick", out.tick, {std::chrono::milliseconds(100), std::chrono::seconds(60)});
  out.margin_ms = reader.number("margin_ms", out.margin_ms, {0, 1'000});
  out.margin_ratio = reader.number("margin_ratio", out.margin_ratio, {0, 1});
  out.dwell = reader.duration("dwell", out.dwell, {std::chrono::seconds(0), std::chrono::hours(1)});
  out.soft_expiry = reader.duration("soft_expiry", out.soft_expiry,
                                    {std::chrono::seconds(5), std::chrono::hours(24)});
  out.hard_expiry = reader.duration("hard_expiry", out.hard_expiry,
                                    {std::chrono::seconds(10), std::chrono::hours(24 * 30)});
  out.churn_max = reader.number("churn_max", out.churn_max, {0.0, 1.0});
  out.quorum = reader.number("quorum", out.quorum, {0.0, 1.0});
  out.silent_after = reader.duration("silent_after", out.silent_after,
                                     {std::chrono::seconds(3), std::chrono::minutes(10)});
  // Beliefs are stale, and links without them left out, after 20 s without a sample.
  out.restart_grace = reader.duration("restart_grace", out.restart_grace,
                                      {std::chrono::seconds(0), std::chrono::seconds(15)});
  if (out.hard_expiry <= out.soft_expiry) {
    reader.reject("hard_expiry", "must be longer than soft_expiry");
  }
  return out;
}

FaultRules read_faults(ConfigReader reader) {
  FaultRules out;
  const Range<Duration> patience{std::chrono::seconds(1), std::chrono::hours(24)};
  out.dead_patience = reader.duration("dead_patience", out.dead_patience, patience);
  out.degraded_patience = reader.duration("degraded_patience", out.degraded_patience, patience);
  out.resolved_patience = reader.duration("resolved_patience", out.resolved_patience, patience);
  out.loss_enter = reader.number("loss_enter", out.loss_enter, {0.001, 1});
  out.loss_leave = reader.number("loss_leave", out.loss_leave, {0, 1});
  out.delay_enter_ms = reader.number("delay_enter_ms", out.delay_enter_ms, {1, 60'000});
  out.delay_leave_ms = reader.number("delay_leave_ms", out.delay_leave_ms, {0, 60'000});
  if (out.loss_leave >= out.loss_enter) reader.reject("loss_leave", "must be below loss_enter");
  if (out.delay_leave_ms >= out.delay_enter_ms) {
    reader.reject("delay_leave_ms", "must be below delay_enter_ms");
  }
  return out;
}

LogLevel read_log(ConfigReader reader) {
  const std::string level = reader.text("level", "info");
  if (level == "debug") return LogLevel::debug;
  if (level == "info") return LogLevel::info;
  if (level == "warn") return LogLevel::warn;
  if (level == "error") return LogLevel::error;
  reader.reject("level", fmt::format("\"{}\" is none of debug, info, warn, error", level));
  return LogLevel::info;
}

Result<CollectorConfig> read_config(ConfigReader reader) {
  CollectorConfig config;
  config.listen = read_listen(reader.table("listen"));
  config.keys = read_keys(reader.table("keys"));
  if (config.listen.agents_next.empty() != config.keys.curve_next_file.empty()) {
    reader.reject("listen", "[listen] agents_next and [keys] curve_next_file go together");
  }
  config.store = read_store(reader.table("store"));
  config.probing = read_probing(reader.table("probing"));
  config.routing = read_routing(reader.table("routing"));
  config.faults = read_faults(reader.table("faults"));
  config.mail = read_mail(reader.table("mail"));
  config.alerts = read_alertmanager(reader.table("alertmanager"));
  config.webhook = read_webhook(reader.table("webhook"));
  config.api.token_file = reader.table("api").text("token_file", "");
  config.log_level = read_log(reader.table("log"));
  if (Status status = reader.finish(); !status) return fail(status.error());
  return config;
}

void resolve(std::string& path, const std::filesystem::path& folder) {
  if (path.empty() || path.front() == '/') return;
  path = (folder / path).lexically_normal().string();
}

}  // namespace

Result<CollectorConfig> load_config(const std::string& path) {
  Result<ConfigReader> reader = ConfigReader::from_file(path);
  if (!reader) return fail(reader.error());
  Result<CollectorConfig> config = read_config(std::move(*reader));
  if (!config) return config;
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
  resolve(config->keys.curve_file, folder);
  resolve(config->keys.curve_next_file, folder);
  resolve(config->keys.signing_file, folder);
  resolve(config->keys.probing_file, folder);
  resolve(config->keys.enrolled_directory, folder);
  resolve(config->store.path, folder);
  resolve(config->mail.ca_file, folder);
  resolve(config->mail.password_file, folder);
  resolve(config->alerts.ca_file, folder);
  resolve(config->webhook.ca_file, folder);
  resolve(config->webhook.secret_file, folder);
  resolve(config->api.token_file, folder);
  return config;
}

std::vector<std::string> config_warnings(const CollectorConfig& config) {
  return recipient_warnings(config.mail);
}

Result<CollectorConfig> parse_config(std::string_view text, std::string name) {
  Result<ConfigReader> reader = ConfigReader::from_text(text, std::move(name));
  if (!reader) return fail(reader.error());
  return read_config(std::move(*reader));
}

}  // namespace linkpilot::collector

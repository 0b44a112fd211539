#include "collector/daemon/setup.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"
#include "base/runtime/secret_file.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kTokenOctets = 24;
constexpr unsigned kSecretMode = 0600;
constexpr unsigned kPublicMode = 0644;

constexpr const char* kStarter =
    R"(# Starter configuration of linkpilot-collector. All keys and their meaning: collector.toml as installed, or
# `linkpilot-collector --help`. Paths are relative to this file.

[listen]
agents = "tcp://0.0.0.0:7100"
http = "127.0.0.1:7180"

[keys]
curve_file = "collector.key"
signing_file = "routes.key"
enrolled_directory = "enrolled"
probing_file = "probing.key"

[store]
path = "collector.sqlite"

[api]
token_file = "token"
)";

std::span<const std::uint8_t> octets_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string make_token() {
  std::string token;
  for (const std::uint8_t octet : random_bytes(kTokenOctets)) token += fmt::format("{:02x}", octet);
  return token + "\n";
}

}  // namespace

Result<SetupReport> set_up(const std::string& directory) {
  SetupReport report;
  const std::filesystem::path base(directory);
  // Makes the file at `path` unless it is there.
  const auto make = [&](const std::filesystem::path& path, const auto& write) -> Status {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
      report.kept.push_back(path.string());
      return {};
    }
    if (Status status = write(path.string()); !status) return status;
    report.made.push_back(path.string());
    return {};
  };
  if (Status status = make_directories((base / "enrolled").string()); !status)
    return fail(status.error());
  Status status = make(base / "collector.key", [](const std::string& path) {
    return save_curve_key_pair(path, make_curve_key_pair());
  });
  if (!status) return fail(status.error());
  status = make(base / "routes.key",
                [](const std::string& path) { return save_signing_key(path, make_signing_key()); });
  if (!status) return fail(status.error());
  status = make(base / "probing.key",
                [](const std::string& path) { return save_secret(path, make_secret()); });
  if (!status) return fail(status.error());
  status = make(base / "token", [](const std::string& path) {
    return replace_file(path, octets_of(make_token()), kSecretMode);
  });
  if (!status) return fail(status.error());
  status = make(base / "collector.toml", [](const std::string& path) {
    return replace_file(path, octets_of(kStarter), kPublicMode);
  });
  if (!status) return fail(status.error());
  const Result<CurveKeyPair> keys = load_curve_key_pair((base / "collector.key").string());
  if (!keys) return fail(keys.error());
  report.public_key = keys->public_key;
  report.config_file = (base / "collector.toml").string();
  return report;
}

}  // namespace linkpilot::collector

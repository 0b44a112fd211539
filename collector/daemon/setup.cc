#include "collector/daemon/setup.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"
#include "base/runtime/secret_file.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kTokenOctets = 24;
constexpr unsigned kSecretKeyMode = 0600;
constexpr unsigned kStarterMode = 0644;

// Takes the prefix of what is state.
constexpr const char* kStarter =
    R"(# Starter configuration of linkpilot-collector. All keys and their meaning: collector.toml as installed, or
# `linkpilot-collector --help`. Paths are relative to this file.

[listen]
agents = "tcp://0.0.0.0:7100"
http = "127.0.0.1:7180"

[keys]
curve_file = "collector.key"
signing_file = "routes.key"
enrolled_directory = "{0}enrolled"
probing_file = "probing.key"

[store]
path = "{0}collector.sqlite"

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

// Hands a file over; without a user it stays whose it is.
class Owner {
 public:
  [[nodiscard]] static Result<Owner> of(const std::string& user) {
    Owner owner;
    if (user.empty()) return owner;
    const passwd* const entry = ::getpwnam(user.c_str());
    if (entry == nullptr) {
      return fail(ErrorCode::not_found, "there is no user " + user + " on this host");
    }
    owner.user_ = entry->pw_uid;
    owner.group_ = entry->pw_gid;
    return owner;
  }
  [[nodiscard]] Status give(const std::string& path) const {
    if (user_ == kNobody || ::chown(path.c_str(), user_, group_) == 0) return {};
    return fail(ErrorCode::permission, fmt::format("hand {} over to its user: {}; run this as root",
                                                   path, std::strerror(errno)));
  }

 private:
  static constexpr uid_t kNobody = static_cast<uid_t>(-1);  // chown(2): leaves it
  uid_t user_ = kNobody;
  gid_t group_ = static_cast<gid_t>(-1);
};

}  // namespace

Result<SetupReport> set_up(const SetupPlace& place) {
  const Result<Owner> owner = Owner::of(place.user);
  if (!owner) return fail(owner.error());
  SetupReport report;
  const std::filesystem::path base(place.directory);
  std::error_code ignored;
  const std::filesystem::path state =
      place.state.empty() ? base : std::filesystem::absolute(place.state, ignored);
  // Makes the file at `path` unless it is there.
  const auto make = [&](const std::filesystem::path& path, const auto& write) -> Status {
    std::error_code unused;
    if (std::filesystem::exists(path, unused)) {
      report.kept.push_back(path.string());
      return {};
    }
    if (Status status = write(path.string()); !status) return status;
    if (Status status = owner->give(path.string()); !status) return status;
    report.made.push_back(path.string());
    return {};
  };
  const std::string enrolled = (state / "enrolled").string();
  Status status = make_directories(base.string());
  if (status) status = make_directories(enrolled);
  if (status) status = owner->give(enrolled);
  if (!status) return fail(status.error());
  status = make(base / "collector.key", [](const std::string& path) {
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
    return replace_file(path, octets_of(make_token()), kSecretKeyMode);
  });
  if (!status) return fail(status.error());
  const std::string prefix = place.state.empty() ? "" : state.string() + "/";
  status = make(base / "collector.toml", [&prefix](const std::string& path) {
    return replace_file(path, octets_of(fmt::format(kStarter, prefix)), kStarterMode);
  });
  if (!status) return fail(status.error());
  const Result<CurveKeyPair> keys = load_curve_key_pair((base / "collector.key").string());
  if (!keys) return fail(keys.error());
  report.public_key = keys->public_key;
  report.config_file = (base / "collector.toml").string();
  return report;
}

}  // namespace linkpilot::collector

#include "collector/daemon/backup_places.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>

#include "base/runtime/files.h"

namespace linkpilot::collector {

namespace {
namespace fs = std::filesystem;
constexpr std::uint64_t kSpareOctets = std::uint64_t{64} << 20;
}  // namespace

std::vector<Place> key_places(const CollectorConfig& config) {
  std::vector<Place> places;
  const auto add = [&](const char* name, const std::string& path, unsigned mode, bool needed) {
    if (!path.empty()) places.push_back({name, path, mode, needed});
  };
  const auto beside = [](const std::string& path, const char* suffix) {
    return path.empty() ? path : path + suffix;
  };
  const KeysConfig& keys = config.keys;
  add("keys/curve", keys.curve_file, kSecretMode, true);
  add("keys/curve.pub", beside(keys.curve_file, ".pub"), kPublicMode, false);
  add("keys/curve_next", keys.curve_next_file, kSecretMode, false);
  add("keys/curve_next.pub", beside(keys.curve_next_file, ".pub"), kPublicMode, false);
  add("keys/signing", keys.signing_file, kSecretMode, true);
  add("keys/signing.pub", beside(keys.signing_file, ".pub"), kPublicMode, false);
  add("keys/probing", keys.probing_file, kSecretMode, config.probing.authenticate);
  add("keys/probing.old", beside(keys.probing_file, ".old"), kSecretMode, false);
  add("keys/token", config.api.token_file, kSecretMode, false);
  add("keys/mail_password", config.mail.password_file, kSecretMode, false);
  add("keys/mail_ca", config.mail.ca_file, kPublicMode, false);
  return places;
}

bool is_there(const std::string& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() != fs::file_type::not_found;
}

std::string standing_folder(const std::string& below) {
  std::error_code error;
  fs::path path = fs::absolute(below, error);
  while (!path.empty() && path != path.root_path() && !fs::exists(path, error)) {
    path = path.parent_path();
  }
  return path.string();
}

Status want_room(const std::string& path, std::uint64_t octets) {
  struct statvfs disk{};
  const std::string where = standing_folder(path);
  if (::statvfs(where.c_str(), &disk) != 0) return {};  // then the copy itself will say
  const std::uint64_t room = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (room >= octets + kSpareOctets) return {};
  return fail(ErrorCode::limit_exceeded,
              fmt::format("{}: {} MiB are free and {} MiB are needed", where, room >> 20,
                          (octets + kSpareOctets) >> 20));
}

Status sync_folder(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder && ::fsync(folder.get()) == 0) return {};
  return fail(ErrorCode::unavailable, "cannot sync " + path);
}

}  // namespace linkpilot::collector

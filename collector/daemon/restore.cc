#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"
#include "collector/config/config.h"
#include "collector/daemon/backup.h"
#include "collector/daemon/backup_places.h"
#include "collector/store/report_segment.h"
#include "collector/store/store_copy.h"

namespace linkpilot::collector {

namespace {

namespace fs = std::filesystem;

// Where each file of the backup goes; and refuses where something stands.
Result<std::vector<Place>> plan_restore(const BackupManifest& manifest,
                                        const CollectorConfig& config) {
  const std::vector<Place> keys = key_places(config);
  std::vector<Place> out;
  const auto folder_of = [](const std::string& name) { return name.substr(0, name.find('/')); };
  for (const BackupFile& file : manifest.files) {
    const std::string own = fs::path(file.name).filename().string();
    if (file.name == "config.toml") continue;
    if (file.name == "store/notes.sqlite") {
      out.push_back({file.name, config.store.path});
    } else if (file.name.starts_with("store/reports/")) {
      out.push_back({file.name, report_directory(config.store.path) + "/" + own});
    } else if (folder_of(file.name) == "enrolled") {
      out.push_back({file.name, config.keys.enrolled_directory + "/" + own, kPublicMode});
    } else if (const auto key = std::ranges::find(keys, file.name, &Place::name);
               key != keys.end()) {
      out.push_back(*key);
    }
    // else: a key that a kept configuration has no place for
  }
  for (const Place& place : keys) {
    const bool has = std::ranges::find(out, place.name, &Place::name) != out.end();
    if (place.needed && !has && !is_there(place.path)) {
      return fail(ErrorCode::corrupt,
                  fmt::format("the backup lacks {} ({})", place.name, place.path));
    }
  }
  const auto refuse = [](const std::string& path) {
    return fail(ErrorCode::invalid_argument,
                path +
                    " is there already: a restore overwrites nothing. Stop what runs here and "
                    "move it away, or restore elsewhere");
  };
  for (const std::string& folder :
       {report_directory(config.store.path), config.keys.enrolled_directory}) {
    std::error_code error;
    if (fs::exists(folder, error) && !fs::is_empty(folder, error)) return refuse(folder);
  }
  for (const char* beside : {"", "-wal", "-shm"}) {
    if (is_there(config.store.path + beside)) return refuse(config.store.path + beside);
  }
  for (const Place& place : out) {
    if (is_there(place.path)) return refuse(place.path);
  }
  return out;
}

// Made by root, used by the service's user: who owns the state directory owns the rest.
struct StoreOwner {
  uid_t user = 0;
  gid_t group = 0;
};
std::optional<StoreOwner> owner_of(const std::string& store_path) {
  struct stat facts{};
  const std::string folder = fs::path(store_path).parent_path().string();
  if (::geteuid() != 0 || ::stat(folder.c_str(), &facts) != 0 || facts.st_uid == 0) {
    return std::nullopt;
  }
  return StoreOwner{facts.st_uid, facts.st_gid};
}

// What was made, to be taken back unless `keep` is called.
class Made {
 public:
  ~Made() {
    std::error_code ignored;
    for (auto at = paths_.rbegin(); at != paths_.rend(); ++at) fs::remove(*at, ignored);
  }
  Status folder(const std::string& path) {
    std::vector<std::string> missing;
    std::error_code error;
    for (fs::path at = fs::absolute(path, error);
         !at.empty() && at != at.root_path() && !fs::exists(at, error); at = at.parent_path()) {
      missing.push_back(at.string());
    }
    paths_.insert(paths_.end(), missing.rbegin(), missing.rend());
    return make_directories(path);
  }
  void note(const std::string& path) { paths_.push_back(path); }
  [[nodiscard]] std::vector<std::string> keep() { return std::exchange(paths_, {}); }
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }

 private:
  std::vector<std::string> paths_;
};

Status put(const BackupManifest& manifest, const std::string& directory,
           const std::vector<Place>& places, Made& made) {
  for (const Place& place : places) {
    if (Status status = made.folder(fs::path(place.path).parent_path().string()); !status) {
      return status;
    }
    const auto file = std::ranges::find(manifest.files, place.name, &BackupFile::name);
    made.note(place.path);
    Result<CopiedFile> copied =
        copy_file(directory + "/" + place.name, place.path, file->octets, place.mode);
    if (!copied) return fail(copied.error());
    if (copied->sha256 != file->sha256) {
      return fail(ErrorCode::corrupt, directory + "/" + place.name + " changes as it is read");
    }
  }
  return {};
}

// Given to the service's user, and on the disk.
Status settle(const std::vector<std::string>& made, const std::optional<StoreOwner>& owner) {
  std::set<std::string> folders;
  for (const std::string& path : made) {
    folders.insert(standing_folder(fs::path(path).parent_path().string()));
    if (!owner || ::lchown(path.c_str(), owner->user, owner->group) == 0 || !is_there(path))
      continue;
    return fail(ErrorCode::permission, path + ": cannot be given to the state directory's user");
  }
  for (const std::string& folder : folders) {
    if (Status status = sync_folder(folder); !status) return status;
  }
  return {};
}

// Where the configuration is read while the rest is put in place: under another name, because a
// collector that finds its configuration may start.
Result<std::string> pending_config(const std::string& directory, const std::string& config_file,
                                   Made& made) {
  std::string pending = config_file + ".restoring";
  if (Status status = made.folder(fs::path(config_file).parent_path().string()); !status) {
    return fail(status.error());
  }
  std::error_code ignored;
  fs::remove(pending, ignored);
  made.note(pending);
  Result<CopiedFile> copied =
      copy_file(directory + "/config.toml", pending, kSmallFileMax, kPublicMode);
  if (!copied) return fail(copied.error());
  return pending;
}

Status put_all(const std::string& directory, const BackupManifest& manifest,
               const CollectorConfig& config, UnixNanos now, Made& made) {
  const std::optional<StoreOwner> owner = owner_of(config.store.path);
  const Result<std::vector<Place>> places = plan_restore(manifest, config);
  if (!places) return fail(places.error());
  std::uint64_t octets = 0;
  for (const BackupFile& file : manifest.files) octets += file.octets;
  if (Status status = want_room(config.store.path, octets); !status) return status;
  for (const std::string& folder :
       {report_directory(config.store.path), config.keys.enrolled_directory}) {
    if (Status status = made.folder(folder); !status) return status;
  }
  if (Status status = put(manifest, directory, *places, made); !status) return status;
  for (const char* beside : {"-wal", "-shm"}) made.note(config.store.path + beside);
  if (Status status = adopt_store(config.store.path, now); !status) return status;
  return settle(made.paths(), owner);
}

Result<RestoreReport> restore_with(const std::string& directory, const std::string& config_file,
                                   ConfigOfRestore use, UnixNanos now, Made& made) {
  Result<BackupManifest> manifest = check_backup(directory);
  if (!manifest) return fail(manifest.error());
  std::string read_from = config_file;
  if (use == ConfigOfRestore::from_backup) {
    if (is_there(config_file)) {
      return fail(ErrorCode::invalid_argument,
                  config_file +
                      " is there already: move it away to have the backup's, or say "
                      "--keep-config to restore to where it says");
    }
    Result<std::string> pending = pending_config(directory, config_file, made);
    if (!pending) return fail(pending.error());
    read_from = *pending;
  }
  const Result<CollectorConfig> config = load_config(read_from);
  if (!config) return fail(config.error());
  if (Status status = put_all(directory, *manifest, *config, now, made); !status) {
    return fail(status.error());
  }
  const Result<CurveKeyPair> keys = load_curve_key_pair(config->keys.curve_file);
  if (!keys) return fail(keys.error());
  if (use == ConfigOfRestore::from_backup) {
    std::error_code error;
    fs::rename(read_from, config_file, error);
    if (error) return fail(ErrorCode::unavailable, config_file + ": " + error.message());
  }
  return RestoreReport{*std::move(manifest), config_file, config->store.path, keys->public_key, {}};
}

}  // namespace

Result<RestoreReport> restore_backup(const std::string& directory, const std::string& config_path,
                                     ConfigOfRestore use, UnixNanos now) {
  std::error_code error;
  const std::string config_file = fs::absolute(config_path, error).string();
  const mode_t mask = ::umask(0077);
  Made made;
  Result<RestoreReport> report = restore_with(directory, config_file, use, now, made);
  ::umask(mask);
  if (!report) return report;
  report->made = made.keep();
  std::erase_if(report->made, [](const std::string& path) { return !is_there(path); });
  if (use == ConfigOfRestore::from_backup) report->made.push_back(config_file);
  return report;
}

}  // namespace linkpilot::collector

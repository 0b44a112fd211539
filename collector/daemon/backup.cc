#include "collector/daemon/backup.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/runtime/files.h"
#include "collector/config/config.h"
#include "collector/daemon/backup_places.h"
#include "collector/store/report_segment.h"
#include "collector/store/store_copy.h"
#include "collector/store/store_schema.h"

namespace linkpilot::collector {

namespace {

namespace fs = std::filesystem;

std::uint64_t directory_octets(const std::string& path) {
  std::uint64_t octets = 0;
  std::error_code error;
  for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::uintmax_t size = at->file_size(error);
    if (!error) octets += size;
    error.clear();
  }
  return octets;
}

class Copying {
 public:
  explicit Copying(std::string directory) : directory_(std::move(directory)) {}

  Status add(const std::string& name, const std::string& path) {
    Result<CopiedFile> copied =
        copy_file(path, directory_ + "/" + name, kSmallFileMax, kSecretMode);
    if (!copied) return fail(copied.error());
    manifest.files.push_back({name, copied->octets, copied->sha256});
    return {};
  }
  // A file that is in its place already.
  Status note(const std::string& name) {
    Result<CopiedFile> read = digest_file(directory_ + "/" + name);
    if (!read) return fail(read.error());
    manifest.files.push_back({name, read->octets, read->sha256});
    return {};
  }

  BackupManifest manifest;

 private:
  std::string directory_;
};

Status copy_keys(Copying& copying, const std::string& config_path, const CollectorConfig& config) {
  if (Status status = copying.add("config.toml", config_path); !status) return status;
  for (const Place& place : key_places(config)) {
    if (!place.needed && !is_there(place.path)) continue;
    if (Status status = copying.add(place.name, place.path); !status) return status;
  }
  std::error_code error;
  for (fs::directory_iterator at(config.keys.enrolled_directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = "enrolled/" + at->path().filename().string();
    if (at->path().extension() != ".pub" || !is_backup_name(name)) continue;
    if (copying.manifest.files.size() >= kBackupFilesMax) break;
    if (Status status = copying.add(name, at->path().string()); !status) return status;
  }
  if (!error) return {};
  return fail(ErrorCode::unavailable,
              config.keys.enrolled_directory + ": cannot be read: " + error.message());
}

Status note_store(Copying& copying, const std::string& directory) {
  if (Status status = copying.note("store/notes.sqlite"); !status) return status;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory + "/store/reports")) {
    names.push_back("store/reports/" + entry.path().filename().string());
  }
  std::ranges::sort(names);
  for (const std::string& name : names) {
    if (Status status = copying.note(name); !status) return status;
  }
  return sync_folder(directory + "/store/reports");
}

Result<BackupReport> fill(const std::string& config_path, const CollectorConfig& config,
                          const std::string& directory, UnixNanos now) {
  for (const char* folder : {"/keys", "/enrolled", "/store"}) {
    if (Status status = make_directories(directory + folder); !status) return fail(status.error());
  }
  Copying copying(directory);
  copying.manifest.made = now;
  copying.manifest.software = "linkpilot-collector " LINKPILOT_VERSION;
  copying.manifest.store_schema = kStoreSchema;
  copying.manifest.segment_version = kSegmentVersion;
  copying.manifest.config_name = "collector.toml";
  const std::string own_name = fs::path(config_path).filename().string();
  if (is_backup_name("keys/" + own_name)) copying.manifest.config_name = own_name;
  // Reports first, who is enrolled last: what a report speaks of is always there.
  Result<StoreCopy> store = copy_store(config.store.path, directory + "/store");
  if (!store) return fail(store.error());
  if (Status status = copy_keys(copying, config_path, config); !status) return fail(status.error());
  if (Status status = note_store(copying, directory); !status) return fail(status.error());
  const std::string text = encode(copying.manifest);
  Status status =
      replace_file(directory + "/manifest.json",
                   {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}, kSecretMode);
  if (!status) return fail(status.error());
  BackupReport report;
  report.files = copying.manifest.files.size();
  for (const BackupFile& file : copying.manifest.files) report.octets += file.octets;
  report.segments = store->segments;
  return report;
}

Result<BackupManifest> read_manifest(const std::string& directory) {
  Result<std::vector<std::uint8_t>> text =
      read_file(directory + "/manifest.json", kManifestOctetsMax);
  if (!text) {
    return fail(text.error().in(directory + " is no backup (those that were cut short have none)"));
  }
  return parse_manifest({reinterpret_cast<const char*>(text->data()), text->size()});
}

}  // namespace

Result<BackupReport> make_backup(const std::string& config_path, const std::string& directory,
                                 UnixNanos now) {
  const Result<CollectorConfig> config = load_config(config_path);
  if (!config) return fail(config.error());
  const std::string partial = directory + ".partial";
  for (const std::string& path : {directory, partial}) {
    if (is_there(path)) {
      return fail(ErrorCode::invalid_argument,
                  path + " is there already: name a new directory, or remove it");
    }
  }
  const std::uint64_t needed =
      directory_octets(report_directory(config->store.path)) +
      directory_octets(fs::path(config->store.path).parent_path().string());
  if (Status status = want_room(directory, needed); !status) return fail(status.error());
  const mode_t mask = ::umask(0077);
  Status made = make_directories(partial);
  Result<BackupReport> report =
      made ? fill(config_path, *config, partial, now) : Result<BackupReport>(fail(made.error()));
  ::umask(mask);
  std::error_code error;
  if (report) {
    fs::rename(partial, directory, error);
    if (error) report = fail(ErrorCode::unavailable, directory + ": " + error.message());
  }
  if (!report) {
    fs::remove_all(partial, error);
    return report;
  }
  if (Status status = sync_folder(standing_folder(fs::path(directory).parent_path().string()));
      !status) {
    return fail(status.error());
  }
  report->directory = directory;
  return report;
}

Result<BackupManifest> check_backup(const std::string& directory) {
  Result<BackupManifest> manifest = read_manifest(directory);
  if (!manifest) return manifest;
  for (const BackupFile& file : manifest->files) {
    const std::string path = directory + "/" + file.name;
    const Result<CopiedFile> read = digest_file(path);
    if (!read) return fail(read.error());
    if (read->octets != file.octets || read->sha256 != file.sha256) {
      return fail(
          ErrorCode::corrupt,
          fmt::format("{} is not what was backed up: {} octets with SHA-256 {}, the manifest "
                      "says {} with {}",
                      path, read->octets, read->sha256, file.octets, file.sha256));
    }
  }
  if (Status status = check_notes(directory + "/store/notes.sqlite"); !status) {
    return fail(status.error());
  }
  return manifest;
}

}  // namespace linkpilot::collector

#include "collector/store/backup_manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "collector/store/report_segment.h"
#include "collector/store/store_schema.h"

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kKind = "linkpilot-collector-backup";
constexpr std::size_t kNameMax = 200;
constexpr std::size_t kTextMax = 200;
constexpr std::size_t kSha256Digits = 64;

tl::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorCode::corrupt, "manifest.json: " + std::move(what));
}

bool is_plain(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

std::uint64_t number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  std::string text = found->get<std::string>();
  return text.size() <= kTextMax ? text : "";
}

bool is_sha256(std::string_view text) {
  return text.size() == kSha256Digits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Status check_versions(const Json& object, const BackupManifest& manifest) {
  const std::uint64_t format = number_at(object, "format");
  if (format == 0) return corrupt("names no format");
  const auto newer = [&](std::string_view what, std::uint64_t theirs, std::uint64_t ours) {
    return corrupt(
        fmt::format("{} {} of a newer program ({}); this one reads up to {}: restore with that "
                    "version or a later one",
                    what, theirs, manifest.software.empty() ? "unnamed" : manifest.software, ours));
  };
  if (format > kBackupFormat) return newer("format", format, kBackupFormat);
  if (manifest.store_schema > static_cast<std::uint64_t>(kStoreSchema)) {
    return newer("store schema", manifest.store_schema, kStoreSchema);
  }
  if (manifest.segment_version > kSegmentVersion) {
    return newer("report segments", manifest.segment_version, kSegmentVersion);
  }
  return {};
}

}  // namespace

bool is_backup_name(std::string_view name) {
  if (name.size() > kNameMax) return false;
  if (name == "config.toml" || name == "store/notes.sqlite") return true;
  for (const std::string_view folder : {"keys/", "enrolled/", "store/reports/"}) {
    if (name.starts_with(folder)) return is_plain(name.substr(folder.size()));
  }
  return false;
}

std::string encode(const BackupManifest& manifest) {
  Json files = Json::array();
  for (const BackupFile& file : manifest.files) {
    files.push_back({{"name", file.name}, {"octets", file.octets}, {"sha256", file.sha256}});
  }
  const Json out = {{"kind", kKind},
                    {"format", kBackupFormat},
                    {"made_at", format_utc(manifest.made)},
                    {"made_unix_ns", manifest.made.ns},
                    {"software", manifest.software},
                    {"store_schema", manifest.store_schema},
                    {"segment_version", manifest.segment_version},
                    {"config_name", manifest.config_name},
                    {"files", std::move(files)}};
  return out.dump(1) + "\n";
}

Result<BackupManifest> parse_manifest(std::string_view text) {
  if (text.size() > kManifestOctetsMax) return corrupt("too large");
  // What nests deeper than ours is dropped as it is read.
  const Json object =
      Json::parse(text, [](int level, Json::parse_event_t, Json&) { return level <= 4; }, false);
  if (!object.is_object() || text_at(object, "kind") != kKind) {
    return corrupt("not the manifest of a collector's backup");
  }
  BackupManifest manifest;
  const std::uint64_t made = number_at(object, "made_unix_ns");
  manifest.made.ns = static_cast<std::int64_t>(
      std::min<std::uint64_t>(made, std::numeric_limits<std::int64_t>::max()));
  manifest.software = text_at(object, "software");
  manifest.store_schema = number_at(object, "store_schema");
  manifest.segment_version = number_at(object, "segment_version");
  manifest.config_name = text_at(object, "config_name");
  if (Status status = check_versions(object, manifest); !status) return fail(status.error());
  if (!is_plain(manifest.config_name)) return corrupt("config_name is not a file's name");
  const auto files = object.find("files");
  if (files == object.end() || !files->is_array() || files->size() > kBackupFilesMax) {
    return corrupt("no list of files, or too long a one");
  }
  std::set<std::string> seen;
  std::uint64_t total = 0;
  for (const Json& each : *files) {
    BackupFile file;
    if (each.is_object()) {
      file = {text_at(each, "name"), number_at(each, "octets"), text_at(each, "sha256")};
    }
    if (!is_backup_name(file.name) || !is_sha256(file.sha256) || !seen.insert(file.name).second) {
      return corrupt("a file that has no place in a backup: " +
                     Json(file.name).dump(-1, ' ', true, Json::error_handler_t::replace));
    }
    if (file.octets > std::numeric_limits<std::int64_t>::max() - total) return corrupt("too large");
    total += file.octets;
    manifest.files.push_back(std::move(file));
  }
  for (const char* needed : {"config.toml", "store/notes.sqlite"}) {
    if (!seen.contains(needed)) return corrupt(fmt::format("it lacks {}", needed));
  }
  return manifest;
}

}  // namespace linkpilot::collector

// A manifest.json of anybody: refused with a sentence, or one whose files stay inside the backup
// and which is read back the same.
#include <cstdlib>

#include "collector/store/backup_manifest.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_backup_manifest, data, size) {
  using namespace linkpilot::collector;
  const linkpilot::Result<BackupManifest> manifest =
      parse_manifest({reinterpret_cast<const char*>(data), size});
  if (!manifest) {
    if (manifest.error().message.empty()) std::abort();
    return 0;
  }
  for (const BackupFile& file : manifest->files) {
    if (!is_backup_name(file.name) || file.name.find("..") == 0) std::abort();
  }
  const linkpilot::Result<BackupManifest> again = parse_manifest(encode(*manifest));
  if (!again || !(again->files == manifest->files)) std::abort();
  return 0;
}

// The folder of NAME.pub files, watched: inotify tells at once, a scan every two seconds tells what
// inotify cannot (network file systems, a folder made later). Runs on the loop's thread.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/registry/registry.h"

namespace linkpilot::collector {

// All readable key files of the folder; `unreadable` names those that hold no key, with the reason.
struct DirectoryScan {
  std::vector<KeyFile> files;
  std::vector<std::string> unreadable;
};
[[nodiscard]] Result<DirectoryScan> scan_enrolled_directory(const std::string& path);

// Writes NAME.pub whole or not at all: one key, or two during a change-over.
[[nodiscard]] Status write_key_file(const std::string& directory, const KeyFile& file);
[[nodiscard]] Status remove_key_file(const std::string& directory, const std::string& name);

class EnrolledDirectory {
 public:
  using OnScan = std::function<void(Result<DirectoryScan>)>;
  // Calls `on_scan` once from `start`, then at every change and every two seconds.
  EnrolledDirectory(asio::io_context& loop, std::string path, OnScan on_scan);
  ~EnrolledDirectory();
  EnrolledDirectory(const EnrolledDirectory&) = delete;
  EnrolledDirectory& operator=(const EnrolledDirectory&) = delete;
  void start();
  // Looks now: what `enrol` and `revoke` changed is in force when this returns.
  void scan();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace linkpilot::collector

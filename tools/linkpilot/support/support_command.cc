// `linkpilot support-bundle`: what somebody needs who cannot log in here, without a secret.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/runtime/files.h"
#include "tools/linkpilot/doctor/doctor.h"
#include "tools/linkpilot/support/archive.h"
#include "tools/linkpilot/support/redact.h"

namespace linkpilot::cli {

namespace {

constexpr std::size_t kFileMax = std::size_t{1} << 20;  // of each; logs: their last part
constexpr std::size_t kBundleMax = std::size_t{24} << 20;
constexpr std::size_t kSecretFileMax = std::size_t{64} << 10;
constexpr const char* kKernelFiles[] = {"/proc/version",
                                        "/proc/uptime",
                                        "/proc/loadavg",
                                        "/proc/meminfo",
                                        "/proc/net/snmp",
                                        "/proc/net/dev",
                                        "/proc/net/softnet_stat",
                                        "/proc/sys/net/core/rmem_max",
                                        "/proc/sys/net/core/wmem_max",
                                        "/proc/sys/net/core/netdev_max_backlog",
                                        "/proc/sys/net/ipv4/ip_unprivileged_port_start",
                                        "/proc/sys/net/ipv4/ip_local_port_range",
                                        "/etc/os-release"};

struct BundleOrder {
  DoctorOrder doctor;
  std::string out;
  std::vector<std::string> logs;
};

// The last `octets_max` of a file; nothing where it cannot be read.
std::optional<std::string> tail_of(const std::string& path, std::size_t octets_max) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) return std::nullopt;
  // Files of /proc have no size and are read from the start.
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(facts.st_size, 0));
  off_t at = size > octets_max ? static_cast<off_t>(size - octets_max) : 0;
  std::string text(octets_max, '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::pread(fd.get(), text.data() + filled, text.size() - filled, at);
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
    at += got;
  }
  text.resize(filled);
  return text;
}

class Bundle {
 public:
  explicit Bundle(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}

  void add(std::string name, std::string_view text) {
    const bool cut = text.size() > kFileMax;
    std::string kept = redact(cut ? text.substr(text.size() - kFileMax) : text, secrets_);
    if (cut) kept.insert(0, "(its last part)\n");
    if (octets_ + kept.size() > kBundleMax) {
      left_out_ += "  " + name + ": the bundle is full\n";
      return;
    }
    octets_ += kept.size();
    files_.push_back({"linkpilot-support/" + std::move(name), std::move(kept)});
  }
  void add_file(const std::string& name, const std::string& path) {
    if (const std::optional<std::string> text = tail_of(path, kFileMax)) {
      add(name, *text);
    } else {
      left_out_ += fmt::format("  {}: {}: {}\n", name, path, std::strerror(errno));
    }
  }
  void add_answer(const std::string& name, const Result<Json>& answer) {
    if (answer) {
      add(name, answer->dump(1) + "\n");
    } else {
      left_out_ += fmt::format("  {}: {}\n", name, redact(answer.error().message, secrets_));
    }
  }
  [[nodiscard]] std::string octets() {
    add("README",
        fmt::format("linkpilot support-bundle, {}\nSecrets are replaced by ***, keys and paths of "
                    "URLs among them.\nNot there:\n{}",
                    format_utc(SystemClock().now().wall), left_out_.empty() ? "  -\n" : left_out_));
    return tar_of(files_, SystemClock().now().wall);
  }
  [[nodiscard]] std::size_t count() const { return files_.size(); }

 private:
  std::vector<std::string> secrets_;
  std::vector<ArchiveFile> files_;
  std::size_t octets_ = 0;
  std::string left_out_;
};

// Paths behind keys that end in _file, as the text has them: also of a configuration with a
// mistake, which is what people ask for help with.
void add_named_files(const std::string& config_file, std::vector<std::string>& paths) {
  const std::string text = tail_of(config_file, kFileMax).value_or("");
  const std::filesystem::path folder = std::filesystem::path(config_file).parent_path();
  constexpr std::string_view kKey = "_file";
  constexpr std::size_t kPathsMax = 64;
  for (std::size_t at = text.find(kKey); at != std::string::npos && paths.size() < kPathsMax;
       at = text.find(kKey, at + 1)) {
    const std::string_view line(text.data() + at, std::min(text.find('\n', at), text.size()) - at);
    const std::size_t open = line.find('"');
    const std::size_t close = open == line.npos ? line.npos : line.find('"', open + 1);
    if (close == line.npos) continue;
    const std::string path = (folder / line.substr(open + 1, close - open - 1)).string();
    if (!path.ends_with(".pub") && !path.ends_with(".bin")) paths.push_back(path);
  }
}

// What must not be in the bundle wherever it may stand: the contents of all secret files.
std::vector<std::string> secrets_of(const Context& context, const HostConfigs& configs) {
  std::vector<std::string> paths{context.api.token_file};
  if (configs.agent) paths.push_back(configs.agent->key_file);
  if (configs.collector) {
    const collector::CollectorConfig& config = *configs.collector;
    paths.insert(paths.end(),
                 {config.keys.curve_file, config.keys.curve_next_file, config.keys.signing_file,
                  config.keys.probing_file, config.keys.probing_file + ".old",
                  config.api.token_file, config.mail.password_file, config.webhook.secret_file});
  }
  add_named_files(configs.agent_file, paths);
  add_named_files(configs.collector_file, paths);
  std::vector<std::string> secrets;
  for (const std::string& path : paths) {
    if (path.empty()) continue;
    const auto text = tail_of(path, kSecretFileMax);
    std::string_view rest = text ? std::string_view(*text) : std::string_view();
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
      if (line.empty()) continue;
      secrets.emplace_back(line);
      // As JSON would write it.
      const std::string quoted =
          Json(std::string(line)).dump(-1, ' ', false, Json::error_handler_t::replace);
      secrets.push_back(quoted.substr(1, quoted.size() - 2));
    }
  }
  return secrets;
}

void add_journal(Bundle& bundle) {
  FILE* pipe = ::popen(
      "journalctl --no-pager -n 3000 -o short-iso -u linkpilot-agent -u linkpilot-collector "
      "2>&1 </dev/null",
      "r");
  if (pipe == nullptr) return;
  std::string text;
  std::array<char, 4096> chunk{};
  // What comes beyond is read and dropped, so that journalctl ends.
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), pipe)) {
    text.append(chunk.data(), got);
    if (text.size() > 2 * kFileMax) text.erase(0, text.size() - kFileMax);
  }
  ::pclose(pipe);
  bundle.add("journal.log", text);
}

void add_collector(const Context& context, Bundle& bundle) {
  const ApiClient client = context.client();
  const Result<Json> status = client.get("/v1/status");
  bundle.add_answer("collector/status.json", status);
  if (!status) return;
  bundle.add_answer("collector/agents.json", client.get("/v1/agents"));
  bundle.add_answer("collector/events.json", client.get("/v1/events", {{"limit", "1000"}}));
  bundle.add_answer("collector/faults.json", client.get("/v1/faults"));
  bundle.add_answer("collector/links.json", client.get("/v1/links"));
  bundle.add_answer("collector/hand.json", client.get("/v1/hand"));
  if (const Result<std::string> page = client.text("/metrics")) {
    bundle.add("collector/metrics.txt", *page);
  }
}

// New, and readable by its owner only.
Status write_new(const std::string& path, std::span<const std::uint8_t> octets) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) {
    return fail(errno == EEXIST ? ErrorCode::invalid_argument : ErrorCode::permission,
                fmt::format("{}: {}; --out names another file", path, std::strerror(errno)));
  }
  while (!octets.empty()) {
    const ssize_t done = ::write(fd.get(), octets.data(), octets.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      const std::string reason = std::strerror(errno);
      ::unlink(path.c_str());
      return fail(ErrorCode::unavailable, fmt::format("{}: {}", path, reason));
    }
    octets = octets.subspan(static_cast<std::size_t>(done));
  }
  return {};
}

int run_bundle(const Context& context, const BundleOrder& order) {
  const HostConfigs configs = read_configs(order.doctor);
  Bundle bundle(secrets_of(context, configs));
  bundle.add("version.txt", "linkpilot " LINKPILOT_VERSION "\n");
  const Examination found = examine(context, order.doctor, configs);
  bundle.add("doctor.txt", doctor_text(found));
  bundle.add("doctor.json", doctor_json(found).dump(1) + "\n");
  if (configs.agent || order.doctor.agent_named) {
    bundle.add_file("agent.toml", configs.agent_file);
  }
  if (configs.agent) {
    bundle.add_file("agent.metrics.prom", configs.agent->state_directory + "/metrics.prom");
  }
  if (configs.collector || order.doctor.collector_named) {
    bundle.add_file("collector.toml", configs.collector_file);
  }
  for (const char* path : kKernelFiles) bundle.add_file("kernel" + std::string(path), path);
  add_collector(context, bundle);
  add_journal(bundle);
  for (std::size_t i = 0; i < order.logs.size(); ++i) {
    bundle.add_file(fmt::format("log-{}.log", i + 1), order.logs[i]);
  }
  std::string out = order.out;
  if (out.empty()) {
    std::string time = format_utc(SystemClock().now().wall).substr(0, 19);
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    out = fmt::format("linkpilot-support-{}.tar.gz", time);
  }
  const Result<std::vector<std::uint8_t>> packed = gzip_of(bundle.octets());
  if (!packed) return report_failure(packed.error());
  if (Status status = write_new(out, *packed); !status) return report_failure(status.error());
  if (context.json) {
    print_json("support_bundle",
               {{"file", out}, {"files", bundle.count()}, {"octets", packed->size()}});
  } else {
    fmt::print(
        "{}: {} files, {} octets; secrets are replaced by ***. Look at it before it leaves "
        "the house: tar -xzOf {} | less\n",
        out, bundle.count(), packed->size(), out);
  }
  return kOk;
}

}  // namespace

void add_support_bundle(Command app, Context& context) {
  auto order = std::make_shared<BundleOrder>();
  Command bundle = app.verb(
      "support-bundle",
      "One .tar.gz for who is to help: configurations, doctor, figures, events, logs, kernel "
      "facts; without secrets");
  bundle.option("--out", order->out, "the file to make (default: linkpilot-support-TIME.tar.gz)");
  bundle.option("--log", order->logs, "a log file whose end goes along; may be given again")
      .one_value_each();
  add_doctor_options(bundle, order->doctor);
  on_run(bundle, context, [&context, order] { return run_bundle(context, *order); });
}

}  // namespace linkpilot::cli

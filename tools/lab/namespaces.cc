#include "tools/lab/namespaces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

namespace linkpilot::lab {
namespace {

constexpr std::string_view kStateFolder = "/run/linkpilot-lab";
constexpr std::string_view kNamespaceFolder = "/run/netns";
constexpr std::size_t kStateBytesMax = 64 * 1024;
// Bursts must not be lost in the device: 500 packets, the default, lose some at 40 k/s.
constexpr std::uint32_t kDeviceQueuePackets = 10'000;

std::string state_path(std::string_view prefix, std::string_view suffix) {
  return fmt::format("{}/{}.{}", kStateFolder, prefix, suffix);
}

std::string namespace_path(std::string_view name) {
  return fmt::format("{}/{}", kNamespaceFolder, name);
}

Status system_failure(std::string_view what) {
  const int error = errno;
  return fail(error == EPERM || error == EACCES ? ErrorCode::permission : ErrorCode::unavailable,
              fmt::format("{}: {}", what, std::strerror(error)));
}

std::string read_text(const std::string& path) {
  const auto bytes = read_file(path, kStateBytesMax);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

bool write_text(const std::string& path, std::string_view text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// /run/netns must be a shared mount point, or namespaces mounted in it stay invisible to processes
// with a mount namespace of their own (ip-netns(8)).
Status prepare_namespace_folder() {
  const std::string folder(kNamespaceFolder);
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return system_failure(folder);
  if (::mount("", folder.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL) return system_failure("share " + folder);
  if (::mount(folder.c_str(), folder.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", folder.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return system_failure("mount " + folder);
  }
  return {};
}

// Moves the calling thread into a new network namespace and gives that a name.
Status enter_new_namespace(const std::string& name) {
  const std::string path = namespace_path(name);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!file && errno == EEXIST) {
    return fail(
        ErrorCode::unavailable,
        fmt::format("network namespace {} exists and is not this prefix's own; choose another "
                    "--prefix, or remove it with: ip netns delete {}",
                    name, name));
  }
  if (!file) return system_failure(path);
  if (::unshare(CLONE_NEWNET) != 0) return system_failure("new network namespace");
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
    return system_failure("name network namespace " + name);
  }
  return {};
}

// Reverse-path filters of 1 or 2 silently drop what virtual routers answer; router solicitations
// and link-local addresses would put packets in the ledger that no test sent.
void quieten_namespace() {
  struct Setting {
    const char* path;
    const char* value;
  };
  constexpr Setting kSettings[] = {
      {"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
      {"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
      {"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
      {"/proc/sys/net/ipv6/conf/default/router_solicitations", "0"},
      {"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
      {"/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"},  // 1: no link-local address
      {"/proc/sys/net/ipv6/conf/default/mldv2_unsolicited_report_interval", "0"},
      {"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"},
  };
  for (const Setting& setting : kSettings) (void)write_text(setting.path, setting.value);
}

Result<UniqueFd> open_tun() {
  UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun) return fail(system_failure("/dev/net/tun").error());
  ifreq request{};
  std::strncpy(request.ifr_name, "wan0", IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) {
    return fail(system_failure("make TUN device wan0").error());
  }
  return tun;
}

Result<NodeDevice> make_device(const std::string& name, const LabNode& node) {
  if (Status status = enter_new_namespace(name); !status) return fail(status.error());
  quieten_namespace();
  Result<UniqueFd> tun = open_tun();
  if (!tun) return fail(tun.error());
  Result<Netlink> netlink = Netlink::open();
  if (!netlink) return fail(netlink.error());
  if (Status status = netlink->set_up("lo"); !status) return fail(status.error());
  Status status =
      netlink->set_up("wan0", {.mtu = 1500, .transmit_queue_packets = kDeviceQueuePackets});
  if (status) status = netlink->add_address(node.v4);
  if (status) status = netlink->add_address(node.v6);
  if (status) status = netlink->add_default_route(Netlink::Family::v4);
  if (status) status = netlink->add_default_route(Netlink::Family::v6);
  if (!status) return fail(status.error());
  return NodeDevice{name, *std::move(tun), *std::move(netlink)};
}

}  // namespace

bool is_valid_prefix(std::string_view prefix) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !prefix.empty() && prefix.size() <= kPrefixLengthMax && prefix[0] >= 'a' &&
         prefix[0] <= 'z' && std::ranges::all_of(prefix, is_allowed);
}

std::vector<std::string> missing_requirements() {
  std::vector<std::string> missing;
  if (::geteuid() != 0) missing.emplace_back("root: run it with sudo");
  if (::access("/dev/net/tun", F_OK) != 0) {
    missing.emplace_back(
        "/dev/net/tun: load it with `modprobe tun`, or pass the device into the "
        "container (--device /dev/net/tun)");
  } else if (const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)); !tun) {
    missing.emplace_back(fmt::format("/dev/net/tun cannot be opened: {}", std::strerror(errno)));
  }
  int unshare_error = 0;
  std::thread([&unshare_error] {
    if (::unshare(CLONE_NEWNET) != 0) unshare_error = errno;
  }).join();
  if (unshare_error != 0) {
    missing.emplace_back(fmt::format(
        "network namespaces: unshare(CLONE_NEWNET): {}; CAP_SYS_ADMIN and CONFIG_NET_NS are needed",
        std::strerror(unshare_error)));
  }
  return missing;
}

Result<RunLock> RunLock::take(const std::string& prefix) {
  if (!is_valid_prefix(prefix)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("prefix \"{}\": use 1 to {} of a-z 0-9 -, starting with a letter",
                            prefix, kPrefixLengthMax));
  }
  if (::mkdir(std::string(kStateFolder).c_str(), 0755) != 0 && errno != EEXIST) {
    return fail(system_failure(kStateFolder).error());
  }
  const std::string path = state_path(prefix, "lock");
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!file) return fail(system_failure(path).error());
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("prefix \"{}\" is in use by process {}; choose another --prefix",
                            prefix, read_text(path)));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return fail(system_failure(path).error());
  }
  RunLock lock(std::move(file), prefix);
  lock.leftovers_ = lock.remove_namespaces();
  return lock;
}

Status RunLock::note_namespaces(const std::vector<std::string>& names) const {
  const std::string text = fmt::format("{}\n", fmt::join(names, "\n"));
  return replace_file(state_path(prefix_, "namespaces"),
                      std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()),
                      0644);
}

std::size_t RunLock::remove_namespaces() const {
  const std::string list = state_path(prefix_, "namespaces");
  const std::string text = read_text(list);
  std::size_t removed = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string path = namespace_path(text.substr(at, end - at));
    at = end + 1;
    if (path.size() == kNamespaceFolder.size() + 1) continue;
    (void)::umount2(path.c_str(), MNT_DETACH);
    if (::unlink(path.c_str()) == 0) ++removed;
  }
  (void)::unlink(list.c_str());
  return removed;
}

Result<std::vector<NodeDevice>> make_devices(const RunLock& lock, const Topology& topology) {
  if (Status status = prepare_namespace_folder(); !status) return fail(status.error());
  std::vector<std::string> names;
  for (const LabNode& node : topology.nodes) names.push_back(lock.prefix() + "-" + node.name);
  // A name that exists already is somebody else's: it must not get on the list of what is removed.
  for (const std::string& name : names) {
    if (::access(namespace_path(name).c_str(), F_OK) == 0) {
      return fail(
          ErrorCode::unavailable,
          fmt::format("network namespace {} exists already and was not made by a run of this "
                      "prefix; choose another --prefix, or: ip netns delete {}",
                      name, name));
    }
  }
  if (Status status = lock.note_namespaces(names); !status) return fail(status.error());
  std::vector<NodeDevice> devices;
  std::optional<Error> error;
  // Entering namespaces changes a thread for good, so one is spent on it.
  std::thread([&] {
    for (std::size_t i = 0; i < names.size() && !error; ++i) {
      Result<NodeDevice> device = make_device(names[i], topology.nodes[i]);
      if (device) {
        devices.push_back(*std::move(device));
      } else {
        error = device.error().in(names[i]);
      }
    }
  }).join();
  if (error) {
    devices.clear();
    lock.remove_namespaces();
    return fail(*error);
  }
  return devices;
}

}  // namespace linkpilot::lab

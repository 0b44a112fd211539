#include "tests/unit/collector/disk_faults.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>

namespace linkpilot::collector::disk_faults {
namespace {

struct Order {
  int good = 0;
  int times = 0;
  int error = 0;
};
std::mutex g_orders_mutex;
std::array<Order, 3> g_orders;
Order g_cut;
std::size_t g_cut_octets = 0;

// True once for each call that an order names.
bool is_due(Order& order) {
  if (order.times == 0) return false;
  if (order.good > 0) {
    --order.good;
    return false;
  }
  --order.times;
  return true;
}

// The error to fail with, or zero.
int ordered_error(Call call) {
  const std::lock_guard lock(g_orders_mutex);
  Order& order = g_orders[static_cast<std::size_t>(call)];
  return is_due(order) ? order.error : 0;
}

std::size_t allowed_octets(std::size_t wanted) {
  const std::lock_guard lock(g_orders_mutex);
  if (!is_due(g_cut)) return wanted;
  g_orders[static_cast<std::size_t>(Call::write)] = {0, 1, ENOSPC};
  return std::min(wanted, g_cut_octets);
}

}  // namespace

void fail(Call call, int good, int times, int error) {
  const std::lock_guard lock(g_orders_mutex);
  g_orders[static_cast<std::size_t>(call)] = {good, times, error};
}

void cut_write(int good, std::size_t octets) {
  const std::lock_guard lock(g_orders_mutex);
  g_cut = {good, 1, 0};
  g_cut_octets = octets;
}

void heal() {
  const std::lock_guard lock(g_orders_mutex);
  g_orders = {};
  g_cut = {};
}

}  // namespace linkpilot::collector::disk_faults

namespace disk_faults = linkpilot::collector::disk_faults;

// NOLINTBEGIN: the names are the C library's
extern "C" ssize_t pwrite(int fd, const void* octets, size_t size, off_t at) {
  if (const int error = disk_faults::ordered_error(disk_faults::Call::write)) {
    errno = error;
    return -1;
  }
  return ::syscall(SYS_pwrite64, fd, octets, disk_faults::allowed_octets(size), at);
}

extern "C" int fdatasync(int fd) {
  if (const int error = disk_faults::ordered_error(disk_faults::Call::sync)) {
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" int fallocate(int fd, int mode, off_t at, off_t size) {
  if (const int error = disk_faults::ordered_error(disk_faults::Call::set_aside)) {
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, at, size));
}
// NOLINTEND

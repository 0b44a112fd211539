/* Preloaded into a collector: fdatasync and fsync fail while the file that LINKPILOT_TEST_FAIL_SYNC
   names exists. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sync_fails(void) {
  const char* trigger = getenv("LINKPILOT_TEST_FAIL_SYNC");
  return trigger != NULL && access(trigger, F_OK) == 0;
}

int fdatasync(int fd) {
  if (sync_fails()) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
  if (sync_fails()) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(SYS_fsync, fd);
}

/* What a client and its readers are made of. Private to linkpilot-routes.

   A snapshot (one table, one marks mapping) never changes once it is published in `current`. A
   reader announces in `pinned` the snapshot it answers from, and leaves it there between look-ups:
   as long as `current` is what it has pinned, a look-up is one load and one comparison. The poller
   unmaps a snapshot only after it has taken it out of `current` and then seen it in no reader's
   `pinned` (hazard pointers: M. Michael, IEEE TPDS 15(6), 2004). */
#ifndef LINKPILOT_AGENT_ROUTE_CLIENT_CLIENT_H_
#define LINKPILOT_AGENT_ROUTE_CLIENT_CLIENT_H_

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "agent/route_client/linkpilot_routes.h"
#include "schemas/route_file_check.h"

/* Which file a path led to. Two files that were there one after the other differ in one of these.
 */
struct lpr_seen {
  dev_t device;
  ino_t inode;
  int fd; /* -1: none yet */
};

/* One mapped file, shared by the snapshots that use it. Under the client's lock. */
struct lpr_mapping {
  void* at;
  size_t octets;
  uint32_t users;
};

struct lpr_snapshot {
  struct lp_route_view view;         /* view.header is NULL: no table */
  const struct lp_marks_word* marks; /* by node number; NULL: nothing is marked */
  struct lpr_mapping* table_mapping;
  struct lpr_mapping* marks_mapping;
  struct lpr_snapshot* retired_next;
};

struct lpr_reader {
  _Atomic(struct lpr_snapshot*) pinned;
  struct lpr_snapshot* seen; /* the same, for the reader's own thread */
  struct lpr_client* client;
  struct lpr_reader* next; /* under the client's lock */
  uint32_t is_held;        /* lpr_hold(): stay with `seen` */
  char padding[64 - 4 * sizeof(void*) - sizeof(uint32_t)];
};

struct lpr_client {
  _Atomic(struct lpr_snapshot*) current; /* never NULL */
  pthread_mutex_t lock;                  /* everything below; never taken by a look-up */
  struct lpr_reader* readers;
  struct lpr_snapshot* retired;
  struct lpr_seen table_seen; /* the last file examined, accepted or not */
  struct lpr_seen marks_seen;
  char* table_path;
  char* marks_path; /* NULL: no marks */
  int watch;        /* inotify */
  int is_refused;
  char refusal[256];
};

/* The snapshot that this reader's answers come from now. */
const struct lpr_snapshot* lpr_repin(struct lpr_reader* reader);

static inline const struct lpr_snapshot* lpr_pin(struct lpr_reader* reader) {
  const struct lpr_snapshot* current =
      atomic_load_explicit(&reader->client->current, memory_order_acquire);
  if (current == reader->seen) return current;
  return reader->is_held ? reader->seen : lpr_repin(reader);
}

#endif /* LINKPILOT_AGENT_ROUTE_CLIENT_CLIENT_H_ */

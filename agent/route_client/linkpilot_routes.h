/* linkpilot-routes: which way a stream goes, answered from the route table that the local LinkPilot
   agent (or linkpilot-routes-sync) keeps in a file. C, libc only.

   A look-up takes no lock, copies nothing, allocates nothing and makes no system call. A new table
   is taken in by lpr_poll(); look-ups on other threads see the old table or the new one, whole, and
   never wait. A table that does not pass every check is refused and the old one stays.

     lpr_client *client = lpr_open("/var/lib/linkpilot/routes.bin", "/var/lib/linkpilot/marks.bin",
   NULL); lpr_reader *reader = lpr_reader_new(client);                   // one per thread lpr_route
   route; if (lpr_lookup(reader, LPR_PULL, "fra-1", LPR_TIME_COARSE, &route) == LPR_OK)
       connect_to(lpr_hop_address(reader, &route.paths[route.chosen].hops[0]));

   Threads: lpr_open, lpr_close and the use of one lpr_reader belong to one thread at a time; a
   reader is used by one thread only. lpr_poll, lpr_reader_new and lpr_reader_free may be called on
   any thread, also while others look up. After fork() a child opens its own client.

   Life of answers: all pointers in an answer stay valid until the next look-up (lpr_lookup*,
   lpr_turn, lpr_info) with the same reader; what explains an answer (lpr_hop_address,
   lpr_describe_node, lpr_is_dead) speaks of the table of the last look-up. lpr_hold() makes a whole
   batch of look-ups come from one table and all their answers valid until lpr_release(). A reader
   keeps the table of its last look-up mapped; lpr_reader_idle() lets go of it before a long pause.

   The files must only ever be replaced by rename: truncating one that is mapped raises SIGBUS. */
#ifndef LINKPILOT_ROUTES_H_
#define LINKPILOT_ROUTES_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LPR_API __attribute__((visibility("default")))
#else
#define LPR_API
#endif

typedef struct lpr_client lpr_client;
typedef struct lpr_reader lpr_reader;

/* Which way the media travels: from this node to the target, or from the target to this node. */
typedef enum lpr_direction { LPR_PUSH = 1, LPR_PULL = 2 } lpr_direction;

typedef enum lpr_status {
  LPR_OK = 0,
  LPR_NO_TABLE = 1,       /* none was accepted yet */
  LPR_UNKNOWN_TARGET = 2, /* the table does not know this name or number */
  LPR_DROPPED = 3,        /* known and not reachable: `reason` says why */
  LPR_NO_ROUTE = 4,       /* known, without a route in this direction (this node itself, say) */
  LPR_NO_TURN = 5,        /* lpr_turn: no way round that is sure not to come back */
  LPR_BAD_ARGUMENT = 6
} lpr_status;

#define LPR_HOPS_MAX 3
#define LPR_PATHS_MAX 4
#define LPR_TIME_COARSE INT64_C(0) /* "you read the clock": CLOCK_REALTIME_COARSE, about 5 ns */

typedef struct lpr_hop {
  uint16_t node;     /* asked next */
  uint8_t near_port; /* of the node before it, */
  uint8_t far_port;  /* and its own port */
} lpr_hop;

#define LPR_PATH_LOOP_FREE 0x01u /* the first hop cannot send the request back here (RFC 5286) */

/* One candidate, written from this node outwards whichever way the media travels. */
typedef struct lpr_path {
  lpr_hop hops[LPR_HOPS_MAX]; /* first = next hop, last = the target */
  uint8_t hop_count;          /* 1..LPR_HOPS_MAX */
  uint8_t flags;              /* LPR_PATH_LOOP_FREE */
  uint16_t reserved;
  uint64_t
      delay_ns; /* predicted, one way, in the media's direction; 0: not known (expired table) */
  uint64_t cost_us;
} lpr_path;

#define LPR_ROUTE_STALE 0x01u    /* past soft expiry: still the best that is known; warn somebody */
#define LPR_ROUTE_EXPIRED 0x02u  /* past hard expiry: one path only, the direct one */
#define LPR_ROUTE_ALL_DEAD 0x04u /* every first hop is marked dead; `chosen` is 0 all the same */
#define LPR_ROUTE_SKIPPED 0x08u  /* `chosen` is not 0: better candidates are marked dead */

typedef struct lpr_route {
  const lpr_path* paths; /* best first */
  uint32_t path_count;   /* 1..LPR_PATHS_MAX when LPR_OK, else 0 */
  uint32_t chosen;       /* the first whose first hop is not marked dead */
  uint32_t flags;        /* LPR_ROUTE_* */
  uint16_t target;       /* node number, 0 when unknown */
  uint16_t node;         /* whose table this is */
  uint64_t epoch;        /* of the table that answered */
  uint64_t version;
  const char* reason; /* LPR_DROPPED only, else NULL */
  lpr_path direct;    /* storage for the path of an expired table */
} lpr_route;

typedef struct lpr_table_info {
  uint64_t epoch, version;
  uint64_t previous_epoch, previous_version;
  int64_t created_ns, soft_expiry_ns, hard_expiry_ns, published_ns; /* since 1970 */
  uint64_t total_octets;
  uint32_t node_count;
  uint16_t node;
} lpr_table_info;

typedef struct lpr_node {
  const char* name;
  const char* region;
  const char* media_base;   /* where media clients reach it, e.g. "rtmp://192.0.2.1/live" */
  const char* addresses[8]; /* textual, by port; "" where it has no such port */
  uint16_t id;
  uint8_t port_count;
} lpr_node;

/* Opens a table and, unless `marks_path` is NULL, the marks beside it. Their directories must
   exist; the files need not: look-ups say LPR_NO_TABLE, and skip nothing, until lpr_poll() finds
   them. NULL when the system refuses (errno is set; `*reason`, if asked for, is a constant that
   says what failed). */
LPR_API lpr_client* lpr_open(const char* table_path, const char* marks_path, const char** reason);
/* All readers must be freed before. */
LPR_API void lpr_close(lpr_client* client);

/* Readable when a file may have been replaced; then call lpr_poll(). Level-triggered, for poll or
   epoll; -1 where the system gives none: then call lpr_poll() once in a while, which is always
   allowed. */
LPR_API int lpr_fd(const lpr_client* client);
/* Takes in what is new: 1 a new table is in use, 0 nothing new, -1 the file there now was refused
   (and the table in use stays): lpr_refusal() says why. Costs two stat(2) when nothing changed. */
LPR_API int lpr_poll(lpr_client* client);
/* Why the newest table file was refused; "" if it is in use. Valid until the next lpr_poll(). */
LPR_API const char* lpr_refusal(const lpr_client* client);
/* The table that look-ups of this reader are answered from: 0, or -1 if there is none. */
LPR_API int lpr_info(lpr_reader* reader, lpr_table_info* info);

/* NULL only without memory. */
LPR_API lpr_reader* lpr_reader_new(lpr_client* client);
LPR_API void lpr_reader_free(lpr_reader* reader);
/* No answer is valid after it; the reader may go on. */
LPR_API void lpr_reader_idle(lpr_reader* reader);
/* From the first to the second, look-ups of this reader stay with one table (marks stay live). */
LPR_API void lpr_hold(lpr_reader* reader);
LPR_API void lpr_release(lpr_reader* reader);

/* The candidates for a target by name (NUL-terminated), by name and length, or by number. `now_ns`
   is the wall clock in nanoseconds since 1970, or LPR_TIME_COARSE. */
LPR_API lpr_status lpr_lookup(lpr_reader* reader, lpr_direction direction, const char* target,
                              int64_t now_ns, lpr_route* route);
LPR_API lpr_status lpr_lookup_n(lpr_reader* reader, lpr_direction direction, const char* target,
                                uint32_t length, int64_t now_ns, lpr_route* route);
LPR_API lpr_status lpr_lookup_id(lpr_reader* reader, lpr_direction direction, uint16_t target,
                                 int64_t now_ns, lpr_route* route);

/* For a relay: a request has come with its remaining path, remaining[0] = the node to ask next, the
   last one = the target, and may still travel `hops_max` hops. If the next hop is not marked dead,
   `path` is the remaining path and `turned` is 0. Else `path` is the first candidate of this node's
   own table that is marked loop-free, has a live first hop and at most `hops_max` hops, and
   `turned` is 1; the request must go on with hops_max - 1. LPR_NO_TURN if there is none. */
typedef struct lpr_turn_answer {
  lpr_path path;
  int turned;
  uint64_t epoch;
  uint64_t version;
} lpr_turn_answer;
LPR_API lpr_status lpr_turn(lpr_reader* reader, lpr_direction direction, const uint16_t* remaining,
                            uint32_t remaining_count, uint32_t hops_max, int64_t now_ns,
                            lpr_turn_answer* answer);

/* 1 if the link to that hop is marked dead in the direction in which the media would travel, by an
   agent that was alive within the last 5 s. */
LPR_API int lpr_is_dead(lpr_reader* reader, lpr_direction direction, const lpr_hop* hop);
/* A node of the table, by number: 0, or -1 if the table does not name it. */
LPR_API int lpr_describe_node(lpr_reader* reader, uint16_t id, lpr_node* node);
/* The textual address of a hop's far port; "" if the table does not have it. */
LPR_API const char* lpr_hop_address(lpr_reader* reader, const lpr_hop* hop);

#ifdef __cplusplus
}
#endif

#endif /* LINKPILOT_ROUTES_H_ */

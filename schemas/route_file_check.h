// The one check of a route file's bytes (route_file.h), in plain C: the look-up library, the codec
// and the checks before a table is signed or stored all ask here. After it has passed, every
// offset, index and count can be followed without a check, and every path is sound. Pure; reads
// nothing outside `bytes`; linear in their number.
#ifndef LINKPILOT_SCHEMAS_ROUTE_FILE_CHECK_H_
#define LINKPILOT_SCHEMAS_ROUTE_FILE_CHECK_H_

#include "schemas/route_file.h"

#ifdef __cplusplus
extern "C" {
#endif

enum lp_route_fault {
  LP_ROUTE_FAULT_NONE = 0,
  LP_ROUTE_FAULT_MISALIGNED, /* `bytes` is not 8-byte aligned */
  LP_ROUTE_FAULT_SIZE,       /* shorter than its header says, or longer than body and trailer */
  LP_ROUTE_FAULT_MAGIC,
  LP_ROUTE_FAULT_FORMAT,
  LP_ROUTE_FAULT_DIGEST,
  LP_ROUTE_FAULT_SECTION, /* at = position in the section table */
  LP_ROUTE_FAULT_STRING,  /* at = index of the record that holds it */
  LP_ROUTE_FAULT_NODE,    /* at = index in NODES */
  LP_ROUTE_FAULT_TARGET,  /* at = slot in TARGETS */
  LP_ROUTE_FAULT_NUMBER,  /* at = node number */
  LP_ROUTE_FAULT_DROPPED, /* at = index in DROPPED */
  LP_ROUTE_FAULT_EXPIRY,
  LP_ROUTE_FAULT_PATH,     /* at = index in CANDIDATES: wrong end, unknown node, no such port */
  LP_ROUTE_FAULT_LOOP,     /* at = index in CANDIDATES: meets a node twice, or its own again */
  LP_ROUTE_FAULT_ZERO_COST /* at = index in CANDIDATES */
};

struct lp_route_verdict {
  enum lp_route_fault fault;
  uint64_t at;
};

/* The parts of a checked file, by type. Valid as long as the bytes. */
struct lp_route_view {
  const struct lp_route_header* header;
  const char* strings;
  const struct lp_route_node* nodes;
  const struct lp_route_target* targets;
  const uint8_t* pilots;
  const uint32_t* numbers;
  const struct lp_route_candidate* candidates;
  const struct lp_route_dropped* dropped;
  uint64_t string_octets;
  uint32_t node_count;
  uint32_t target_count; /* a power of two */
  uint32_t pilot_count;  /* a power of two */
  uint32_t number_count;
  uint32_t candidate_count;
  uint32_t dropped_count;
};

/* `size` is that of the body, or of body and trailer. `view` is filled only when nothing is wrong.
 */
struct lp_route_verdict lp_route_file_check(const void* bytes, uint64_t size,
                                            struct lp_route_view* view);
/* "a path meets a node twice"; a constant. */
const char* lp_route_fault_text(enum lp_route_fault fault);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif  // LINKPILOT_SCHEMAS_ROUTE_FILE_CHECK_H_

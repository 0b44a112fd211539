#include <stddef.h>
#include <time.h>

#include "agent/route_client/client.h"

/* A candidate of the file is a path of the interface, octet for octet: nothing is copied. */
_Static_assert(sizeof(lpr_path) == sizeof(struct lp_route_candidate), "layout");
_Static_assert(offsetof(lpr_path, hop_count) == offsetof(struct lp_route_candidate, hop_count),
               "layout");
_Static_assert(offsetof(lpr_path, delay_ns) == offsetof(struct lp_route_candidate, delay_ns),
               "layout");
_Static_assert(offsetof(lpr_path, cost_us) == offsetof(struct lp_route_candidate, cost_us),
               "layout");
_Static_assert(sizeof(lpr_hop) == sizeof(struct lp_route_hop), "layout");
_Static_assert(LPR_PATH_LOOP_FREE == LP_ROUTE_LOOP_FREE, "layout");

typedef struct lp_route_target target_slot;

static int64_t now_or(int64_t now_ns) {
  struct timespec time;
  if (now_ns != LPR_TIME_COARSE) return now_ns;
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* What the words of a long name leave out. */
static int is_same_middle(const char* a, const char* b, size_t length) {
  return memcmp(a + 16, b + 16, length - LP_ROUTE_NAME_WORDS_OCTETS) == 0;
}

static inline const target_slot* find_name(const struct lp_route_view* view, const char* name,
                                           size_t length) {
  if (length == 0 || length > LP_ROUTE_NAME_LENGTH_MAX) return NULL;
  uint64_t words[LP_ROUTE_NAME_WORDS];
  lp_route_name_words(name, length, words);
  const uint64_t hash = lp_route_hash(name, length, words, view->header->name_seed);
  const uint32_t pilot = view->pilots[lp_route_bucket(hash, view->pilot_count)];
  const target_slot* slot = &view->targets[lp_route_slot(hash, pilot, view->target_count)];
  /* One comparison for all: which word differs would be a branch nobody can predict. */
  const uint64_t differ = (slot->words[0] ^ words[0]) | (slot->words[1] ^ words[1]) |
                          (slot->words[2] ^ words[2]) | (slot->words[3] ^ words[3]) |
                          (slot->name_length ^ length);
  if (differ != 0) return NULL;
  if (length > LP_ROUTE_NAME_WORDS_OCTETS &&
      !is_same_middle(view->strings + slot->name_offset, name, length)) {
    return NULL;
  }
  return slot;
}

static const target_slot* find_number(const struct lp_route_view* view, uint16_t id) {
  if (id >= view->number_count || view->numbers[id] == 0) return NULL;
  return &view->targets[view->numbers[id] - 1];
}

static const struct lp_route_node* node_of(const struct lp_route_view* view, uint16_t id) {
  const target_slot* slot = find_number(view, id);
  return slot == NULL ? NULL : &view->nodes[slot->node_index];
}

/* Whether the agent that wrote the marks has lately said that it is alive. A clock that was stepped
   back makes its word seem to be of the future: it is believed. */
static int is_kept_up(const struct lp_marks_word* marks, int64_t now) {
  const struct lp_marks_header* header = (const struct lp_marks_header*)(const void*)marks - 1;
  return now - __atomic_load_n(&header->written_ns, __ATOMIC_RELAXED) <= LP_MARKS_STALE_NS;
}

static int is_marked(const struct lpr_snapshot* snapshot, lpr_direction direction, lpr_hop hop,
                     int64_t now_ns) {
  const struct lp_marks_word* marks = snapshot->marks;
  if (marks == NULL) return 0;
  const struct lp_marks_word* word = &marks[hop.node];
  const uint64_t dead =
      __atomic_load_n(direction == LPR_PUSH ? &word->outbound : &word->inbound, __ATOMIC_RELAXED);
  if (__builtin_expect((dead >> ((hop.near_port & 7u) * 8u + (hop.far_port & 7u)) & 1u) == 0, 1)) {
    return 0;
  }
  return is_kept_up(marks, now_or(now_ns));
}

static const lpr_path* paths_of(const struct lp_route_view* view, const target_slot* slot,
                                lpr_direction direction, uint32_t* count) {
  *count = direction == LPR_PUSH ? slot->push_count : slot->pull_count;
  return (const lpr_path*)(const void*)&view
      ->candidates[direction == LPR_PUSH ? slot->push_first : slot->pull_first];
}

static const char* dropped_reason(const struct lp_route_view* view, uint16_t node) {
  uint32_t from = 0;
  uint32_t to = view->dropped_count;
  while (from < to) {
    const uint32_t middle = from + (to - from) / 2;
    const struct lp_route_dropped* dropped = &view->dropped[middle];
    if (dropped->node == node) return view->strings + dropped->reason.offset;
    if (dropped->node < node) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return NULL;
}

/* The direct path to a node of the table: a live one of its candidates, else a marked one, else
   over the first port of each. 0 if there is no port to use. */
static int direct_path(const struct lpr_snapshot* snapshot, const target_slot* slot,
                       lpr_direction direction, int64_t now_ns, lpr_path* path) {
  const struct lp_route_view* view = &snapshot->view;
  uint32_t count;
  const lpr_path* paths = paths_of(view, slot, direction, &count);
  const lpr_path* best = NULL;
  for (uint32_t i = 0; i < count; ++i) {
    if (paths[i].hop_count != 1) continue;
    if (best == NULL) best = &paths[i];
    if (!is_marked(snapshot, direction, paths[i].hops[0], now_ns)) {
      best = &paths[i];
      break;
    }
  }
  if (best != NULL) {
    *path = *best;
    return 1;
  }
  const struct lp_route_node* self = node_of(view, view->header->node);
  if (slot->node == self->id || self->port_count == 0 ||
      view->nodes[slot->node_index].port_count == 0) {
    return 0;
  }
  memset(path, 0, sizeof *path);
  path->hops[0].node = slot->node;
  path->hop_count = 1;
  return 1;
}

static lpr_status answer_expired(const struct lpr_snapshot* snapshot, const target_slot* slot,
                                 lpr_direction direction, int64_t now_ns, lpr_route* route) {
  route->flags = LPR_ROUTE_STALE | LPR_ROUTE_EXPIRED;
  if (!direct_path(snapshot, slot, direction, now_ns, &route->direct)) return LPR_NO_ROUTE;
  route->paths = &route->direct;
  route->path_count = 1;
  if (is_marked(snapshot, direction, route->direct.hops[0], now_ns)) {
    route->flags |= LPR_ROUTE_ALL_DEAD;
  }
  return LPR_OK;
}

static lpr_status answer(const struct lpr_snapshot* snapshot, const target_slot* slot,
                         lpr_direction direction, int64_t now_ns, lpr_route* route) {
  const struct lp_route_view* view = &snapshot->view;
  const struct lp_route_header* header = view->header;
  route->paths = NULL;
  route->path_count = 0;
  route->chosen = 0;
  route->target = slot->node;
  route->node = header->node;
  route->epoch = header->epoch;
  route->version = header->version;
  route->reason = NULL;
  const int64_t now = now_or(now_ns);
  if (now >= header->hard_expiry_ns) {
    return answer_expired(snapshot, slot, direction, now, route);
  }
  route->flags = now >= header->soft_expiry_ns ? LPR_ROUTE_STALE : 0;
  uint32_t count;
  const lpr_path* paths = paths_of(view, slot, direction, &count);
  if (count == 0) {
    route->reason = dropped_reason(view, slot->node);
    return route->reason == NULL ? LPR_NO_ROUTE : LPR_DROPPED;
  }
  route->paths = paths;
  route->path_count = count;
  for (uint32_t i = 0; i < count; ++i) {
    if (!is_marked(snapshot, direction, paths[i].hops[0], now)) {
      route->chosen = i;
      if (i != 0) route->flags |= LPR_ROUTE_SKIPPED;
      return LPR_OK;
    }
  }
  route->flags |= LPR_ROUTE_ALL_DEAD;
  return LPR_OK;
}

/* An answer that says no; of the table's header only what is there. */
static lpr_status deny(const struct lp_route_header* header, lpr_status status, lpr_route* route) {
  memset(route, 0, sizeof *route);
  if (header != NULL) {
    route->node = header->node;
    route->epoch = header->epoch;
    route->version = header->version;
  }
  return status;
}

static int is_direction(lpr_direction direction) {
  return direction == LPR_PUSH || direction == LPR_PULL;
}

static inline lpr_status look_up(lpr_reader* reader, lpr_direction direction, const char* target,
                                 size_t length, int64_t now_ns, lpr_route* route) {
  const struct lpr_snapshot* snapshot = lpr_pin(reader);
  const struct lp_route_view* view = &snapshot->view;
  if (view->header == NULL) return deny(NULL, LPR_NO_TABLE, route);
  if (!is_direction(direction)) return deny(view->header, LPR_BAD_ARGUMENT, route);
  const target_slot* slot = find_name(view, target, length);
  if (slot == NULL) return deny(view->header, LPR_UNKNOWN_TARGET, route);
  return answer(snapshot, slot, direction, now_ns, route);
}

lpr_status lpr_lookup_n(lpr_reader* reader, lpr_direction direction, const char* target,
                        uint32_t length, int64_t now_ns, lpr_route* route) {
  return look_up(reader, direction, target, length, now_ns, route);
}

lpr_status lpr_lookup(lpr_reader* reader, lpr_direction direction, const char* target,
                      int64_t now_ns, lpr_route* route) {
  return look_up(reader, direction, target, strlen(target), now_ns, route);
}

lpr_status lpr_lookup_id(lpr_reader* reader, lpr_direction direction, uint16_t target,
                         int64_t now_ns, lpr_route* route) {
  const struct lpr_snapshot* snapshot = lpr_pin(reader);
  const struct lp_route_view* view = &snapshot->view;
  if (view->header == NULL) return deny(NULL, LPR_NO_TABLE, route);
  if (!is_direction(direction)) return deny(view->header, LPR_BAD_ARGUMENT, route);
  const target_slot* slot = find_number(view, target);
  if (slot != NULL) return answer(snapshot, slot, direction, now_ns, route);
  const char* reason = dropped_reason(view, target);
  deny(view->header, LPR_UNKNOWN_TARGET, route);
  route->reason = reason;
  if (reason == NULL) return LPR_UNKNOWN_TARGET;
  route->target = target;
  return LPR_DROPPED;
}

static int visits(const lpr_path* path, uint16_t node) {
  for (uint32_t i = 0; i < path->hop_count; ++i) {
    if (path->hops[i].node == node) return 1;
  }
  return 0;
}

/* A link to `next` that the candidates in `slot` start with, a live one if there is: 2 live, 1
   marked dead, 0 none. */
static int first_link(const struct lpr_snapshot* snapshot, const target_slot* slot,
                      lpr_direction direction, uint16_t next, int64_t now_ns, lpr_hop* link) {
  uint32_t count;
  int found = 0;
  if (slot == NULL) return 0;
  const lpr_path* paths = paths_of(&snapshot->view, slot, direction, &count);
  for (uint32_t i = 0; i < count; ++i) {
    if (paths[i].hops[0].node != next) continue;
    const int is_live = !is_marked(snapshot, direction, paths[i].hops[0], now_ns);
    if (is_live || found == 0) *link = paths[i].hops[0];
    if (is_live) return 2;
    found = 1;
  }
  return found;
}

static const lpr_path* same_path(const struct lpr_snapshot* snapshot, const target_slot* slot,
                                 lpr_direction direction, const uint16_t* remaining,
                                 uint32_t remaining_count, int64_t now_ns) {
  uint32_t count;
  if (slot == NULL) return NULL;
  const lpr_path* paths = paths_of(&snapshot->view, slot, direction, &count);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t same = 0;
    if (paths[i].hop_count != remaining_count) continue;
    while (same < remaining_count && paths[i].hops[same].node == remaining[same]) ++same;
    if (same == remaining_count && !is_marked(snapshot, direction, paths[i].hops[0], now_ns)) {
      return &paths[i];
    }
  }
  return NULL;
}

/* Fills `path` with the remaining nodes: as this table has that path if it does, else with a link
   to the next hop that the table uses, a live one if there is. Ports that nobody names are 0. */
static void keep_going(const struct lpr_snapshot* snapshot, lpr_direction direction,
                       const uint16_t* remaining, uint32_t count, int64_t now_ns, lpr_path* path) {
  const target_slot* target = find_number(&snapshot->view, remaining[count - 1]);
  const target_slot* next = find_number(&snapshot->view, remaining[0]);
  const lpr_path* known = same_path(snapshot, target, direction, remaining, count, now_ns);
  if (known != NULL) {
    *path = *known;
    return;
  }
  memset(path, 0, sizeof *path);
  path->hop_count = (uint8_t)count;
  for (uint32_t i = 0; i < count; ++i) path->hops[i].node = remaining[i];
  if (first_link(snapshot, target, direction, remaining[0], now_ns, &path->hops[0]) == 2) return;
  lpr_hop link;
  if (first_link(snapshot, next, direction, remaining[0], now_ns, &link) != 0) path->hops[0] = link;
}

/* The first candidate that is sure not to come back. One that asks the unreachable node later on is
   worth less than any that does not. */
static const lpr_path* find_turn(const struct lpr_snapshot* snapshot, const target_slot* slot,
                                 lpr_direction direction, uint16_t unreachable, uint32_t hops_max,
                                 int64_t now_ns) {
  uint32_t count;
  const lpr_path* paths = paths_of(&snapshot->view, slot, direction, &count);
  const lpr_path* second_best = NULL;
  for (uint32_t i = 0; i < count; ++i) {
    if ((paths[i].flags & LPR_PATH_LOOP_FREE) == 0 || paths[i].hop_count > hops_max ||
        is_marked(snapshot, direction, paths[i].hops[0], now_ns)) {
      continue;
    }
    if (slot->node == unreachable || !visits(&paths[i], unreachable)) return &paths[i];
    if (second_best == NULL) second_best = &paths[i];
  }
  return second_best;
}

lpr_status lpr_turn(lpr_reader* reader, lpr_direction direction, const uint16_t* remaining,
                    uint32_t remaining_count, uint32_t hops_max, int64_t now_ns,
                    lpr_turn_answer* answer_out) {
  const struct lpr_snapshot* snapshot = lpr_pin(reader);
  const struct lp_route_view* view = &snapshot->view;
  memset(answer_out, 0, sizeof *answer_out);
  if (view->header == NULL) return LPR_NO_TABLE;
  answer_out->epoch = view->header->epoch;
  answer_out->version = view->header->version;
  if (!is_direction(direction) || remaining_count == 0 || remaining_count > LPR_HOPS_MAX) {
    return LPR_BAD_ARGUMENT;
  }
  for (uint32_t i = 0; i < remaining_count; ++i) {
    if (remaining[i] == view->header->node) return LPR_BAD_ARGUMENT; /* it would come back */
  }
  if (find_number(view, remaining[0]) == NULL) return LPR_UNKNOWN_TARGET;
  keep_going(snapshot, direction, remaining, remaining_count, now_ns, &answer_out->path);
  if (!is_marked(snapshot, direction, answer_out->path.hops[0], now_ns)) return LPR_OK;
  /* What was loop-free long ago may not be so now. */
  if (now_or(now_ns) >= view->header->hard_expiry_ns) return LPR_NO_TURN;
  const target_slot* slot = find_number(view, remaining[remaining_count - 1]);
  if (slot == NULL) return LPR_UNKNOWN_TARGET;
  const lpr_path* turn = find_turn(snapshot, slot, direction, remaining[0], hops_max, now_ns);
  if (turn == NULL) return LPR_NO_TURN;
  answer_out->path = *turn;
  answer_out->turned = 1;
  return LPR_OK;
}

/* What explains an answer must speak of the table that gave it, so it does not move to a newer one.
 */
static const struct lpr_snapshot* last_of(lpr_reader* reader) {
  return reader->seen != NULL ? reader->seen : lpr_pin(reader);
}

void lpr_hold(lpr_reader* reader) {
  lpr_pin(reader);
  reader->is_held = 1;
}

void lpr_release(lpr_reader* reader) { reader->is_held = 0; }

int lpr_is_dead(lpr_reader* reader, lpr_direction direction, const lpr_hop* hop) {
  return is_marked(last_of(reader), direction, *hop, LPR_TIME_COARSE);
}

int lpr_info(lpr_reader* reader, lpr_table_info* info) {
  const struct lp_route_view* view = &lpr_pin(reader)->view;
  memset(info, 0, sizeof *info);
  if (view->header == NULL) return -1;
  info->epoch = view->header->epoch;
  info->version = view->header->version;
  info->previous_epoch = view->header->previous_epoch;
  info->previous_version = view->header->previous_version;
  info->created_ns = view->header->created_ns;
  info->soft_expiry_ns = view->header->soft_expiry_ns;
  info->hard_expiry_ns = view->header->hard_expiry_ns;
  info->published_ns = view->header->published_ns;
  info->total_octets = view->header->total_octets;
  info->node_count = view->node_count;
  info->node = view->header->node;
  return 0;
}

int lpr_describe_node(lpr_reader* reader, uint16_t id, lpr_node* node) {
  const struct lp_route_view* view = &last_of(reader)->view;
  memset(node, 0, sizeof *node);
  const struct lp_route_node* record = view->header == NULL ? NULL : node_of(view, id);
  if (record == NULL) return -1;
  node->id = id;
  node->name = view->strings + record->name.offset;
  node->region = view->strings + record->region.offset;
  node->media_base = view->strings + record->media_base.offset;
  node->port_count = record->port_count;
  for (uint32_t port = 0; port < LP_ROUTE_PORTS_MAX; ++port) {
    node->addresses[port] = view->strings + record->addresses[port].offset;
  }
  return 0;
}

const char* lpr_hop_address(lpr_reader* reader, const lpr_hop* hop) {
  const struct lp_route_view* view = &last_of(reader)->view;
  const struct lp_route_node* record = view->header == NULL ? NULL : node_of(view, hop->node);
  if (record == NULL || hop->far_port >= record->port_count) return "";
  return view->strings + record->addresses[hop->far_port].offset;
}

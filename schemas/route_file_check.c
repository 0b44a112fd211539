#include "schemas/route_file_check.h"

#include <stddef.h>

static const struct lp_route_verdict kPassed = {LP_ROUTE_FAULT_NONE, 0};

static struct lp_route_verdict fault(enum lp_route_fault kind, uint64_t at) {
  const struct lp_route_verdict verdict = {kind, at};
  return verdict;
}

static struct lp_route_verdict check_header(const unsigned char* octets, uint64_t size) {
  const struct lp_route_header* header = (const struct lp_route_header*)(const void*)octets;
  if (((uintptr_t)octets & 7) != 0) return fault(LP_ROUTE_FAULT_MISALIGNED, 0);
  if (size < sizeof *header) return fault(LP_ROUTE_FAULT_SIZE, size);
  if (memcmp(header->magic, LP_ROUTE_MAGIC, sizeof header->magic) != 0) {
    return fault(LP_ROUTE_FAULT_MAGIC, 0);
  }
  if (header->format != LP_ROUTE_FORMAT) return fault(LP_ROUTE_FAULT_FORMAT, header->format);
  const uint64_t total = header->total_octets;
  if (total > LP_ROUTE_FILE_OCTETS_MAX || total % 8 != 0 || total > size ||
      (size != total && size - total != LP_ROUTE_TRAILER_OCTETS)) {
    return fault(LP_ROUTE_FAULT_SIZE, size);
  }
  if (header->section_count == 0 || header->section_count > LP_ROUTE_SECTIONS_MAX ||
      sizeof *header + header->section_count * sizeof(struct lp_route_section) > total) {
    return fault(LP_ROUTE_FAULT_SECTION, header->section_count);
  }
  if (header->digest != lp_route_digest(octets, total)) return fault(LP_ROUTE_FAULT_DIGEST, 0);
  if (header->node == 0) return fault(LP_ROUTE_FAULT_NODE, 0);
  if (header->soft_expiry_ns > header->hard_expiry_ns) return fault(LP_ROUTE_FAULT_EXPIRY, 0);
  return kPassed;
}

static uint32_t record_octets_of(uint32_t kind) {
  switch (kind) {
    case LP_ROUTE_STRINGS:
    case LP_ROUTE_PILOTS:
      return 1;
    case LP_ROUTE_NODES:
      return sizeof(struct lp_route_node);
    case LP_ROUTE_TARGETS:
      return sizeof(struct lp_route_target);
    case LP_ROUTE_NUMBERS:
      return sizeof(uint32_t);
    case LP_ROUTE_CANDIDATES:
      return sizeof(struct lp_route_candidate);
    case LP_ROUTE_DROPPED:
      return sizeof(struct lp_route_dropped);
    default:
      return 0; /* not a kind of this format's first version */
  }
}

static void keep_section(struct lp_route_view* view, const unsigned char* octets,
                         const struct lp_route_section* section) {
  const void* at = octets + section->offset;
  const uint32_t count = (uint32_t)section->count; /* below LP_ROUTE_FILE_OCTETS_MAX */
  switch (section->kind) {
    case LP_ROUTE_STRINGS:
      view->strings = (const char*)at;
      view->string_octets = count;
      break;
    case LP_ROUTE_NODES:
      view->nodes = (const struct lp_route_node*)at;
      view->node_count = count;
      break;
    case LP_ROUTE_TARGETS:
      view->targets = (const struct lp_route_target*)at;
      view->target_count = count;
      break;
    case LP_ROUTE_PILOTS:
      view->pilots = (const uint8_t*)at;
      view->pilot_count = count;
      break;
    case LP_ROUTE_NUMBERS:
      view->numbers = (const uint32_t*)at;
      view->number_count = count;
      break;
    case LP_ROUTE_CANDIDATES:
      view->candidates = (const struct lp_route_candidate*)at;
      view->candidate_count = count;
      break;
    default:
      view->dropped = (const struct lp_route_dropped*)at;
      view->dropped_count = count;
      break;
  }
}

static struct lp_route_verdict check_sections(const unsigned char* octets,
                                              struct lp_route_view* view) {
  const struct lp_route_header* header = view->header;
  const struct lp_route_section* sections =
      (const struct lp_route_section*)(const void*)(octets + sizeof *header);
  uint64_t free_from = sizeof *header + header->section_count * sizeof *sections;
  uint32_t seen = 0; /* bit per known kind */
  for (uint32_t i = 0; i < header->section_count; ++i) {
    const struct lp_route_section* section = &sections[i];
    if (section->offset % LP_ROUTE_SECTION_ALIGN != 0 || section->offset < free_from ||
        section->offset > header->total_octets || section->record_octets == 0 ||
        section->count > (header->total_octets - section->offset) / section->record_octets) {
      return fault(LP_ROUTE_FAULT_SECTION, i);
    }
    free_from = section->offset + section->count * section->record_octets;
    const uint32_t known_octets = record_octets_of(section->kind);
    if (known_octets == 0) {
      if ((section->kind & LP_ROUTE_SECTION_REQUIRED) != 0) return fault(LP_ROUTE_FAULT_SECTION, i);
      continue;
    }
    const uint32_t bit = 1u << section->kind;
    if (section->record_octets != known_octets || (seen & bit) != 0) {
      return fault(LP_ROUTE_FAULT_SECTION, i);
    }
    seen |= bit;
    keep_section(view, octets, section);
  }
  const uint32_t wanted = 1u << LP_ROUTE_STRINGS | 1u << LP_ROUTE_NODES | 1u << LP_ROUTE_TARGETS |
                          1u << LP_ROUTE_NUMBERS | 1u << LP_ROUTE_CANDIDATES |
                          1u << LP_ROUTE_DROPPED | 1u << LP_ROUTE_PILOTS;
  if (seen != wanted) return fault(LP_ROUTE_FAULT_SECTION, header->section_count);
  if (view->string_octets == 0 || view->strings[0] != '\0') return fault(LP_ROUTE_FAULT_STRING, 0);
  return kPassed;
}

/* Within the section, ended by a NUL, and without another one. */
static int is_text(const struct lp_route_view* view, struct lp_route_text text) {
  if ((uint64_t)text.offset + text.length >= view->string_octets) return 0;
  const char* at = view->strings + text.offset;
  return memchr(at, '\0', (size_t)text.length + 1) == at + text.length;
}

static struct lp_route_verdict check_nodes(const struct lp_route_view* view) {
  if (view->node_count == 0 || view->node_count > LP_ROUTE_NODES_MAX) {
    return fault(LP_ROUTE_FAULT_NODE, view->node_count);
  }
  uint16_t before = 0;
  int self_seen = 0;
  for (uint32_t i = 0; i < view->node_count; ++i) {
    const struct lp_route_node* node = &view->nodes[i];
    if (node->id <= before || node->port_count > LP_ROUTE_PORTS_MAX) {
      return fault(LP_ROUTE_FAULT_NODE, i);
    }
    before = node->id;
    self_seen |= node->id == view->header->node;
    if (node->name.length == 0 || node->name.length > LP_ROUTE_NAME_LENGTH_MAX ||
        !is_text(view, node->name) || !is_text(view, node->region) ||
        !is_text(view, node->media_base)) {
      return fault(LP_ROUTE_FAULT_STRING, i);
    }
    for (uint32_t port = 0; port < LP_ROUTE_PORTS_MAX; ++port) {
      if (port < node->port_count
              ? !is_text(view, node->addresses[port])
              : node->addresses[port].offset != 0 || node->addresses[port].length != 0) {
        return fault(LP_ROUTE_FAULT_STRING, i);
      }
    }
  }
  return self_seen ? kPassed : fault(LP_ROUTE_FAULT_NODE, view->node_count);
}

/* The only slot in which a look-up would find that name; more than any if the words are wrong. */
static uint32_t slot_of(const struct lp_route_view* view, const struct lp_route_target* target) {
  const char* name = view->strings + target->name_offset;
  uint64_t words[LP_ROUTE_NAME_WORDS];
  lp_route_name_words(name, target->name_length, words);
  if (memcmp(words, target->words, sizeof words) != 0) return UINT32_MAX;
  const uint64_t hash = lp_route_hash(name, target->name_length, words, view->header->name_seed);
  const uint32_t pilot = view->pilots[lp_route_bucket(hash, view->pilot_count)];
  return lp_route_slot(hash, pilot, view->target_count);
}

static struct lp_route_verdict check_slot(const struct lp_route_view* view, uint32_t slot) {
  const struct lp_route_target* target = &view->targets[slot];
  if (target->node_index >= view->node_count) return fault(LP_ROUTE_FAULT_TARGET, slot);
  const struct lp_route_node* node = &view->nodes[target->node_index];
  if (target->node == 0 || node->id != target->node || node->name.offset != target->name_offset ||
      node->name.length != target->name_length || slot != slot_of(view, target) ||
      target->push_count > LP_ROUTE_CANDIDATES_MAX ||
      target->pull_count > LP_ROUTE_CANDIDATES_MAX ||
      (uint64_t)target->push_first + target->push_count > view->candidate_count ||
      (uint64_t)target->pull_first + target->pull_count > view->candidate_count ||
      (target->node == view->header->node && (target->push_count | target->pull_count) != 0)) {
    return fault(LP_ROUTE_FAULT_TARGET, slot);
  }
  if (target->node >= view->number_count || view->numbers[target->node] != slot + 1) {
    return fault(LP_ROUTE_FAULT_NUMBER, target->node);
  }
  return kPassed;
}

static int is_power_of_2(uint32_t count) { return count != 0 && (count & (count - 1)) == 0; }

static int is_empty(const struct lp_route_target* target) {
  static const struct lp_route_target kEmpty;
  return memcmp(target, &kEmpty, sizeof kEmpty) == 0;
}

/* Afterwards every name, and every number, leads to exactly one slot with the right node. */
static struct lp_route_verdict check_index(const struct lp_route_view* view) {
  const uint32_t slots = view->target_count;
  if (!is_power_of_2(slots) || !is_power_of_2(view->pilot_count) || view->number_count > 65536) {
    return fault(LP_ROUTE_FAULT_TARGET, slots);
  }
  uint32_t taken = 0;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    if (is_empty(&view->targets[slot])) continue;
    ++taken;
    const struct lp_route_verdict verdict = check_slot(view, slot);
    if (verdict.fault != LP_ROUTE_FAULT_NONE) return verdict;
  }
  /* A number leads to one slot only, so as many slots as nodes means: one each. */
  if (taken != view->node_count) return fault(LP_ROUTE_FAULT_TARGET, taken);
  uint32_t numbered = 0;
  for (uint32_t number = 0; number < view->number_count; ++number) {
    numbered += view->numbers[number] != 0;
  }
  if (numbered != view->node_count) return fault(LP_ROUTE_FAULT_NUMBER, numbered);
  return kPassed;
}

static const struct lp_route_node* find_node(const struct lp_route_view* view, uint16_t id) {
  if (id >= view->number_count || view->numbers[id] == 0) return NULL;
  return &view->nodes[view->targets[view->numbers[id] - 1].node_index];
}

static struct lp_route_verdict check_path(const struct lp_route_view* view, uint32_t index,
                                          uint16_t target) {
  const struct lp_route_candidate* path = &view->candidates[index];
  if (path->hop_count == 0 || path->hop_count > LP_ROUTE_HOPS_MAX ||
      path->hops[path->hop_count - 1].node != target || path->delay_ns > INT64_MAX) {
    return fault(LP_ROUTE_FAULT_PATH, index);
  }
  const struct lp_route_node* from = find_node(view, view->header->node);
  for (uint32_t i = 0; i < path->hop_count; ++i) {
    const struct lp_route_hop hop = path->hops[i];
    const struct lp_route_node* to = find_node(view, hop.node);
    if (hop.node == view->header->node) return fault(LP_ROUTE_FAULT_LOOP, index);
    for (uint32_t earlier = 0; earlier < i; ++earlier) {
      if (path->hops[earlier].node == hop.node) return fault(LP_ROUTE_FAULT_LOOP, index);
    }
    if (to == NULL || hop.near_port >= from->port_count || hop.far_port >= to->port_count) {
      return fault(LP_ROUTE_FAULT_PATH, index);
    }
    from = to;
  }
  return path->cost_us == 0 ? fault(LP_ROUTE_FAULT_ZERO_COST, index) : kPassed;
}

static struct lp_route_verdict check_routes(const struct lp_route_view* view) {
  for (uint32_t slot = 0; slot < view->target_count; ++slot) {
    const struct lp_route_target* target = &view->targets[slot];
    if (target->node == 0) continue;
    for (uint32_t i = 0; i < target->push_count; ++i) {
      const struct lp_route_verdict verdict =
          check_path(view, target->push_first + i, target->node);
      if (verdict.fault != LP_ROUTE_FAULT_NONE) return verdict;
    }
    for (uint32_t i = 0; i < target->pull_count; ++i) {
      const struct lp_route_verdict verdict =
          check_path(view, target->pull_first + i, target->node);
      if (verdict.fault != LP_ROUTE_FAULT_NONE) return verdict;
    }
  }
  return kPassed;
}

static struct lp_route_verdict check_dropped(const struct lp_route_view* view) {
  uint16_t before = 0;
  for (uint32_t i = 0; i < view->dropped_count; ++i) {
    const struct lp_route_dropped* dropped = &view->dropped[i];
    if (dropped->node <= before || dropped->node == view->header->node ||
        dropped->reason.length == 0) {
      return fault(LP_ROUTE_FAULT_DROPPED, i);
    }
    if (!is_text(view, dropped->reason)) return fault(LP_ROUTE_FAULT_STRING, i);
    before = dropped->node;
  }
  return kPassed;
}

struct lp_route_verdict lp_route_file_check(const void* bytes, uint64_t size,
                                            struct lp_route_view* view) {
  const unsigned char* octets = (const unsigned char*)bytes;
  struct lp_route_view found;
  memset(&found, 0, sizeof found);
  struct lp_route_verdict verdict = check_header(octets, size);
  if (verdict.fault != LP_ROUTE_FAULT_NONE) return verdict;
  found.header = (const struct lp_route_header*)(const void*)octets;
  verdict = check_sections(octets, &found);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) verdict = check_nodes(&found);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) verdict = check_index(&found);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) verdict = check_routes(&found);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) verdict = check_dropped(&found);
  if (verdict.fault == LP_ROUTE_FAULT_NONE) *view = found;
  return verdict;
}

const char* lp_route_fault_text(enum lp_route_fault kind) {
  switch (kind) {
    case LP_ROUTE_FAULT_NONE:
      return "nothing is wrong";
    case LP_ROUTE_FAULT_MISALIGNED:
      return "the bytes are not 8-byte aligned";
    case LP_ROUTE_FAULT_SIZE:
      return "the size does not agree with the header";
    case LP_ROUTE_FAULT_MAGIC:
      return "not a route file";
    case LP_ROUTE_FAULT_FORMAT:
      return "a format this version cannot read";
    case LP_ROUTE_FAULT_DIGEST:
      return "the digest does not match: torn or damaged";
    case LP_ROUTE_FAULT_SECTION:
      return "a section is missing, unknown and required, or out of bounds";
    case LP_ROUTE_FAULT_STRING:
      return "a text is out of bounds, unterminated, empty or too long";
    case LP_ROUTE_FAULT_NODE:
      return "the nodes are not in order, too many, or lack the table's own";
    case LP_ROUTE_FAULT_TARGET:
      return "the index of names is inconsistent, or two nodes have one name";
    case LP_ROUTE_FAULT_NUMBER:
      return "the index of node numbers is inconsistent";
    case LP_ROUTE_FAULT_DROPPED:
      return "a dropped target is out of order, the node itself, or without a reason";
    case LP_ROUTE_FAULT_EXPIRY:
      return "the soft expiry is after the hard one";
    case LP_ROUTE_FAULT_PATH:
      return "a path does not end at its target, or uses a node or port that is not there";
    case LP_ROUTE_FAULT_LOOP:
      return "a path meets a node twice";
    case LP_ROUTE_FAULT_ZERO_COST:
      return "a path costs nothing";
  }
  return "unknown fault";
}

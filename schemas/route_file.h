// The bytes of a route table as a node loads them, and of the marks beside it. Plain C11, no
// includes of ours: a reader in any language can be written from this page.
//
// All integers are little-endian and naturally aligned; all offsets count from the first octet of
// the file. Times are nanoseconds since 1970 (UTC). Strings are UTF-8 with a NUL after them that
// `length` does not count.
//
//   offset 0       struct lp_route_header                    (256 octets)
//   offset 256     struct lp_route_section [section_count]   (the section table)
//   ...            the sections, each at a multiple of 64, in the order of the section table
//   total_octets   end of the body: what the signature covers and `digest` checks
//   + 32           Ed25519 public key of the signer
//   + 64           Ed25519 signature of octets 0..total_octets-1
//
// A reader that trusts the directory's owner ignores the last 96 octets (whoever writes the file
// has verified them); one that does not, verifies them.
//
// Contract of the file: it is replaced by rename(2) only, never written in place and never
// truncated. A reader maps it, checks everything once, and then needs no check (and no lock) any
// more. Truncating a mapped file raises SIGBUS in its readers: that is outside the contract.
//
// How it may evolve within format 1:
//   - `reserved` fields are written as zero and ignored by readers; a new meaning must make zero
//   say
//     "absent".
//   - Records never grow. New data get a section of a new kind; readers skip kinds they do not
//   know,
//     unless the kind has LP_ROUTE_SECTION_REQUIRED set: then they refuse the file.
//   - New flag bits may be ignored by old readers. Everything else is format 2, with a new magic.
#ifndef LINKPILOT_SCHEMAS_ROUTE_FILE_H_
#define LINKPILOT_SCHEMAS_ROUTE_FILE_H_

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LP_ROUTE_MAGIC "LPROUTE1" /* 8 octets, without the NUL */
#define LP_ROUTE_FORMAT 1u
#define LP_ROUTE_FILE_OCTETS_MAX (4u << 20)
#define LP_ROUTE_TRAILER_OCTETS 96u
#define LP_ROUTE_SECTION_ALIGN 64u
#define LP_ROUTE_SECTIONS_MAX 32u
#define LP_ROUTE_NODES_MAX 4096u
#define LP_ROUTE_PORTS_MAX 8u
#define LP_ROUTE_HOPS_MAX 3u       /* two relays and the target */
#define LP_ROUTE_CANDIDATES_MAX 4u /* per target and direction */
#define LP_ROUTE_NAME_LENGTH_MAX 63u

struct lp_route_header {
  uint8_t magic[8];
  uint16_t format;
  uint16_t node;          /* whose table this is; never 0 */
  uint32_t section_count; /* 1..LP_ROUTE_SECTIONS_MAX */
  uint64_t total_octets;  /* of the body; a multiple of 8 */
  uint64_t digest;        /* lp_route_digest() of the body: a torn or rotten file is noticed */
  uint64_t epoch;         /* (epoch, version) orders the tables of a node */
  uint64_t version;
  uint64_t previous_epoch; /* the table this one was made to follow; 0, 0: none */
  uint64_t previous_version;
  int64_t created_ns;
  int64_t soft_expiry_ns; /* from then on: served, and said to be stale */
  int64_t hard_expiry_ns; /* from then on: direct paths only; >= soft_expiry_ns */
  int64_t probe_sent_ns;  /* the life of the decision, stage by stage; 0: not known */
  int64_t reported_ns;
  int64_t ingested_ns;
  int64_t solved_ns;
  int64_t published_ns;
  int64_t loaded_ns;
  uint8_t reserved[120];
};

struct lp_route_section {
  uint32_t kind;
  uint32_t record_octets;
  uint64_t offset; /* a multiple of LP_ROUTE_SECTION_ALIGN */
  uint64_t count;  /* records */
};

enum lp_route_section_kind {
  LP_ROUTE_STRINGS = 1, /* octets; the first one is a NUL, so offset 0, length 0 is "" */
  LP_ROUTE_NODES = 2,   /* lp_route_node, ascending by id */
  LP_ROUTE_TARGETS = 3, /* lp_route_target, an open-addressed hash table; count is a power of 2 */
  LP_ROUTE_NUMBERS = 4, /* uint32_t by node number: its slot in TARGETS plus 1, 0: none */
  LP_ROUTE_CANDIDATES = 5, /* lp_route_candidate; those of one route lie together, best first */
  LP_ROUTE_DROPPED = 6     /* lp_route_dropped, ascending by node */
};
#define LP_ROUTE_SECTION_REQUIRED 0x80000000u

struct lp_route_text {
  uint32_t offset; /* into STRINGS */
  uint32_t length;
};

struct lp_route_node {
  uint16_t id;
  uint8_t port_count; /* 0..LP_ROUTE_PORTS_MAX */
  uint8_t reserved[5];
  struct lp_route_text name; /* 1..LP_ROUTE_NAME_LENGTH_MAX octets */
  struct lp_route_text region;
  struct lp_route_text media_base;
  struct lp_route_text addresses[LP_ROUTE_PORTS_MAX]; /* textual IP addresses, by port */
};

/* One slot per node of NODES; an empty slot is all zero (node 0). A name is looked up from slot
   lp_route_hash(name) & (count - 1) onwards, one slot at a time and around the end, until it is
   found or an empty slot is met. At most half of the slots are taken. */
struct lp_route_target {
  uint64_t hash;
  uint32_t name_offset; /* the same as that node's name.offset */
  uint16_t name_length;
  uint16_t node;
  uint32_t push_first; /* index of the best candidate in CANDIDATES */
  uint32_t pull_first;
  uint8_t push_count; /* 0..LP_ROUTE_CANDIDATES_MAX; 0: no route in this direction */
  uint8_t pull_count;
  uint16_t reserved;
  uint32_t node_index; /* in NODES */
};

struct lp_route_hop {
  uint16_t node;     /* asked next */
  uint8_t near_port; /* of the node before it, */
  uint8_t far_port;  /* and its own: 0..LP_ROUTE_PORTS_MAX-1 */
};

/* A path is written from the table's node outwards, whichever way the media travels; the last hop
   is the target. */
struct lp_route_candidate {
  struct lp_route_hop hops[LP_ROUTE_HOPS_MAX];
  uint8_t hop_count; /* 1..LP_ROUTE_HOPS_MAX; hops beyond it are zero */
  uint8_t flags;     /* LP_ROUTE_LOOP_FREE */
  uint16_t reserved;
  uint64_t delay_ns; /* predicted, one way, in the media's direction */
  uint64_t cost_us;  /* > 0 */
};
/* The first hop can be asked without the request coming back, whatever tables others hold:
   d(next, target) < d(next, me) + d(me, target); RFC 5286 s3.1, inequality 1. */
#define LP_ROUTE_LOOP_FREE 0x01u

/* A node that the table knows and leaves out, and why. */
struct lp_route_dropped {
  uint16_t node;
  uint8_t reserved[6];
  struct lp_route_text reason; /* never empty */
};

/* --- marks: which first hops the local agent holds for dead, now --- */

/* A second file, of fixed size: struct lp_marks_header, then LP_MARKS_WORDS pairs of atomic 64-bit
   words, one pair per node number, read with relaxed loads. Bit near_port * 8 + far_port of
   `outbound`: the link from that port of mine to that port of the peer is dead; of `inbound`: the
   link from the peer to me over the same ports. A push skips by `outbound`, a pull by `inbound`.
   Only the agent writes it. It keeps the same file over restarts where it can; a reader looks for a
   new one when it looks for a new table. Most of the file is a hole: about 8 kB on disk. */
#define LP_MARKS_MAGIC "LPMARKS1"
#define LP_MARKS_FORMAT 1u
#define LP_MARKS_WORDS 65536u

struct lp_marks_header {
  uint8_t magic[8];
  uint32_t format;
  uint32_t word_count; /* LP_MARKS_WORDS */
  uint64_t generation; /* atomic; grows with every change of a mark */
  int64_t written_ns;  /* atomic; when the agent last said it was alive: at least once a second */
  uint16_t node;       /* whose marks; 0: not known yet */
  uint8_t reserved[30];
};

struct lp_marks_word {
  uint64_t outbound; /* atomic */
  uint64_t inbound;  /* atomic */
};

#define LP_MARKS_FILE_OCTETS \
  (sizeof(struct lp_marks_header) + LP_MARKS_WORDS * sizeof(struct lp_marks_word))

/* --- the one hash of the format --- */

#define LP_ROUTE_HASH_FACTOR 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio, odd */

static inline uint64_t lp_route_mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * LP_ROUTE_HASH_FACTOR;
  return h ^ (h >> 32);
}

static inline uint64_t lp_route_load64(const void* at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static inline uint32_t lp_route_load32(const void* at) {
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

/* Of a name: the length, then its words of 8 octets, the last one ending with the name (so it
   overlaps the one before). Shorter names make one word: 4..7 octets the first and the last
   four, 1..3 octets the first, the middle and the last. Never 0 for a name that is not empty in
   practice; 0 is allowed. */
static inline uint64_t lp_route_hash(const char* name, uint64_t length) {
  uint64_t h = lp_route_mix(0, length);
  if (length >= 8) {
    uint64_t at = 0;
    for (; at + 8 < length; at += 8) h = lp_route_mix(h, lp_route_load64(name + at));
    return lp_route_mix(h, lp_route_load64(name + length - 8));
  }
  if (length >= 4) {
    const uint64_t tail = lp_route_load32(name + length - 4);
    return lp_route_mix(h, lp_route_load32(name) | tail << 32);
  }
  if (length == 0) return h;
  return lp_route_mix(h, (uint64_t)(unsigned char)name[0] |
                             (uint64_t)(unsigned char)name[length / 2] << 8 |
                             (uint64_t)(unsigned char)name[length - 1] << 16);
}

#define LP_ROUTE_DIGEST_OFFSET 24u /* of `digest` in the header */

/* Of a body: all its words in order, with `digest` taken as zero. Each step is a bijection of the
   word that goes in, so damage within one word never goes unseen. Not a signature: that is the
   trailer. */
static inline uint64_t lp_route_digest(const void* body, uint64_t total_octets) {
  const unsigned char* octets = (const unsigned char*)body;
  uint64_t h = lp_route_mix(0, total_octets);
  uint64_t at = 0;
  for (; at < total_octets; at += 8) {
    h = lp_route_mix(h, at == LP_ROUTE_DIGEST_OFFSET ? 0 : lp_route_load64(octets + at));
  }
  return h;
}

#ifdef __cplusplus
} /* extern "C" */
#define LP_ROUTE_STATIC_ASSERT static_assert
#else
#define LP_ROUTE_STATIC_ASSERT _Static_assert
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "route files are mapped, not converted: little-endian machines only"
#endif
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_header) == 256, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_section) == 24, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_node) == 96, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_target) == 32, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_candidate) == 32, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_dropped) == 16, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_marks_header) == 64, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_marks_word) == 16, "layout");

#endif  // LINKPILOT_SCHEMAS_ROUTE_FILE_H_

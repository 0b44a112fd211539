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
// How it may evolve within format 2:
//   - `reserved` fields are written as zero and ignored by readers; a new meaning must make zero
//   say
//     "absent".
//   - Records never grow. New data get a section of a new kind; readers skip kinds they do not
//   know,
//     unless the kind has LP_ROUTE_SECTION_REQUIRED set: then they refuse the file.
//   - New flag bits may be ignored by old readers. Everything else is format 3, with a new magic.
//     (Format 1, with another index of names, was never released; it is refused by its magic.)
#ifndef LINKPILOT_SCHEMAS_ROUTE_FILE_H_
#define LINKPILOT_SCHEMAS_ROUTE_FILE_H_

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LP_ROUTE_MAGIC "LPROUTE2" /* 8 octets, without the NUL */
#define LP_ROUTE_FORMAT 2u
#define LP_ROUTE_FILE_OCTETS_MAX (4u << 20)
#define LP_ROUTE_TRAILER_OCTETS 96u
#define LP_ROUTE_SECTION_ALIGN 64u
#define LP_ROUTE_SECTIONS_MAX 32u
#define LP_ROUTE_NODES_MAX 4096u
#define LP_ROUTE_PORTS_MAX 8u
#define LP_ROUTE_HOPS_MAX 3u       /* two relays and the target */
#define LP_ROUTE_CANDIDATES_MAX 4u /* per target and direction */
#define LP_ROUTE_NAME_LENGTH_MAX 63u
#define LP_ROUTE_NAME_WORDS 4u

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
  uint64_t name_seed; /* of lp_route_hash() in this file */
  uint8_t reserved[112];
};

struct lp_route_section {
  uint32_t kind;
  uint32_t record_octets;
  uint64_t offset; /* a multiple of LP_ROUTE_SECTION_ALIGN */
  uint64_t count;  /* records */
};

enum lp_route_section_kind {
  LP_ROUTE_STRINGS = 1,    /* octets; the first one is a NUL, so offset 0, length 0 is "" */
  LP_ROUTE_NODES = 2,      /* lp_route_node, ascending by id */
  LP_ROUTE_TARGETS = 3,    /* lp_route_target, by slot; count is a power of 2 */
  LP_ROUTE_NUMBERS = 4,    /* uint32_t by node number: its slot in TARGETS plus 1, 0: none */
  LP_ROUTE_CANDIDATES = 5, /* lp_route_candidate; those of one route lie together, best first */
  LP_ROUTE_DROPPED = 6,    /* lp_route_dropped, ascending by node */
  LP_ROUTE_PILOTS = 7      /* octets, by bucket of names; count is a power of 2 */
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

/* One slot per node of NODES; an empty slot is all zero (node 0). A name can be in one slot only:
   lp_route_slot() of its hash and of the pilot of its bucket (a perfect hash: the writer has chosen
   each bucket's pilot so that no two names meet; Fox, Chen, Heath, SIGIR 1992). A slot is one cache
   line with all of the name that most look-ups compare. */
struct lp_route_target {
  uint64_t words[LP_ROUTE_NAME_WORDS]; /* lp_route_name_words() */
  uint32_t name_offset;                /* the same as that node's name.offset */
  uint16_t name_length;
  uint16_t node;
  uint32_t push_first; /* index of the best candidate in CANDIDATES */
  uint32_t pull_first;
  uint8_t push_count; /* 0..LP_ROUTE_CANDIDATES_MAX; 0: no route in this direction */
  uint8_t pull_count;
  uint16_t node_index; /* in NODES */
  uint8_t reserved[12];
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
/* Marks whose writer has not said for this long that it is alive are as none: nobody would take
   them back. */
#define LP_MARKS_STALE_NS INT64_C(5000000000)

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

/* --- the hashes of the format --- */

/* Odd numbers without a pattern: 2^64 / golden ratio, and the multipliers of SplitMix64. */
#define LP_ROUTE_FACTOR_0 0x9e3779b97f4a7c15ull
#define LP_ROUTE_FACTOR_1 0xbf58476d1ce4e5b9ull
#define LP_ROUTE_FACTOR_2 0x94d049bb133111ebull
#define LP_ROUTE_FACTOR_3 0xd1342543de82ef95ull

static inline uint64_t lp_route_fold(uint64_t h) { return h ^ (h >> 32); }

static inline uint64_t lp_route_mix(uint64_t h, uint64_t word) {
  return lp_route_fold((h ^ word) * LP_ROUTE_FACTOR_0);
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

/* A name as four words, which are all of it up to 32 octets. From 8 octets on: those at its begin,
   at min(8, length - 8), at max(length - 16, 0) and at its end, so they overlap. Shorter names make
   one word, and the others are 0: 4..7 octets the first and the last four, 1..3 octets the first,
   the middle and the last. No branch between 8 and 63 octets. */
static inline void lp_route_name_words(const char* name, uint64_t length,
                                       uint64_t words[LP_ROUTE_NAME_WORDS]) {
  if (length >= 8) {
    const uint64_t end = length - 8;
    words[0] = lp_route_load64(name);
    words[1] = lp_route_load64(name + (end < 8 ? end : 8));
    words[2] = lp_route_load64(name + (end < 8 ? 0 : end - 8));
    words[3] = lp_route_load64(name + end);
    return;
  }
  words[0] = words[1] = words[2] = words[3] = 0;
  if (length >= 4) {
    const uint64_t tail = lp_route_load32(name + length - 4);
    words[0] = lp_route_load32(name) | tail << 32;
  } else if (length > 0) {
    words[0] = (uint64_t)(unsigned char)name[0] | (uint64_t)(unsigned char)name[length / 2] << 8 |
               (uint64_t)(unsigned char)name[length - 1] << 16;
  }
}

/* What the four words leave out: the octets from 16 to length - 17 of a name of more than 32. */
#define LP_ROUTE_NAME_WORDS_OCTETS 32u

/* Of a name and its words. The products do not wait for one another. The seed goes in by exclusive
   or and is multiplied twice: added, it would leave two names as far apart as they were, whatever
   the seed. What the words leave out is mixed in by words of 8 octets from octet 16 on, as many as
   begin before length - 16. */
static inline uint64_t lp_route_hash(const char* name, uint64_t length,
                                     const uint64_t words[LP_ROUTE_NAME_WORDS], uint64_t seed) {
  uint64_t h = length * LP_ROUTE_FACTOR_0;
  h += lp_route_fold(words[0] * LP_ROUTE_FACTOR_0);
  h += lp_route_fold(words[1] * LP_ROUTE_FACTOR_1);
  h += lp_route_fold(words[2] * LP_ROUTE_FACTOR_2);
  h += lp_route_fold(words[3] * LP_ROUTE_FACTOR_3);
  if (length > LP_ROUTE_NAME_WORDS_OCTETS) {
    for (uint64_t at = 16; at + 16 < length; at += 8) {
      h = lp_route_mix(h, lp_route_load64(name + at));
    }
  }
  return lp_route_fold(lp_route_fold((h ^ seed) * LP_ROUTE_FACTOR_0) * LP_ROUTE_FACTOR_1);
}

/* Both counts are powers of 2. */
static inline uint32_t lp_route_bucket(uint64_t hash, uint32_t pilot_count) {
  return (uint32_t)(hash >> 32) & (pilot_count - 1u);
}
static inline uint32_t lp_route_slot(uint64_t hash, uint32_t pilot, uint32_t slot_count) {
  const uint32_t step = (uint32_t)(hash >> 48) | 1u;
  return ((uint32_t)hash + pilot * step) & (slot_count - 1u);
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
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_target) == 64, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_candidate) == 32, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_route_dropped) == 16, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_marks_header) == 64, "layout");
LP_ROUTE_STATIC_ASSERT(sizeof(struct lp_marks_word) == 16, "layout");

#endif  // LINKPILOT_SCHEMAS_ROUTE_FILE_H_

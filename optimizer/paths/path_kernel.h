// The inner loops of the path search, compiled once per instruction set from one source
// (path_kernel_body.inc) and chosen at run time. This header and that source use no inline function
// of the standard library or of ours: a copy compiled with -mavx2 could otherwise be the one the
// linker keeps for everybody.
//
// A min-plus step adds a row's weight to a vector of onward costs and keeps the minimum; cost and
// relay are packed in one 32-bit integer (cost << 13 | relay + 1), so that one minimum gives both,
// and ties go to the lowest relay (relay 0 in this form: none).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace linkpilot::optimizer {

// Costs are 16 bits, 0xffff = unreachable; relays are index + 1, 0 = none. All matrices are
// nodes x stride, row-major; stride is a multiple of kPathPanel, columns >= nodes and the diagonals
// are unreachable.
struct PathArrays {
  size_t nodes;
  size_t stride;
  const uint16_t* weight;  // first leg: from a source
  const uint16_t* onward;  // any further leg: weight plus the price of the relay it starts from
  // Tails: the best and the second-best (by another relay) way on from a relay, at most one relay
  // more.
  uint16_t* tail_cost;
  uint16_t* tail_relay;
  uint16_t* tail2_cost;
  uint16_t* tail2_relay;
  uint16_t* best_cost;
  uint16_t* best_first;
  uint16_t* best_last;
  uint16_t* second_cost;
  uint16_t* second_first;
  uint16_t* second_last;
  const uint16_t* onward_to;  // transposed: [to][from]
  // For single pairs: transposed copies, made between the two stages.
  uint16_t* tail_cost_to;
  uint16_t* tail_relay_to;
  uint16_t* tail2_cost_to;
  uint16_t* tail2_relay_to;
  uint8_t* third_used;  // [first relay * stride + last relay] of second paths by a third-best tail
  uint32_t* scratch;    // kPathScratchWords * nodes
};
inline constexpr size_t kPathScratchWords = 96;

struct PathCell {
  uint16_t cost;
  uint16_t first;  // relay + 1; of a tail: its relay
  uint16_t last;
};

inline constexpr size_t kPathPanel = 32;        // columns handled together
inline constexpr unsigned kPathRelayBits = 13;  // of the packed form; kSolverNodesMax + 1 fits

struct PathKernel {
  // Rows [begin, end) of the tails, and of the best and second paths; the latter needs all rows of
  // the tails and their transposed copies.
  void (*tails)(const PathArrays* arrays, size_t begin, size_t end);
  void (*paths)(const PathArrays* arrays, size_t begin, size_t end);
  // One cell: the two best tails; the best path; the second path, given the best one. `third` is
  // set if it leaves its first relay by neither of that relay's two best tails.
  void (*tail_cell)(const PathArrays* arrays, size_t relay, size_t to, PathCell* out2);
  PathCell (*best_cell)(const PathArrays* arrays, size_t from, size_t to);
  PathCell (*second_cell)(const PathArrays* arrays, size_t from, size_t to, PathCell best,
                          int* third);
  // Columns c with base + row[c] <= limit[c] (saturating; an unreachable sum never counts).
  size_t (*columns_within)(uint16_t base, const uint16_t* row, const uint16_t* limit, size_t stride,
                           uint16_t* out);
  // Columns c with a[c] == x and b[c] == y.
  size_t (*columns_equal)(const uint16_t* a, uint16_t x, const uint16_t* b, uint16_t y,
                          size_t stride, uint16_t* out);
  void (*transpose)(const uint16_t* in, uint16_t* out, size_t nodes, size_t stride);
  // For benches: relaxations per call of add + min on 32-bit lanes in registers and L1, no index
  // kept.
  uint64_t (*limit)(uint64_t steps, uint32_t* sink);
};

extern const PathKernel kPathKernelBaseline;
extern const PathKernel kPathKernelAvx2;
extern const PathKernel kPathKernelAvx512;

}  // namespace linkpilot::optimizer

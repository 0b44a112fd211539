// Cause: one explanation of what is seen, and how sure it is. What the localiser answers with.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace linkpilot::optimizer {

enum class CauseKind : std::uint8_t {
  agent,         // a: node; its own word is spoilt, or it is gone while the node serves
  node,          // a: node
  edge_service,  // a: node; reachable, but does not serve
  link,          // a, b: ends; both ways if `both_ways`
  region_pair,   // a, b: regions, also of one region with itself
  isp_pair,      // a, b: ISPs
  region_cut,    // a: region
  hop,           // a: index of the hop
  relay_push,    // a, b: nodes
  stream,        // a: stream; missing at its origin
  vendor,        // a: vendor
  collector,     // its own network: nothing else can be said
  port           // a: end, one of several of its node; one way as of a node
};
inline constexpr std::size_t kCauseKinds = 13;
[[nodiscard]] std::string_view to_string(CauseKind kind);

// Names a cause within one record of evidence, and from one record to the next of the same fleet.
struct CauseId {
  CauseKind kind = CauseKind::link;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
  bool both_ways =
      true;  // else from a to b only, or of a node: out of it (b = 0) or into it (b = 1)
  friend constexpr bool operator==(const CauseId&, const CauseId&) = default;
  friend constexpr auto operator<=>(const CauseId&, const CauseId&) = default;
};

// What it does to what it touches; 0: nothing of this kind.
struct CauseEffect {
  bool dead = false;
  double loss = 0.0;      // share
  double delay_ms = 0.0;  // one way
  double failing = 0.0;   // share of dials
};

struct LikelyCause {
  CauseId id;
  double confidence = 0.0;
};

struct Cause {
  CauseId id;
  CauseEffect effect;
  double gain = 0.0;           // nats of evidence, less the price of a cause
  std::uint32_t shows = 0;     // observations that it accounts for ...
  std::uint32_t measured = 0;  // ... of those on which it would show
  // Among what else it could be; 1 where nothing else comes near.
  double confidence = 1.0;
  std::vector<LikelyCause> alternatives;
};

// What would settle a doubt.
enum class QuestionKind : std::uint8_t { burst, reverse_check };
struct Question {
  QuestionKind kind = QuestionKind::burst;
  std::uint32_t from = 0;  // ends
  std::uint32_t to = 0;
  friend constexpr bool operator==(const Question&, const Question&) = default;
};

inline constexpr std::size_t kDiagnosisCausesMax = 256;
inline constexpr std::size_t kQuestionsMax = 256;

struct Diagnosis {
  std::vector<Cause> causes;  // strongest first, at most kDiagnosisCausesMax
  std::uint32_t causes_total = 0;
  std::vector<Question> questions;  // at most kQuestionsMax
  std::uint32_t doubtful = 0;       // findings on which two credible ends disagree
};

}  // namespace linkpilot::optimizer

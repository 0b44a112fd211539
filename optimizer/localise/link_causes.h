// The part of the localiser that explains links. See localise.h.
#pragma once

#include <map>

#include "optimizer/localise/credibility.h"
#include "optimizer/localise/localise.h"

namespace linkpilot::optimizer {

struct LinkCauses {
  std::map<CauseId, Cause> causes;
  std::vector<Question> questions;
  std::uint32_t doubtful = 0;
};

[[nodiscard]] LinkCauses explain_links(const Evidence& evidence, const Credibility& credibility,
                                       const LocaliseOptions& options);

}  // namespace linkpilot::optimizer

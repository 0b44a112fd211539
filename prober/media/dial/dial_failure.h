// How the failures of the parts become the failure of a dial. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/rtmp/outcome.h"

namespace linkpilot::prober {

[[nodiscard]] DialFailure to_dial_failure(const rtmp::Failure& failure);
[[nodiscard]] DialStage to_dial_stage(rtmp::Stage stage);
// A dial that ends before it had what it came for, though nothing failed: from outside, or because
// its opening or the whole of it took too long.
enum class CutBy : std::uint8_t { caller, opening, whole };
[[nodiscard]] DialFailure cut_short(DialStage stage, CutBy by, Duration after);
// A dial that ran to its end, or to the stream's (`end_code`), and saw nothing that a viewer could
// have seen; `words` say how far it got.
[[nodiscard]] DialFailure nothing_to_show(const DialReport& report, std::string words);
// Of a check of target_policy.h.
[[nodiscard]] DialFailure forbidden(const Error& error);
// A URL that cannot be parsed, without what may be a secret in it: credentials, query, path.
[[nodiscard]] std::string mask_unreadable_url(std::string_view url);

}  // namespace linkpilot::prober

// How the failures of the parts become the failure of a dial. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "prober/media/dial/dial_report.h"
#include "prober/media/rtmp/outcome.h"

namespace linkpilot::prober {

[[nodiscard]] DialFailure to_dial_failure(const rtmp::Failure& failure);
// Of a check of target_policy.h.
[[nodiscard]] DialFailure forbidden(const Error& error);
// A URL that cannot be parsed, without what may be a secret in it: credentials, query, path.
[[nodiscard]] std::string mask_unreadable_url(std::string_view url);

}  // namespace linkpilot::prober

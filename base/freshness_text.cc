#include "base/freshness_text.h"

namespace linkpilot {

std::string_view to_string(Freshness freshness) {
  switch (freshness) {
    case Freshness::none:
      return "none";
    case Freshness::fresh:
      return "fresh";
    case Freshness::stale:
      return "stale";
    case Freshness::expired:
      return "expired";
    case Freshness::unspecified:
      break;
  }
  return "";
}

}  // namespace linkpilot

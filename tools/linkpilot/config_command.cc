#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "tools/linkpilot/context.h"

namespace linkpilot::cli {}  // namespace linkpilot::cli

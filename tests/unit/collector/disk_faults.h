// The calls by which the report log writes, replaced in the whole test executable: they do what the
// kernel does until a test orders otherwise.
#pragma once

#include <cstddef>

namespace linkpilot::collector::disk_faults {

enum class Call : unsigned char { write, sync, set_aside };

// From the call of this kind after `good` more: fails with `error`, `times` times.
void fail(Call call, int good, int times, int error);
// The next write, after `good` more, does `octets` and no more; the one behind it fails as full.
void cut_write(int good, std::size_t octets);
void heal();

}  // namespace linkpilot::collector::disk_faults

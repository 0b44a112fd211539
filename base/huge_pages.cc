#include "base/huge_pages.h"

#include <sys/mman.h>

namespace linkpilot {

void ask_for_huge_pages(void* start, std::size_t octets) {
  // The last page may be shared with what follows it: it stays as it is.
  ::madvise(start, octets / kHugePageOctets * kHugePageOctets, MADV_HUGEPAGE);
}

}  // namespace linkpilot

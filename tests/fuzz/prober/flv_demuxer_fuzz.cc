// Any octets as FLV: whole and in parts of any size the same tags come out, the seam's promises are
// kept, and what comes out muxes and demuxes to itself.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "prober/media/flv/flv_demuxer.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/unit/prober/media/tag_log.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::prober;

struct Read {
  TagLog log;
  bool good = true;
  FlvCounters counters;
};

Read read_in_parts(std::span<const std::uint8_t> bytes, std::size_t part) {
  Read read;
  FlvDemuxer demuxer(read.log);
  while (!bytes.empty()) {
    const auto now = bytes.first(std::min(part, bytes.size()));
    read.good = demuxer.consume(now, {}).has_value();
    bytes = bytes.subspan(now.size());
  }
  read.counters = demuxer.counters();
  require(read.log.well_formed);
  require(read.counters.tags == read.log.tags.size());
  return read;
}

bool same(const std::vector<OwnedTag>& a, const std::vector<OwnedTag>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].type != b[i].type || a[i].timestamp_ms != b[i].timestamp_ms ||
        a[i].body != b[i].body) {
      return false;
    }
  }
  return true;
}

}  // namespace

FUZZ_TARGET(flv_demuxer_fuzz, data, size) {
  const std::span<const std::uint8_t> bytes(data, size);
  const Read whole = read_in_parts(bytes, bytes.size() + 1);
  const Read parts = read_in_parts(bytes, 1 + (bytes.empty() ? 0U : bytes.back() % 16U));
  require(whole.good == parts.good && same(whole.log.tags, parts.log.tags));
  std::vector<std::uint8_t> again;
  append_flv_header({}, again);
  for (const OwnedTag& tag : whole.log.tags) append_flv_tag(tag, again);
  const Read second = read_in_parts(again, again.size());
  require(second.good && same(second.log.tags, whole.log.tags));
  require(second.counters.wrong_previous_size == 0);
  return 0;
}

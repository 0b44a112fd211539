// A TagSink that keeps whole tags, and whether the carrier kept the seam's promises.
#pragma once

#include <vector>

#include "prober/media/flv/flv_muxer.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::prober {

class TagLog final : public TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now /*now*/) override {
    well_formed = well_formed && !open;
    open = true;
    octets = tag.octets;
    current = {.type = tag.type, .timestamp_ms = tag.timestamp_ms, .body = {}};
  }
  void on_tag_body(std::span<const std::uint8_t> part) override {
    current.body.insert(current.body.end(), part.begin(), part.end());
    well_formed = well_formed && open && !part.empty() && current.body.size() <= octets;
  }
  void on_tag_end(Now /*now*/) override {
    well_formed = well_formed && open && current.body.size() == octets;
    open = false;
    tags.push_back(current);
  }

  std::vector<OwnedTag> tags;
  bool open = false;
  bool well_formed = true;

 private:
  OwnedTag current;
  std::uint32_t octets = 0;
};

}  // namespace linkpilot::prober

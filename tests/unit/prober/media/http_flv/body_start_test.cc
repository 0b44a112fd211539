#include "prober/media/http_flv/body_start.h"

#include <gtest/gtest.h>

#include <string>

namespace linkpilot::prober {
namespace {

BodyKind kind(const std::string& text) {
  return kind_of_body({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(BodyStart, IsNamed) {
  EXPECT_EQ(kind(""), BodyKind::empty);
  EXPECT_EQ(kind("FLV\x01"), BodyKind::flv);
  EXPECT_EQ(kind("<!DOCTYPE html>"), BodyKind::html);
  EXPECT_EQ(kind("\xEF\xBB\xBF\r\n <HTML>"), BodyKind::html);
  EXPECT_EQ(kind("<?xml version=\"1.0\"?>"), BodyKind::xml);
  EXPECT_EQ(kind("#EXTM3U\n#EXT-X-VERSION:3"), BodyKind::playlist);
  EXPECT_EQ(kind("{\"error\":404}"), BodyKind::json);
  EXPECT_EQ(kind("stream not found"), BodyKind::text);
  EXPECT_EQ(kind(std::string("\x47\x40\x00\x10\x00", 5)), BodyKind::mpeg_ts);
  EXPECT_EQ(kind(std::string("\0\0\0\x18"
                             "ftypisom",
                             12)),
            BodyKind::mp4);
  EXPECT_EQ(kind("\x1F\x8B\x08"), BodyKind::gzip);
  EXPECT_EQ(kind("\x1A\x45\xDF\xA3"), BodyKind::matroska);
  EXPECT_EQ(kind(std::string("\x01\x02\0", 3)), BodyKind::unknown);
  EXPECT_EQ(kind("GIF89a"), BodyKind::text);
}

}  // namespace
}  // namespace linkpilot::prober

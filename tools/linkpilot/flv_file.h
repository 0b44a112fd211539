// FlvFile: the tags of a dial as an FLV file. A tag that was cut off is taken out again. A full
// disk ends the file, not the dial. Single thread.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "prober/media/tag_sink.h"

namespace linkpilot::cli {

class FlvFile final : public prober::TagSink {
 public:
  [[nodiscard]] static Result<std::unique_ptr<FlvFile>> create(const std::string& path);

  void on_tag_begin(const prober::TagHeader& tag, Now now) override;
  void on_tag_body(std::span<const std::uint8_t> part) override;
  void on_tag_end(Now now) override;
  // Flushes; the first error of any write.
  [[nodiscard]] Status finish();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit FlvFile(std::FILE* file) : file_(file) {}
  void write(std::span<const std::uint8_t> octets);
  void drop_open_tag();

  std::unique_ptr<std::FILE, Closer> file_;
  prober::TagHeader tag_;
  long tag_at_ = -1;  // where the tag that is coming begins; -1: none is
  std::vector<std::uint8_t> scratch_;
  int error_ = 0;
};

}  // namespace linkpilot::cli

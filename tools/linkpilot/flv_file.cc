#include "tools/linkpilot/flv_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "prober/media/flv/flv_muxer.h"

namespace linkpilot::cli {

Result<std::unique_ptr<FlvFile>> FlvFile::create(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) {
    return fail(ErrorCode::permission, "cannot write " + path + ": " + std::strerror(errno));
  }
  std::unique_ptr<FlvFile> made(new FlvFile(file));
  prober::append_flv_header({.audio = true, .video = true}, made->scratch_);
  made->write(made->scratch_);
  return made;
}

void FlvFile::write(std::span<const std::uint8_t> octets) {
  if (error_ != 0) return;
  if (std::fwrite(octets.data(), 1, octets.size(), file_.get()) != octets.size()) error_ = errno;
}

void FlvFile::on_tag_begin(const prober::TagHeader& tag, Now) {
  drop_open_tag();
  tag_ = tag;
  tag_at_ = std::ftell(file_.get());
  scratch_.clear();
  prober::append_flv_tag_header(tag, scratch_);
  write(scratch_);
}

void FlvFile::on_tag_body(std::span<const std::uint8_t> part) { write(part); }

void FlvFile::on_tag_end(Now) {
  scratch_.clear();
  prober::append_flv_tag_trailer(tag_, scratch_);
  write(scratch_);
  tag_at_ = -1;
}

// The next begins where it began. In a pipe there is no way back (ftell says so): it stays.
void FlvFile::drop_open_tag() {
  if (tag_at_ < 0 || error_ != 0) return;
  const bool done = std::fseek(file_.get(), tag_at_, SEEK_SET) == 0 &&
                    ::ftruncate(::fileno(file_.get()), tag_at_) == 0;
  if (!done) error_ = errno;
  tag_at_ = -1;
}

Status FlvFile::finish() {
  drop_open_tag();
  if (error_ == 0 && std::fflush(file_.get()) != 0) error_ = errno;
  if (error_ == 0) return {};
  return fail(ErrorCode::unavailable, std::string("the FLV file is cut: ") + std::strerror(error_));
}

}  // namespace linkpilot::cli

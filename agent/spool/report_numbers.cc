#include "agent/spool/report_numbers.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

#include "base/runtime/files.h"

namespace linkpilot::agent {

namespace {

// "epoch=0123456789abcdef next=1025\n"
std::optional<NumberReservation> parse(std::string_view text) {
  constexpr std::string_view kEpoch = "epoch=";
  constexpr std::string_view kNext = " next=";
  if (!text.starts_with(kEpoch) || !text.ends_with('\n')) return std::nullopt;
  NumberReservation found;
  const char* end = text.data() + text.size() - 1;
  const auto epoch_read = std::from_chars(text.data() + kEpoch.size(), end, found.epoch, 16);
  const std::string_view rest(epoch_read.ptr, static_cast<std::size_t>(end - epoch_read.ptr));
  if (epoch_read.ec != std::errc{} || !rest.starts_with(kNext)) return std::nullopt;
  const auto next_read = std::from_chars(epoch_read.ptr + kNext.size(), end, found.next, 10);
  const bool whole = next_read.ec == std::errc{} && next_read.ptr == end;
  if (!whole || found.epoch == 0 || found.next == 0) return std::nullopt;
  return found;
}

}  // namespace

ReportNumbers::ReportNumbers(std::optional<NumberReservation> found,
                             std::function<std::uint64_t()> draw)
    : draw_(std::move(draw)) {
  if (!found) {
    begin_epoch();
    return;
  }
  epoch_ = found->epoch;
  next_ = found->next;
  reserved_ = found->next;
}

void ReportNumbers::begin_epoch() {
  do epoch_ = draw_();
  while (epoch_ == 0);
  next_ = 1;
  reserved_.reset();
}

ReportId ReportNumbers::take() {
  if (reserved_ && next_ >= *reserved_) begin_epoch();
  return {epoch_, next_++};
}

std::optional<NumberReservation> ReportNumbers::wanted() const {
  if (reserved_ && next_ + kBlock / 2 <= *reserved_) return std::nullopt;
  return NumberReservation{epoch_, next_ + kBlock};
}

void ReportNumbers::on_saved(const NumberReservation& saved) {
  if (saved.epoch == epoch_ && saved.next > next_) reserved_ = saved.next;
}

std::optional<NumberReservation> load_numbers(const std::string& path) {
  const auto bytes = read_file(path, 256);
  if (!bytes) return std::nullopt;
  return parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
}

Status save_numbers(const std::string& path, const NumberReservation& reservation) {
  const std::string text =
      fmt::format("epoch={:016x} next={}\n", reservation.epoch, reservation.next);
  const auto* data = reinterpret_cast<const std::uint8_t*>(text.data());
  if (Status status = replace_file(path, {data, text.size()}, 0600); !status) {
    return fail(status.error().in("reserve report sequences"));
  }
  return {};
}

}  // namespace linkpilot::agent

#include "agent/route_client/table_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/runtime/files.h"
#include "schemas/route_file.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::route_client {
namespace {

constexpr std::size_t kSignerOctets = 32;
constexpr std::size_t kSignatureOctets = 64;
static_assert(kSignerOctets + kSignatureOctets == LP_ROUTE_TRAILER_OCTETS);

// Media processes run as other users; a table holds no secret.
constexpr unsigned kFileMode = 0644;

}  // namespace

std::vector<std::uint8_t> to_file(const SignedTable& signed_table) {
  std::vector<std::uint8_t> file = signed_table.body;
  file.insert(file.end(), signed_table.signer.begin(), signed_table.signer.end());
  file.insert(file.end(), signed_table.signature.begin(), signed_table.signature.end());
  return file;
}

Result<SignedTable> from_file(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < sizeof(lp_route_header) + LP_ROUTE_TRAILER_OCTETS) {
    return fail(ErrorCode::corrupt, fmt::format("{} octets are no signed table", bytes.size()));
  }
  const auto trailer = bytes.last(LP_ROUTE_TRAILER_OCTETS);
  const auto body = bytes.first(bytes.size() - LP_ROUTE_TRAILER_OCTETS);
  const auto signer = trailer.first(kSignerOctets);
  const auto signature = trailer.last(kSignatureOctets);
  lp_route_header header;
  std::memcpy(&header, body.data(), sizeof header);
  SignedTable table;
  table.node = NodeId(header.node);
  table.version = {header.epoch, header.version};
  table.signer.assign(signer.begin(), signer.end());
  table.signature.assign(signature.begin(), signature.end());
  table.body.assign(body.begin(), body.end());
  return table;
}

TableStore::TableStore(Options options) : options_(std::move(options)) {}

TableVersion TableStore::version() const { return table_ ? table_->version : TableVersion{}; }

Status TableStore::load(UnixNanos now) {
  auto bytes = read_file(options_.path, kTableBytesMax + LP_ROUTE_TRAILER_OCTETS);
  if (!bytes) {
    if (bytes.error().code == ErrorCode::not_found) return {};
    return fail(bytes.error());
  }
  auto signed_table = from_file(*bytes);
  if (!signed_table) return fail(signed_table.error().in(options_.path));
  // An expired table still says what the first hops are and which versions are old: `now` is not
  // asked.
  const TableCheck check{
      .self = options_.self, .signers = options_.signers, .in_use = nullptr, .now = {}};
  TableVerdict verdict = check_table(*signed_table, check);
  if (verdict.refusal) {
    return fail(ErrorCode::corrupt, fmt::format("{}: {}", options_.path, verdict.detail));
  }
  table_ = std::move(verdict.table);
  loaded_ = now;
  return {};
}

void TableStore::set_self(NodeId self) {
  options_.self = self;
  if (table_ && table_->node != self) table_.reset();
}

TableAck TableStore::accept(const SignedTable& signed_table, UnixNanos now) {
  Judged judged = judge(signed_table, now);
  const Status written = write(options_.path, judged);
  return adopt(std::move(judged), written, now);
}

TableStore::Judged TableStore::judge(const SignedTable& signed_table, UnixNanos now) const {
  Judged judged;
  judged.ack.version = signed_table.version;
  // The collector sends the table again after a reconnection; that is no mistake of anybody's.
  const bool is_in_use =
      table_ && table_->node == signed_table.node && table_->version == signed_table.version;
  TableVerdict verdict = check_table(signed_table, {.self = options_.self,
                                                    .signers = options_.signers,
                                                    .in_use = is_in_use ? nullptr : in_use(),
                                                    .now = now});
  if (is_in_use && !verdict.refusal && verdict.table != *table_) {
    verdict.refusal = Refusal::not_newer;
    verdict.detail = "not newer: the version in use, with other contents";
  }
  if (verdict.refusal) {
    judged.ack.reason = verdict.detail;
  } else {
    judged.ack.accepted = true;
    if (!is_in_use) {
      judged.table = std::move(verdict.table);
      judged.file = to_file(signed_table);
    }
  }
  return judged;
}

Status TableStore::write(const std::string& path, const Judged& judged) {
  if (judged.file.empty()) return {};
  return replace_file(path, judged.file, kFileMode);
}

TableAck TableStore::adopt(Judged judged, const Status& written, UnixNanos now) {
  TableAck ack = std::move(judged.ack);
  if (judged.table && written) {
    table_ = std::move(judged.table);
    loaded_ = now;
  } else if (judged.table) {
    ack.accepted = false;
    ack.reason = written.error().in("store the table").message;
  }
  ack.in_use = version();
  ack.loaded = loaded_;
  return ack;
}

}  // namespace linkpilot::route_client

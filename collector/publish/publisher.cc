#include "collector/publish/publisher.h"

#include <fmt/format.h>

#include "schemas/route_file_codec.h"

namespace linkpilot::collector {

Publisher::Publisher(SigningKey key, std::uint64_t epoch, TableLifetimes lifetimes)
    : key_(key), epoch_(epoch), lifetimes_(lifetimes) {}

void Publisher::restore(const std::vector<SignedTable>& tables) {
  for (const SignedTable& envelope : tables) {
    Result<RouteTable> table = schemas::decode_route_file(envelope.body);
    if (!table || table->node != envelope.node) continue;
    PublishedTable published;
    published.envelope = std::make_shared<const SignedTable>(envelope);
    published.table = std::make_shared<const RouteTable>(*std::move(table));
    published.restored = true;
    current_[envelope.node] = std::move(published);
  }
}

Result<std::vector<PublishedTable>> Publisher::publish(std::vector<RouteTable> tables,
                                                       UnixNanos now) {
  std::vector<PublishedTable> out;
  if (tables.empty()) return out;
  const TableVersion version{epoch_, version_ + 1};
  for (RouteTable& table : tables) {
    const PublishedTable* before = current(table.node);
    table.version = version;
    table.previous = before == nullptr ? TableVersion{} : before->table->version;
    table.created = now;
    table.valid_until_soft = now + lifetimes_.soft;
    table.valid_until_hard = now + lifetimes_.hard;
    table.stages.published = now;
    Result<std::vector<std::uint8_t>> body = schemas::encode_route_file(table);
    if (!body) return fail(body.error().in(fmt::format("table of node {}", table.node.value)));

    SignedTable envelope;
    envelope.node = table.node;
    envelope.version = version;
    const Signature signature = sign(key_, *body);
    envelope.signer.assign(key_.public_key.begin(), key_.public_key.end());
    envelope.signature.assign(signature.begin(), signature.end());
    envelope.body = *std::move(body);
    envelope.stages = table.stages;
    PublishedTable published;
    published.envelope = std::make_shared<const SignedTable>(std::move(envelope));
    published.table = std::make_shared<const RouteTable>(std::move(table));
    out.push_back(std::move(published));
  }
  version_ = version.version;
  for (const PublishedTable& published : out) current_[published.table->node] = published;
  return out;
}

Result<std::vector<PublishedTable>> Publisher::refresh(UnixNanos now, bool with_restored) {
  std::vector<RouteTable> due;
  for (const auto& [node, published] : current_) {
    const RouteTable& table = *published.table;
    if (published.restored && !with_restored)
      continue;  // an earlier run's word is not renewed without a solve
    const Duration soft = table.valid_until_soft - table.created;
    if (now - table.created >= soft / 5 * 3) due.push_back(table);
  }
  return publish(std::move(due), now);
}

Result<std::vector<PublishedTable>> Publisher::republish(UnixNanos now) {
  std::vector<RouteTable> tables;
  for (const auto& [node, published] : current_) tables.push_back(*published.table);
  return publish(std::move(tables), now);
}

void Publisher::raise_epoch(std::uint64_t epoch) {
  if (epoch <= epoch_) return;
  epoch_ = epoch;
  version_ = 0;
}

const PublishedTable* Publisher::current(NodeId node) const {
  const auto found = current_.find(node);
  return found == current_.end() ? nullptr : &found->second;
}

}  // namespace linkpilot::collector

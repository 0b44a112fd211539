#include "agent/route_client/table_check.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/route_client/table_samples.h"

namespace linkpilot::route_client {
namespace {

constexpr UnixNanos kNow = samples::kCreated + std::chrono::seconds(1);

class TableChecks : public testing::Test {
 protected:
  TableVerdict check(const SignedTable& table, UnixNanos now = kNow) {
    return check_table(table,
                       {.self = NodeId(1), .signers = signers_, .in_use = &in_use_, .now = now});
  }
  // The verdict on version 13 after `change`, well signed.
  template <typename Change>
  std::optional<Refusal> after(Change change) {
    RouteTable table = samples::small_table(13);
    change(table);
    return check(samples::sign_table(key_, table)).refusal;
  }
  // The same with the encoded body changed behind the encoder's back.
  template <typename Change>
  std::optional<Refusal> after_bytes(Change change) {
    samples::Octets body = schemas::encode_route_file(samples::small_table(13)).value();
    change(body);
    samples::fix_digest(body);
    return check(samples::sign_body(key_, body)).refusal;
  }

  SigningKey key_ = make_signing_key();
  SigningKey other_key_ = make_signing_key();
  std::vector<SigningPublicKey> signers_ = {other_key_.public_key, key_.public_key};
  RouteTable in_use_ = samples::small_table(12);
};

// The candidate record whose hops are these nodes.
lp_route_candidate* find_candidate(samples::Octets& body, std::vector<std::uint16_t> nodes) {
  lp_route_header header;
  std::memcpy(&header, body.data(), sizeof header);
  for (std::uint32_t i = 0; i < header.section_count; ++i) {
    lp_route_section section;
    std::memcpy(&section, body.data() + sizeof header + i * sizeof section, sizeof section);
    if (section.kind != LP_ROUTE_CANDIDATES) continue;
    auto* candidates =
        static_cast<lp_route_candidate*>(static_cast<void*>(body.data() + section.offset));
    for (std::uint64_t c = 0; c < section.count; ++c) {
      std::vector<std::uint16_t> hops;
      for (int h = 0; h < candidates[c].hop_count; ++h) hops.push_back(candidates[c].hops[h].node);
      if (hops == nodes) return &candidates[c];
    }
  }
  return nullptr;
}

TEST_F(TableChecks, AcceptANewerTableOfAnyTrustedSigner) {
  for (const SigningKey& key : {key_, other_key_}) {
    const TableVerdict verdict = check(samples::sign_table(key, samples::small_table(13)));
    EXPECT_FALSE(verdict.refusal) << verdict.detail;
    EXPECT_EQ(verdict.table, samples::small_table(13));
    EXPECT_TRUE(verdict.detail.empty());
  }
  EXPECT_EQ(after([](RouteTable& t) { t.version = {4, 1}; }), std::nullopt)
      << "a new epoch starts over";
}

TEST_F(TableChecks, RefuseAnUnknownSigner) {
  const auto table = samples::sign_table(make_signing_key(), samples::small_table(13));
  EXPECT_EQ(check(table).refusal, Refusal::unknown_signer);
  SignedTable short_key = table;
  short_key.signer.clear();
  EXPECT_EQ(check(short_key).refusal, Refusal::unknown_signer);
}

// The change-over of signers: old alone, both, new alone.
TEST_F(TableChecks, TakeOldAndNewSignerDuringAChangeOverAndRefuseTheRetiredOne) {
  const SigningKey old_key = make_signing_key();
  const SigningKey new_key = make_signing_key();
  const auto by_old = samples::sign_table(old_key, samples::small_table(13));
  const auto by_new = samples::sign_table(new_key, samples::small_table(13));
  signers_ = {old_key.public_key};
  EXPECT_FALSE(check(by_old).refusal);
  EXPECT_EQ(check(by_new).refusal, Refusal::unknown_signer);
  signers_ = {old_key.public_key, new_key.public_key};
  EXPECT_FALSE(check(by_old).refusal);
  EXPECT_FALSE(check(by_new).refusal);
  signers_ = {new_key.public_key};
  EXPECT_EQ(check(by_old).refusal, Refusal::unknown_signer);
  EXPECT_FALSE(check(by_new).refusal);
}

TEST_F(TableChecks, RefuseABadSignature) {
  SignedTable table = samples::sign_table(key_, samples::small_table(13));
  table.signature[5] ^= 1;
  EXPECT_EQ(check(table).refusal, Refusal::bad_signature);
  table = samples::sign_table(key_, samples::small_table(13));
  table.body[300] ^= 1;
  EXPECT_EQ(check(table).refusal, Refusal::bad_signature);
  table = samples::sign_table(key_, samples::small_table(13));
  table.signature.resize(63);
  EXPECT_EQ(check(table).refusal, Refusal::bad_signature);
}

TEST_F(TableChecks, RefuseWhatIsNoRouteFile) {
  SignedTable table = samples::sign_table(key_, samples::small_table(13));
  for (const samples::Octets& body : {samples::Octets{}, samples::Octets{1, 2, 3},
                                      samples::Octets(4096), samples::Octets(5U << 20)}) {
    table.body = body;
    const Signature signature = sign(key_, body);
    table.signature.assign(signature.begin(), signature.end());
    EXPECT_EQ(check(table).refusal, Refusal::unreadable) << body.size();
  }
  EXPECT_EQ(after_bytes([](samples::Octets& b) { b.resize(b.size() + 96); }), Refusal::unreadable)
      << "a trailer within the signed body";
}

TEST_F(TableChecks, RefuseAnEnvelopeThatSaysOtherThanTheBody) {
  SignedTable table = samples::sign_table(key_, samples::small_table(13));
  table.version.version = 14;
  EXPECT_EQ(check(table).refusal, Refusal::envelope_differs);
  table.version.version = 13;
  table.node = NodeId(2);
  EXPECT_EQ(check(table).refusal, Refusal::envelope_differs);
}

TEST_F(TableChecks, RefuseTheTableOfAnotherNode) {
  EXPECT_EQ(after([](RouteTable& t) {
              t = samples::random_table(1, 5, 13);
              ASSERT_NE(t.node, NodeId(1));
            }),
            Refusal::wrong_node);
}

TEST_F(TableChecks, RefuseAnOlderVersionAndTheSameOne) {
  EXPECT_EQ(after([](RouteTable& t) { t.version = {3, 12}; }), Refusal::not_newer);
  EXPECT_EQ(after([](RouteTable& t) { t.version = {3, 11}; }), Refusal::not_newer);
  EXPECT_EQ(after([](RouteTable& t) { t.version = {2, 900}; }), Refusal::not_newer);
}

TEST_F(TableChecks, RefuseATableThatHasExpired) {
  const auto table = samples::sign_table(key_, samples::small_table(13));
  EXPECT_EQ(check(table, samples::kSoft).refusal, std::nullopt);
  EXPECT_EQ(check(table, samples::kHard).refusal, Refusal::expired);
}

TEST_F(TableChecks, RefuseExpiriesInTheWrongOrder) {
  EXPECT_EQ(after_bytes([](samples::Octets& b) {
              std::swap_ranges(b.begin() + 72, b.begin() + 80, b.begin() + 80);
            }),
            Refusal::bad_expiry);
}

TEST_F(TableChecks, RefuseALoop) {
  EXPECT_EQ(after_bytes([](samples::Octets& b) { find_candidate(b, {2, 3, 4})->hops[1].node = 2; }),
            Refusal::loop);
  EXPECT_EQ(after_bytes([](samples::Octets& b) { find_candidate(b, {2, 3, 4})->hops[1].node = 1; }),
            Refusal::loop);
}

TEST_F(TableChecks, RefuseAPathThatEndsElsewhereOrUsesAPortThatIsNotThere) {
  EXPECT_EQ(after_bytes([](samples::Octets& b) { find_candidate(b, {2, 3, 4})->hops[2].node = 5; }),
            Refusal::bad_path);
  EXPECT_EQ(
      after_bytes([](samples::Octets& b) { find_candidate(b, {3, 4})->hops[1].far_port = 1; }),
      Refusal::bad_path);
}

TEST_F(TableChecks, RefuseAPathThatCostsNothing) {
  EXPECT_EQ(after_bytes([](samples::Octets& b) { find_candidate(b, {4})->cost_us = 0; }),
            Refusal::zero_cost);
}

TEST_F(TableChecks, RefuseADestinationThatIsMissingWithoutAReason) {
  const auto forget = [](RouteTable& t, NodeId node) {
    std::erase_if(t.routes, [&](const Route& route) { return route.target == node; });
  };
  EXPECT_EQ(after([&](RouteTable& t) { forget(t, NodeId(4)); }), Refusal::target_missing)
      << "it is still named";
  EXPECT_EQ(after([&](RouteTable& t) {
              forget(t, NodeId(4));
              std::erase_if(t.nodes, [](const NodeName& n) { return n.id == NodeId(4); });
            }),
            Refusal::target_missing)
      << "it is in the table in use";
  EXPECT_EQ(after([&](RouteTable& t) {
              forget(t, NodeId(4));
              t.dropped.insert(t.dropped.begin(), {NodeId(4), "dead"});
            }),
            std::nullopt);
  EXPECT_EQ(after([&](RouteTable& t) { std::erase(t.routes, t.routes.back()); }),
            Refusal::target_missing)
      << "one direction only";
  EXPECT_EQ(after([&](RouteTable& t) { t.dropped.erase(t.dropped.begin()); }),
            Refusal::target_missing)
      << "named, dropped before, and now nothing is said";
}

TEST_F(TableChecks, ForgiveAMissingDestinationOnceTheTableInUseHasExpired) {
  RouteTable table = samples::small_table(13);
  std::erase_if(table.routes, [](const Route& r) { return r.target == NodeId(4); });
  std::erase_if(table.nodes, [](const NodeName& n) { return n.id == NodeId(4); });
  table.valid_until_hard = samples::kHard + std::chrono::hours(1);
  const auto signed_table = samples::sign_table(key_, table);
  EXPECT_EQ(check(signed_table).refusal, Refusal::target_missing);
  EXPECT_EQ(check(signed_table, samples::kHard).refusal, std::nullopt);
}

TEST_F(TableChecks, SayWhatAndWhere) {
  RouteTable table = samples::small_table(13);
  table.routes.pop_back();
  const TableVerdict verdict = check(samples::sign_table(key_, table));
  EXPECT_EQ(verdict.detail,
            "target missing: node 4 (singapore-ingest-4) has neither a route in each direction nor "
            "a reason");
}

}  // namespace
}  // namespace linkpilot::route_client

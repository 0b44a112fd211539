#include "schemas/route_file_codec.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schemas/route_file_check.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

using samples::Octets;
using schemas::decode_route_file;
using schemas::encode_route_file;

template <typename Record>
void patch(Octets& body, std::size_t offset, const Record& record) {
  std::memcpy(body.data() + offset, &record, sizeof record);
}

template <typename Record>
Record record_at(const Octets& body, std::size_t offset) {
  Record record;
  std::memcpy(&record, body.data() + offset, sizeof record);
  return record;
}

std::size_t section_entry(const Octets& body, std::uint32_t kind) {
  const auto header = record_at<lp_route_header>(body, 0);
  for (std::uint32_t i = 0; i < header.section_count; ++i) {
    const std::size_t at = sizeof header + i * sizeof(lp_route_section);
    if (record_at<lp_route_section>(body, at).kind == kind) return at;
  }
  ADD_FAILURE() << "no section " << kind;
  return 0;
}

lp_route_section section_of(const Octets& body, std::uint32_t kind) {
  return record_at<lp_route_section>(body, section_entry(body, kind));
}

lp_route_fault fault_of(const Octets& body) {
  lp_route_view view;
  std::vector<std::uint64_t> aligned((body.size() + 7) / 8);
  std::memcpy(aligned.data(), body.data(), body.size());
  return lp_route_file_check(aligned.data(), body.size(), &view).fault;
}

TEST(RouteFileCodec, RoundTripsATableWithEveryFeature) {
  const RouteTable table = samples::small_table();
  const auto body = encode_route_file(table);
  ASSERT_TRUE(body) << body.error().message;
  const auto back = decode_route_file(*body);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, table);
}

TEST(RouteFileCodec, RoundTripsAnEmptyTable) {
  RouteTable table;
  table.node = NodeId(9);
  table.nodes = {samples::node(9, "lonely")};
  EXPECT_EQ(decode_route_file(encode_route_file(table).value()).value(), table);
}

TEST(RouteFileCodec, RoundTripsRandomTablesOfAllSizes) {
  for (const std::size_t targets : {1U, 2U, 7U, 64U, 333U, 1000U}) {
    const RouteTable table = samples::random_table(targets, targets);
    const auto body = encode_route_file(table);
    ASSERT_TRUE(body) << body.error().message;
    EXPECT_EQ(decode_route_file(*body).value(), table) << targets;
  }
}

TEST(RouteFileCodec, EncodesTheSameBytesWhateverTheOrder) {
  RouteTable shuffled = samples::small_table();
  std::ranges::reverse(shuffled.nodes);
  std::ranges::reverse(shuffled.routes);
  std::ranges::reverse(shuffled.dropped);
  const auto body = encode_route_file(samples::small_table()).value();
  const auto again = encode_route_file(shuffled).value();
  EXPECT_EQ(decode_route_file(again).value(), samples::small_table());
  EXPECT_EQ(body, again);
}

// The bytes of format 2, for ever. Made with this codec's first version from
// samples::small_table().
TEST(RouteFileCodec, ReadsAndWritesTheGoldenBytes) {
  const Octets golden = samples::get_file("tests/golden/route_table_v2.bin");
  ASSERT_FALSE(golden.empty());
  EXPECT_EQ(decode_route_file(golden).value(), samples::small_table());
  EXPECT_EQ(encode_route_file(samples::small_table()).value(), golden);
}

TEST(RouteFileCodec, KeepsTheDocumentedOffsetsOfTheHeader) {
  const Octets body = encode_route_file(samples::small_table()).value();
  EXPECT_EQ(std::string(body.begin(), body.begin() + 8), "LPROUTE2");
  EXPECT_EQ(record_at<std::uint16_t>(body, 8), 2);             // format
  EXPECT_EQ(record_at<std::uint16_t>(body, 10), 1);            // node
  EXPECT_EQ(record_at<std::uint64_t>(body, 16), body.size());  // total_octets
  EXPECT_EQ(record_at<std::uint64_t>(body, 32), 3U);           // epoch
  EXPECT_EQ(record_at<std::uint64_t>(body, 40), 12U);          // version
  EXPECT_EQ(record_at<std::int64_t>(body, 80), samples::kHard.ns);
}

std::uint64_t hash_of(std::string_view name, std::uint64_t seed) {
  std::uint64_t words[LP_ROUTE_NAME_WORDS];
  lp_route_name_words(name.data(), name.size(), words);
  return lp_route_hash(name.data(), name.size(), words, seed);
}

TEST(RouteFileCodec, HashesNamesAsDocumented) {
  // Worked out by hand from the text of route_file.h, in Python.
  EXPECT_EQ(hash_of("", 0), 0x0000000000000000U);
  EXPECT_EQ(hash_of("x", 0), 0xdf46a6a68769cb42U);
  EXPECT_EQ(hash_of("fra-1", 0), 0xfd4257062588c3acU);
  EXPECT_EQ(hash_of("fra-1", 3), 0x2e57e348790afcbaU);
  EXPECT_EQ(hash_of("singapore-ingest-4", 0), 0x99010df8d7b1f0e2U);
  EXPECT_EQ(hash_of("a-name-that-is-longer-than-four-words", 0), 0x606d376328f541beU);
}

TEST(RouteFileCodec, ANamesWordsAndHashDependOnEveryOctet) {
  std::string name = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789-";
  for (std::size_t length = 1; length <= LP_ROUTE_NAME_LENGTH_MAX; ++length) {
    const std::uint64_t whole = hash_of(std::string_view(name).substr(0, length), 0);
    for (std::size_t at = 0; at < length; ++at) {
      std::string other = name.substr(0, length);
      other[at] = '#';
      EXPECT_NE(hash_of(other, 0), whole) << length << ", octet " << at;
    }
  }
}

TEST(RouteFileCodec, GivesEveryNameASlotOfItsOwnWhateverTheNumberOfNodes) {
  for (const std::size_t nodes : {0U, 1U, 2U, 3U, 7U, 64U, 65U, 1000U, 2049U, 4095U}) {
    const auto body = encode_route_file(samples::random_table(nodes, nodes));
    ASSERT_TRUE(body) << nodes << ": " << body.error().message;
    EXPECT_EQ(decode_route_file(*body).value().nodes.size(), nodes + 1);
  }
}

TEST(RouteFileCodec, IgnoresTheTrailerButNothingElseBehindTheBody) {
  Octets file = encode_route_file(samples::small_table()).value();
  file.resize(file.size() + LP_ROUTE_TRAILER_OCTETS);
  EXPECT_TRUE(decode_route_file(file));
  file.push_back(0);
  EXPECT_FALSE(decode_route_file(file));
}

TEST(RouteFileCodec, RefusesEveryTruncation) {
  const Octets body = encode_route_file(samples::small_table()).value();
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(decode_route_file(std::span(body).first(size))) << size;
  }
}

TEST(RouteFileCodec, NoticesEveryChangedOctet) {
  Octets body = encode_route_file(samples::small_table()).value();
  for (std::size_t at = 0; at < body.size(); ++at) {
    body[at] ^= 0x41;
    EXPECT_FALSE(decode_route_file(body)) << at;
    body[at] ^= 0x41;
  }
  EXPECT_TRUE(decode_route_file(body));
}

// Whoever forges the digest too gets no further than a refusal or a table that is sound.
TEST(RouteFileCodec, SurvivesEveryChangedOctetWithAFittingDigest) {
  Octets body = encode_route_file(samples::small_table()).value();
  for (std::size_t at = 0; at < body.size(); ++at) {
    for (const std::uint8_t flip : std::initializer_list<std::uint8_t>{0x01, 0x80, 0xff}) {
      Octets changed = body;
      changed[at] ^= flip;
      samples::fix_digest(changed);
      const auto table = decode_route_file(changed);
      if (table) {
        EXPECT_TRUE(encode_route_file(*table)) << at;
      }
    }
  }
}

TEST(RouteFileCodec, ReadsUnalignedBytes) {
  const Octets body = encode_route_file(samples::small_table()).value();
  Octets shifted(1);
  shifted.insert(shifted.end(), body.begin(), body.end());
  EXPECT_TRUE(decode_route_file(std::span(shifted).subspan(1)));
}

TEST(RouteFileCodec, SkipsAnUnknownSectionUnlessItIsRequired) {
  // The dropped section becomes one of a later version; an empty one takes its place at the end.
  RouteTable table = samples::small_table();
  Octets body = encode_route_file(table).value();
  auto header = record_at<lp_route_header>(body, 0);
  const std::size_t table_end = sizeof header + header.section_count * sizeof(lp_route_section);
  const auto first = section_of(body, LP_ROUTE_TARGETS);
  ASSERT_GE(first.offset, table_end + sizeof(lp_route_section)) << "room for one more entry";
  lp_route_section later{};
  later.kind = 1000;
  later.record_octets = 8;
  later.count = 1;
  later.offset = (body.size() + 63) / 64 * 64;
  body.resize(later.offset + 8);
  header.section_count += 1;
  header.total_octets = body.size();
  patch(body, 0, header);
  patch(body, table_end, later);
  samples::fix_digest(body);
  EXPECT_EQ(decode_route_file(body).value(), table);

  later.kind |= LP_ROUTE_SECTION_REQUIRED;
  patch(body, table_end, later);
  samples::fix_digest(body);
  EXPECT_EQ(fault_of(body), LP_ROUTE_FAULT_SECTION);
}

TEST(RouteFileCodec, IgnoresReservedFields) {
  Octets body = encode_route_file(samples::small_table()).value();
  auto header = record_at<lp_route_header>(body, 0);
  header.reserved[7] = 1;
  patch(body, 0, header);
  samples::fix_digest(body);
  EXPECT_EQ(decode_route_file(body).value(), samples::small_table());
}

template <typename Record, typename Change>
lp_route_fault fault_after(std::uint32_t kind, std::size_t index, Change change) {
  Octets body = encode_route_file(samples::small_table()).value();
  const std::size_t at = section_of(body, kind).offset + index * sizeof(Record);
  auto record = record_at<Record>(body, at);
  change(record);
  patch(body, at, record);
  samples::fix_digest(body);
  return fault_of(body);
}

template <typename Change>
lp_route_fault fault_after_header(Change change) {
  Octets body = encode_route_file(samples::small_table()).value();
  auto header = record_at<lp_route_header>(body, 0);
  change(header);
  patch(body, 0, header);
  samples::fix_digest(body);
  return fault_of(body);
}

TEST(RouteFileCheck, NamesWhatIsWrongWithAHeader) {
  EXPECT_EQ(fault_after_header([](auto& h) { h.magic[0] = 'X'; }), LP_ROUTE_FAULT_MAGIC);
  EXPECT_EQ(fault_after_header([](auto& h) { h.format = 1; }), LP_ROUTE_FAULT_FORMAT);
  EXPECT_EQ(fault_after_header([](auto& h) { h.node = 0; }), LP_ROUTE_FAULT_NODE);
  EXPECT_EQ(fault_after_header([](auto& h) { h.node = 6; }), LP_ROUTE_FAULT_NODE);
  EXPECT_EQ(fault_after_header([](auto& h) { h.section_count = 0; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(fault_after_header([](auto& h) { h.section_count = 5; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(fault_after_header([](auto& h) { h.section_count = 0xffffffff; }),
            LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(fault_after_header([](auto& h) { h.total_octets += 8; }), LP_ROUTE_FAULT_SIZE);
  EXPECT_EQ(fault_after_header([](auto& h) { h.total_octets = ~std::uint64_t{7}; }),
            LP_ROUTE_FAULT_SIZE);
  EXPECT_EQ(fault_after_header([](auto& h) { std::swap(h.soft_expiry_ns, h.hard_expiry_ns); }),
            LP_ROUTE_FAULT_EXPIRY);
}

TEST(RouteFileCheck, RefusesSectionsOutOfBoundsOrOrder) {
  const auto after = [](auto change) {
    Octets body = encode_route_file(samples::small_table()).value();
    const std::size_t at = section_entry(body, LP_ROUTE_NODES);
    auto section = record_at<lp_route_section>(body, at);
    change(section);
    patch(body, at, section);
    samples::fix_digest(body);
    return fault_of(body);
  };
  EXPECT_EQ(after([](auto& s) { s.offset += 8; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.offset = 0; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.offset = std::uint64_t{1} << 40; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.count = ~std::uint64_t{0}; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.record_octets = 0; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.record_octets = 104; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.kind = LP_ROUTE_STRINGS; }), LP_ROUTE_FAULT_SECTION);
  EXPECT_EQ(after([](auto& s) { s.kind = 99; }), LP_ROUTE_FAULT_SECTION);
}

TEST(RouteFileCheck, NamesWhatIsWrongWithANode) {
  const auto after = [](auto change) {
    return fault_after<lp_route_node>(LP_ROUTE_NODES, 1, change);
  };
  EXPECT_EQ(after([](auto& n) { n.id = 1; }), LP_ROUTE_FAULT_NODE);
  EXPECT_EQ(after([](auto& n) { n.port_count = 9; }), LP_ROUTE_FAULT_NODE);
  EXPECT_EQ(after([](auto& n) { n.name.length = 0; }), LP_ROUTE_FAULT_STRING);
  EXPECT_EQ(after([](auto& n) { n.name.length = 64; }), LP_ROUTE_FAULT_STRING);
  EXPECT_EQ(after([](auto& n) { n.name.length -= 1; }), LP_ROUTE_FAULT_STRING);
  EXPECT_EQ(after([](auto& n) { n.region.offset = 0xffffffff; }), LP_ROUTE_FAULT_STRING);
  EXPECT_EQ(after([](auto& n) { n.media_base.length = 0xffffffff; }), LP_ROUTE_FAULT_STRING);
  EXPECT_EQ(after([](auto& n) { n.addresses[7].offset = 1; }), LP_ROUTE_FAULT_STRING);
}

std::size_t slot_of(std::uint16_t node) {
  const Octets body = encode_route_file(samples::small_table()).value();
  const auto section = section_of(body, LP_ROUTE_TARGETS);
  for (std::size_t slot = 0; slot < section.count; ++slot) {
    if (record_at<lp_route_target>(body, section.offset + slot * sizeof(lp_route_target)).node ==
        node) {
      return slot;
    }
  }
  ADD_FAILURE();
  return 0;
}

TEST(RouteFileCheck, NamesWhatIsWrongWithTheIndex) {
  const auto after = [](auto change) {
    return fault_after<lp_route_target>(LP_ROUTE_TARGETS, slot_of(2), change);
  };
  EXPECT_EQ(after([](auto& t) { t.words[3] += 1; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.node = 3; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.node = 0; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.node_index = 5; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.name_offset += 1; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.push_count = 5; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t.pull_first = 0xffffffff; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(after([](auto& t) { t = lp_route_target{}; }), LP_ROUTE_FAULT_TARGET);
  EXPECT_EQ(
      fault_after<lp_route_target>(LP_ROUTE_TARGETS, slot_of(1), [](auto& t) { t.push_count = 1; }),
      LP_ROUTE_FAULT_TARGET)
      << "a route to itself";
  EXPECT_EQ(fault_after<std::uint32_t>(LP_ROUTE_NUMBERS, 2, [](auto& n) { n = 0; }),
            LP_ROUTE_FAULT_NUMBER);
  EXPECT_EQ(fault_after<std::uint32_t>(LP_ROUTE_NUMBERS, 0, [](auto& n) { n = 3; }),
            LP_ROUTE_FAULT_NUMBER);
}

TEST(RouteFileCheck, NamesWhatIsWrongWithAPath) {
  const auto after = [](auto change) {
    const Octets body = encode_route_file(samples::small_table()).value();
    const auto section = section_of(body, LP_ROUTE_TARGETS);
    const auto target =
        record_at<lp_route_target>(body, section.offset + slot_of(4) * sizeof(lp_route_target));
    return fault_after<lp_route_candidate>(LP_ROUTE_CANDIDATES, target.push_first, change);
  };
  EXPECT_EQ(after([](auto& p) { p.cost_us = 0; }), LP_ROUTE_FAULT_ZERO_COST);
  EXPECT_EQ(after([](auto& p) { p.hops[1].node = 1; }), LP_ROUTE_FAULT_LOOP);
  EXPECT_EQ(after([](auto& p) { p.hops[1].node = 2; }), LP_ROUTE_FAULT_LOOP);
  EXPECT_EQ(after([](auto& p) { p.hops[2].node = 5; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hops[1].node = 6; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hops[1].node = 60000; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hops[0].near_port = 2; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hops[2].far_port = 1; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hop_count = 0; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.hop_count = 4; }), LP_ROUTE_FAULT_PATH);
  EXPECT_EQ(after([](auto& p) { p.delay_ns = ~std::uint64_t{0}; }), LP_ROUTE_FAULT_PATH);
}

TEST(RouteFileCheck, NamesWhatIsWrongWithADroppedTarget) {
  const auto after = [](auto change) {
    return fault_after<lp_route_dropped>(LP_ROUTE_DROPPED, 1, change);
  };
  EXPECT_EQ(after([](auto& d) { d.node = 5; }), LP_ROUTE_FAULT_DROPPED);
  EXPECT_EQ(after([](auto& d) { d.reason.length = 0; }), LP_ROUTE_FAULT_DROPPED);
  EXPECT_EQ(after([](auto& d) { d.reason.offset += 0x1000000; }), LP_ROUTE_FAULT_STRING);
}

struct BadTable {
  const char* name;
  void (*spoil)(RouteTable&);
};

TEST(RouteFileCodec, DoesNotEncodeATableThatNoReaderWouldTake) {
  const BadTable cases[] = {
      {"own node not named", [](RouteTable& t) { t.node = NodeId(6); }},
      {"no node", [](RouteTable& t) { t.node = NodeId(); }},
      {"two nodes with one name", [](RouteTable& t) { t.nodes[1].name = "ams-1"; }},
      {"two nodes with one number", [](RouteTable& t) { t.nodes[1].id = NodeId(1); }},
      {"empty name", [](RouteTable& t) { t.nodes[1].name.clear(); }},
      {"name too long", [](RouteTable& t) { t.nodes[1].name = std::string(64, 'a'); }},
      {"NUL in a name", [](RouteTable& t) { t.nodes[1].name[1] = '\0'; }},
      {"nine ports", [](RouteTable& t) { t.nodes[1].port_addresses.resize(9); }},
      {"unknown target", [](RouteTable& t) { t.routes[0].target = NodeId(6); }},
      {"no direction", [](RouteTable& t) { t.routes[0].direction = Direction::unspecified; }},
      {"same route twice", [](RouteTable& t) { t.routes[3].direction = Direction::push; }},
      {"no candidates", [](RouteTable& t) { t.routes[0].candidates.clear(); }},
      {"five candidates",
       [](RouteTable& t) { t.routes[0].candidates.resize(5, t.routes[0].candidates[0]); }},
      {"no hops", [](RouteTable& t) { t.routes[0].candidates[0].hops.clear(); }},
      {"four hops",
       [](RouteTable& t) {
         t.routes[2].candidates[0].hops.insert(t.routes[2].candidates[0].hops.begin(),
                                               samples::hop(5));
       }},
      {"loop", [](RouteTable& t) { t.routes[2].candidates[0].hops[1] = samples::hop(2); }},
      {"through itself",
       [](RouteTable& t) { t.routes[2].candidates[0].hops[1] = samples::hop(1); }},
      {"wrong end", [](RouteTable& t) { t.routes[2].candidates[0].hops.pop_back(); }},
      {"unknown relay", [](RouteTable& t) { t.routes[2].candidates[0].hops[0] = samples::hop(9); }},
      {"no such port",
       [](RouteTable& t) { t.routes[2].candidates[0].hops[0] = samples::hop(2, 0, 2); }},
      {"zero cost", [](RouteTable& t) { t.routes[0].candidates[0].cost_us = 0; }},
      {"negative delay", [](RouteTable& t) { t.routes[0].candidates[0].delay = Duration(-1); }},
      {"dropped without a reason", [](RouteTable& t) { t.dropped[0].reason.clear(); }},
      {"dropped twice", [](RouteTable& t) { t.dropped[1].target = NodeId(5); }},
      {"itself dropped", [](RouteTable& t) { t.dropped[0].target = NodeId(1); }},
      {"expiries swapped",
       [](RouteTable& t) { std::swap(t.valid_until_soft, t.valid_until_hard); }},
      {"larger than a file may be",
       [](RouteTable& t) { t.dropped[0].reason = std::string(5U << 20, 'r'); }},
  };
  for (const BadTable& bad : cases) {
    SCOPED_TRACE(bad.name);
    RouteTable table = samples::small_table();
    bad.spoil(table);
    const auto body = encode_route_file(table);
    EXPECT_FALSE(body);
    if (!body) {
      EXPECT_EQ(body.error().code, ErrorCode::invalid_argument);
    }
  }
}

}  // namespace
}  // namespace linkpilot

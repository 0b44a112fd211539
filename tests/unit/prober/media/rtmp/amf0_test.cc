#include "prober/media/rtmp/amf0.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/rtmp_wire.h"

namespace linkpilot::rtmp {
namespace {

AmfValue number(double value) {
  AmfValue result;
  result.type = AmfType::number;
  result.number = value;
  return result;
}

AmfValue text(std::string value) {
  AmfValue result;
  result.type = AmfType::string;
  result.text = std::move(value);
  return result;
}

Result<AmfValue> read_one(const Bytes& bytes) { return AmfReader(bytes).next(); }

TEST(Amf0, WritesWhatItReads) {
  AmfValue all;
  all.type = AmfType::object;
  AmfValue array;
  array.type = AmfType::strict_array;
  array.members = {{"", number(-1.5)}, {"", text("av01")}};
  AmfValue ecma;
  ecma.type = AmfType::ecma_array;
  ecma.members = {{"width", number(640)}, {"", text("empty key")}};
  AmfValue typed = ecma;
  typed.type = AmfType::typed_object;
  typed.text = "Class";
  AmfValue date = number(1e12);
  date.type = AmfType::date;
  AmfValue reference = number(7);
  reference.type = AmfType::reference;
  AmfValue truth;
  truth.type = AmfType::boolean;
  truth.boolean = true;
  AmfValue null;
  null.type = AmfType::null;
  AmfValue xml = text("<a/>");
  xml.type = AmfType::xml;
  AmfValue unsupported;
  unsupported.type = AmfType::unsupported;
  all.members = {{"array", array},
                 {"ecma", ecma},
                 {"typed", typed},
                 {"date", date},
                 {"ref", reference},
                 {"truth", truth},
                 {"null", null},
                 {"undefined", {}},
                 {"xml", xml},
                 {"nothing", unsupported},
                 {"nan", number(std::nan(""))},
                 {"ecma", text("twice")}};
  Bytes bytes;
  AmfWriter(bytes).value(all);
  AmfReader reader(bytes);
  const auto read = reader.next();
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, all);
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(read->find("ecma")->type, AmfType::ecma_array) << "the first of two equal keys counts";
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(read_one(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut))));
  }
}

TEST(Amf0, ReadsALongString) {
  Bytes bytes;
  AmfWriter(bytes).text(std::string(65536, 'x'));
  const auto read = read_one(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text.size(), 65536U);
}

TEST(Amf0, TakesTheCountOfAnEcmaArrayAsAHint) {
  const auto read = read_one(joined({{8, 0xff, 0xff, 0xff, 0xff}, {0, 1, 'a', 5}, {0, 0, 9}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->members.size(), 1U);
}

TEST(Amf0, RefusesAStrictArrayLongerThanItsMessageBeforeAllocating) {
  const auto read = read_one({10, 0xff, 0xff, 0xff, 0xff, 5, 5});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::corrupt);
}

TEST(Amf0, RefusesALongStringLongerThanItsMessageOrItsLimit) {
  EXPECT_FALSE(read_one({12, 0x7f, 0xff, 0xff, 0xff, 'a'}));
  EXPECT_FALSE(read_one({12, 0, 0, 0, 9, 'a'}));
  EXPECT_FALSE(read_one({2, 0, 9, 'a'}));
}

TEST(Amf0, RefusesDeepNestingOfEachKind) {
  const Bytes object{3, 0, 1, 'a'};
  const Bytes ecma{8, 0, 0, 0, 1, 0, 1, 'a'};
  const Bytes strict{10, 0, 0, 0, 1};
  for (const Bytes& opening : {object, ecma, strict}) {
    Bytes bytes;
    for (int i = 0; i < 70000; ++i) append(bytes, opening);
    const auto read = read_one(bytes);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::limit_exceeded);
  }
}

TEST(Amf0, CountsItemsOverAllValuesOfAMessage) {
  const Bytes bytes(5000, 5);
  AmfReader reader(bytes);
  std::size_t read = 0;
  while (!reader.at_end() && reader.next()) ++read;
  EXPECT_EQ(read, 4096U);
}

TEST(Amf0, KeepsAReferenceAsANumberSoThatItCannotLoop) {
  const auto read = read_one({7, 0xff, 0xff});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->type, AmfType::reference);
  EXPECT_EQ(read->number, 65535);
}

TEST(Amf0, EndsAtASwitchToAmf3AndKeepsWhatCameBefore) {
  const auto read =
      read_one(joined({{3, 0, 4}, bytes_of("code"), {2, 0, 1, 'x'}, {0, 1, 'a', 17, 1, 2}}));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text_of("code"), "x");
}

TEST(Amf0, RefusesReservedMarkersAndAcceptsAnyOctetsInStrings) {
  for (const std::uint8_t marker : Bytes{4, 9, 14, 18, 255}) {
    EXPECT_FALSE(read_one({marker, 0, 0, 0, 0}));
  }
  const auto read = read_one({2, 0, 2, 0xff, 0xfe});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->text, "\xff\xfe");
}

TEST(Amf0, ReadsACommandInBothForms) {
  Bytes body;
  AmfWriter(body).text("_result").number(4).null().object().name("code").text("X").end();
  for (const CommandForm form : {CommandForm::amf0, CommandForm::amf3_envelope}) {
    const auto command = read_command(body, form);
    ASSERT_TRUE(command);
    EXPECT_EQ(command->name, "_result");
    EXPECT_EQ(command->transaction, 4);
    ASSERT_EQ(command->arguments.size(), 2U);
    ASSERT_NE(command->info(), nullptr);
    body.insert(body.begin(), 0);
  }
  EXPECT_FALSE(read_command(Bytes{1, 2, 0, 0}, CommandForm::amf3_envelope));
  EXPECT_FALSE(read_command({}, CommandForm::amf3_envelope));
}

TEST(Amf0, ReadsCommandsWithOddTransactionsAndNoArguments) {
  Bytes bare;
  AmfWriter(bare).text("onBWDone");
  const auto command = read_command(bare, CommandForm::amf0);
  ASSERT_TRUE(command);
  EXPECT_TRUE(std::isnan(command->transaction));
  Bytes odd;
  AmfWriter(odd).text("x").text("no number");
  EXPECT_TRUE(std::isnan(read_command(odd, CommandForm::amf0)->transaction));
  Bytes nameless;
  AmfWriter(nameless).number(1);
  EXPECT_FALSE(read_command(nameless, CommandForm::amf0));
  Bytes many;
  AmfWriter writer(many);
  writer.text("x").number(1);
  for (int i = 0; i < 100; ++i) writer.null();
  EXPECT_EQ(read_command(many, CommandForm::amf0)->arguments.size(), 16U);
}

TEST(Amf0, IgnoresACodeThatIsNoString) {
  Bytes body;
  AmfWriter(body).text("onStatus").number(0).null().object().name("code").number(3).end();
  EXPECT_EQ(read_command(body, CommandForm::amf0)->info(), nullptr);
}

}  // namespace
}  // namespace linkpilot::rtmp

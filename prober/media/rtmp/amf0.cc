#include "prober/media/rtmp/amf0.h"

#include <fmt/format.h>

#include <bit>
#include <limits>

#include "base/assert.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::rtmp {
namespace {

// AMF0 2.1; markers 4 and 14 are reserved.
enum Marker : std::uint8_t {
  kNumber = 0,
  kBoolean = 1,
  kString = 2,
  kObject = 3,
  kNull = 5,
  kUndefined = 6,
  kReference = 7,
  kEcmaArray = 8,
  kObjectEnd = 9,
  kStrictArray = 10,
  kDate = 11,
  kLongString = 12,
  kUnsupported = 13,
  kXml = 15,
  kTypedObject = 16,
  kAmf3 = 17,
};

constexpr std::size_t kArgumentsMax = 16;

auto corrupt_amf(std::string words) {
  return linkpilot::fail(ErrorCode::corrupt, "AMF0: " + std::move(words));
}

auto amf_too_large(std::string words) {
  return linkpilot::fail(ErrorCode::limit_exceeded, "AMF0: " + std::move(words));
}

double load_double(std::span<const std::uint8_t> bytes) {
  return std::bit_cast<double>(prober::load_big<std::uint64_t>(bytes, 0));
}

}  // namespace

const AmfValue* AmfValue::find(std::string_view name) const {
  for (const AmfMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::string_view AmfValue::text_of(std::string_view name) const {
  const AmfValue* value = find(name);
  return value != nullptr && value->type == AmfType::string ? std::string_view(value->text)
                                                            : std::string_view();
}

bool operator==(const AmfValue& a, const AmfValue& b) {
  return a.type == b.type && a.boolean == b.boolean && a.text == b.text &&
         std::bit_cast<std::uint64_t>(a.number) == std::bit_cast<std::uint64_t>(b.number) &&
         a.members == b.members;
}

bool AmfReader::take(std::size_t octets, std::span<const std::uint8_t>& taken) {
  if (bytes_.size() < octets) return false;
  taken = bytes_.first(octets);
  bytes_ = bytes_.subspan(octets);
  return true;
}

Result<AmfValue> AmfReader::next() {
  AmfValue value;
  if (Status status = read(value, 0); !status) {
    bytes_ = {};
    return tl::unexpected<Error>(status.error());
  }
  return value;
}

Status AmfReader::read(AmfValue& value, std::size_t depth) {
  if (depth > limits_.depth) return amf_too_large(fmt::format("deeper than {}", limits_.depth));
  if (++items_ > limits_.items) return amf_too_large(fmt::format("over {} values", limits_.items));
  std::span<const std::uint8_t> marker;
  if (!take(1, marker)) return corrupt_amf("ends before a value");
  return read_marker(marker[0], value, depth);
}

Status AmfReader::read_marker(std::uint8_t marker, AmfValue& value, std::size_t depth) {
  std::span<const std::uint8_t> field;
  switch (marker) {
    case kNumber:
      value.type = AmfType::number;
      if (!take(8, field)) return corrupt_amf("a number is cut short");
      value.number = load_double(field);
      return {};
    case kBoolean:
      value.type = AmfType::boolean;
      if (!take(1, field)) return corrupt_amf("a boolean is cut short");
      value.boolean = field[0] != 0;
      return {};
    case kString:
      value.type = AmfType::string;
      return read_text(2, value.text);
    case kLongString:
      value.type = AmfType::string;
      return read_text(4, value.text);
    case kXml:
      value.type = AmfType::xml;
      return read_text(4, value.text);
    case kTypedObject:
      value.type = AmfType::typed_object;
      if (Status status = read_text(2, value.text); !status) return status;
      return read_members(value, depth);
    case kObject:
      value.type = AmfType::object;
      return read_members(value, depth);
    case kEcmaArray:
      value.type = AmfType::ecma_array;
      if (!take(4, field)) return corrupt_amf("an array is cut short");
      return read_members(value, depth);
    case kStrictArray:
      value.type = AmfType::strict_array;
      return read_strict_array(value, depth);
    case kNull:
      value.type = AmfType::null;
      return {};
    case kUndefined:
      value.type = AmfType::undefined;
      return {};
    case kUnsupported:
      value.type = AmfType::unsupported;
      return {};
    case kReference:
      value.type = AmfType::reference;
      if (!take(2, field)) return corrupt_amf("a reference is cut short");
      value.number = prober::load_big<std::uint16_t>(field, 0);
      return {};
    case kDate:
      value.type = AmfType::date;
      if (!take(10, field)) return corrupt_amf("a date is cut short");
      value.number = load_double(field);  // the time zone behind it is reserved, 2.13
      return {};
    case kAmf3:
      value.type = AmfType::amf3;
      bytes_ = {};
      return {};
    default:
      return corrupt_amf(fmt::format("no value begins with marker {}", marker));
  }
}

Status AmfReader::read_text(std::size_t length_octets, std::string& text) {
  std::span<const std::uint8_t> field;
  if (!take(length_octets, field)) return corrupt_amf("a string's length is cut short");
  const std::size_t octets = length_octets == 2 ? prober::load_big<std::uint16_t>(field, 0)
                                                : prober::load_big<std::uint32_t>(field, 0);
  if (octets > limits_.string_octets) {
    return amf_too_large(fmt::format("a string of {} octets", octets));
  }
  if (!take(octets, field)) return corrupt_amf("a string is longer than what holds it");
  text.assign(field.begin(), field.end());
  return {};
}

Status AmfReader::read_members(AmfValue& value, std::size_t depth) {
  while (true) {
    AmfMember member;
    if (Status status = read_text(2, member.name); !status) return status;
    if (member.name.empty() && !bytes_.empty() && bytes_[0] == kObjectEnd) {
      bytes_ = bytes_.subspan(1);
      return {};
    }
    if (Status status = read(member.value, depth + 1); !status) return status;
    const bool last = member.value.type == AmfType::amf3;
    value.members.push_back(std::move(member));
    if (last) return {};
  }
}

Status AmfReader::read_strict_array(AmfValue& value, std::size_t depth) {
  std::span<const std::uint8_t> field;
  if (!take(4, field)) return corrupt_amf("an array is cut short");
  const std::uint32_t count = prober::load_big<std::uint32_t>(field, 0);
  // A value takes at least one octet.
  if (count > bytes_.size()) return corrupt_amf("an array is longer than what holds it");
  for (std::uint32_t i = 0; i < count; ++i) {
    AmfMember member;
    if (Status status = read(member.value, depth + 1); !status) return status;
    value.members.push_back(std::move(member));
    if (value.members.back().value.type == AmfType::amf3) return {};
  }
  return {};
}

void AmfWriter::put(std::uint64_t value, int octets) {
  for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8) {
    out_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

AmfWriter& AmfWriter::number(double value) {
  put(kNumber, 1);
  put(std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

AmfWriter& AmfWriter::boolean(bool value) {
  put(kBoolean, 1);
  put(value ? 1 : 0, 1);
  return *this;
}

AmfWriter& AmfWriter::text(std::string_view value) {
  const bool longer = value.size() > 0xffff;
  put(longer ? kLongString : kString, 1);
  put(value.size(), longer ? 4 : 2);
  out_.insert(out_.end(), value.begin(), value.end());
  return *this;
}

AmfWriter& AmfWriter::null() {
  put(kNull, 1);
  return *this;
}

AmfWriter& AmfWriter::object() {
  put(kObject, 1);
  return *this;
}

AmfWriter& AmfWriter::name(std::string_view value) {
  LP_ASSERT(value.size() <= 0xffff);
  put(value.size(), 2);
  out_.insert(out_.end(), value.begin(), value.end());
  return *this;
}

AmfWriter& AmfWriter::end() {
  put(kObjectEnd, 3);
  return *this;
}

AmfWriter& AmfWriter::strict_array(std::uint32_t count) {
  put(kStrictArray, 1);
  put(count, 4);
  return *this;
}

AmfWriter& AmfWriter::ecma_array(std::uint32_t count) {
  put(kEcmaArray, 1);
  put(count, 4);
  return *this;
}

AmfWriter& AmfWriter::value(const AmfValue& value) {
  const auto count = static_cast<std::uint32_t>(value.members.size());
  switch (value.type) {
    case AmfType::number:
      return number(value.number);
    case AmfType::boolean:
      return boolean(value.boolean);
    case AmfType::string:
      return text(value.text);
    case AmfType::null:
      return null();
    case AmfType::undefined:
      put(kUndefined, 1);
      return *this;
    case AmfType::unsupported:
      put(kUnsupported, 1);
      return *this;
    case AmfType::reference:
      put(kReference, 1);
      put(static_cast<std::uint64_t>(value.number), 2);
      return *this;
    case AmfType::date:
      put(kDate, 1);
      put(std::bit_cast<std::uint64_t>(value.number), 8);
      put(0, 2);
      return *this;
    case AmfType::xml:
      put(kXml, 1);
      put(value.text.size(), 4);
      out_.insert(out_.end(), value.text.begin(), value.text.end());
      return *this;
    case AmfType::strict_array:
      strict_array(count);
      for (const AmfMember& member : value.members) this->value(member.value);
      return *this;
    case AmfType::object:
      object();
      break;
    case AmfType::ecma_array:
      ecma_array(count);
      break;
    case AmfType::typed_object:
      put(kTypedObject, 1);
      name(value.text);
      break;
    case AmfType::amf3:
      LP_ASSERT(false);
  }
  for (const AmfMember& member : value.members) name(member.name).value(member.value);
  return end();
}

const AmfValue* Command::info() const {
  for (const AmfValue& argument : arguments) {
    if (!argument.text_of("code").empty()) return &argument;
  }
  return nullptr;
}

Result<Command> read_command(std::span<const std::uint8_t> body, CommandForm form) {
  if (form == CommandForm::amf3_envelope) {
    if (body.empty() || body[0] != 0) return corrupt_amf("an AMF3 command that is not AMF0 inside");
    body = body.subspan(1);
  }
  AmfReader reader(body);
  const auto name = reader.next();
  if (!name) return tl::unexpected<Error>(name.error());
  if (name->type != AmfType::string) return corrupt_amf("a command without a name");
  Command command{
      .name = name->text, .transaction = std::numeric_limits<double>::quiet_NaN(), .arguments = {}};
  if (reader.at_end()) return command;
  auto transaction = reader.next();
  if (!transaction) return tl::unexpected<Error>(transaction.error());
  if (transaction->type == AmfType::number) command.transaction = transaction->number;
  while (!reader.at_end() && command.arguments.size() < kArgumentsMax) {
    auto argument = reader.next();
    if (!argument) return tl::unexpected<Error>(argument.error().in(command.name));
    command.arguments.push_back(std::move(*argument));
  }
  return command;
}

}  // namespace linkpilot::rtmp

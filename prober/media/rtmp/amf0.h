// AMF0 values (Adobe, "Action Message Format -- AMF 0", 2007), as commands and script tags carry
// them.
//
// Every length is compared with what is left of the input before anything is allocated, and all
// values of one reader share its limits, so a hostile message costs no more than limits and message
// allow. A reference stays a number and is never followed. AMF3 inside AMF0 (marker 17) is not
// read: it ends the input with a value of type amf3. Counts of arrays are hints for ECMA arrays (as
// all peers treat them) and exact for strict ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace linkpilot::rtmp {

enum class AmfType : std::uint8_t {
  number,
  boolean,
  string,
  object,
  null,
  undefined,
  reference,
  ecma_array,
  strict_array,
  date,
  unsupported,
  xml,
  typed_object,
  amf3,
};

struct AmfMember;

struct AmfValue {
  AmfType type = AmfType::undefined;
  double number = 0;  // number; date: ms since 1970; reference: its index
  bool boolean = false;
  std::string text;                // string and xml; of a typed object its class
  std::vector<AmfMember> members;  // of objects and arrays; those of strict arrays have no names

  // The first member of that name, or nullptr.
  [[nodiscard]] const AmfValue* find(std::string_view name) const;
  // The text of that member if it is a string, else nothing.
  [[nodiscard]] std::string_view text_of(std::string_view name) const;

  friend bool operator==(const AmfValue&, const AmfValue&);
};

struct AmfMember {
  std::string name;
  AmfValue value;

  friend bool operator==(const AmfMember&, const AmfMember&) = default;
};

struct AmfLimits {
  std::size_t depth = 32;
  std::size_t items = 4096;           // values of all depths together
  std::size_t string_octets = 65536;  // of one string
};

class AmfReader {
 public:
  // `bytes` must outlive the reader.
  explicit AmfReader(std::span<const std::uint8_t> bytes, AmfLimits limits = {})
      : bytes_(bytes), limits_(limits) {}

  [[nodiscard]] bool at_end() const { return bytes_.empty(); }
  // The next value. After an error nothing more can be read.
  [[nodiscard]] Result<AmfValue> next();

 private:
  [[nodiscard]] Status read(AmfValue& value, std::size_t depth);
  [[nodiscard]] Status read_marker(std::uint8_t marker, AmfValue& value, std::size_t depth);
  [[nodiscard]] Status read_members(AmfValue& value, std::size_t depth);
  [[nodiscard]] Status read_strict_array(AmfValue& value, std::size_t depth);
  [[nodiscard]] Status read_text(std::size_t length_octets, std::string& text);
  [[nodiscard]] bool take(std::size_t octets, std::span<const std::uint8_t>& taken);

  std::span<const std::uint8_t> bytes_;
  AmfLimits limits_;
  std::size_t items_ = 0;
};

// Appends values to `out`, which must outlive it. Inside an object each value follows a name, and
// `end` closes it.
class AmfWriter {
 public:
  explicit AmfWriter(std::vector<std::uint8_t>& out) : out_(out) {}

  AmfWriter& number(double value);
  AmfWriter& boolean(bool value);
  AmfWriter& text(std::string_view value);  // past 65535 octets as a long string
  AmfWriter& null();
  AmfWriter& object();
  AmfWriter& name(std::string_view value);  // at most 65535 octets
  AmfWriter& end();
  AmfWriter& strict_array(std::uint32_t count);
  AmfWriter& ecma_array(std::uint32_t count);
  AmfWriter& value(const AmfValue& value);  // not of type amf3

 private:
  void put(std::uint64_t value, int octets);

  std::vector<std::uint8_t>& out_;
};

// One call: `connect`, `_result`, `onStatus` (RTMP 7.2).
struct Command {
  std::string name;
  double transaction = 0;  // NaN if it was no number
  std::vector<AmfValue> arguments;

  // The first argument that is an object with a string `code`, as status and error infos are.
  [[nodiscard]] const AmfValue* info() const;
};

enum class CommandForm : std::uint8_t { amf0, amf3_envelope };

// The body of a command message. In an AMF3 envelope (message type 17) a zero octet stands before
// the AMF0 values. At most 16 arguments are read.
[[nodiscard]] Result<Command> read_command(std::span<const std::uint8_t> body, CommandForm form);

}  // namespace linkpilot::rtmp

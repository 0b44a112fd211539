// Any text as a configuration file, read with every kind of value under every key it may have.
#include <cstddef>
#include <cstdint>

#include "base/runtime/config_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using linkpilot::ConfigReader;
using linkpilot::Duration;

void read_all(ConfigReader& reader) {
  reader.text("text", "");
  reader.integer("integer", 0, {-10, 10});
  reader.number("number", 0, {-1, 1});
  reader.flag("flag", false);
  reader.duration("duration", {}, {Duration(0), Duration(1'000'000'000)});
  reader.rate_per_second("rate", 0, {0, 100});
  reader.bytes("bytes", {}, {{0}, {1 << 20}});
  reader.bits_per_second("bits", {});
  reader.address("address", {});
  reader.texts("texts", 4);
  reader.numbers("numbers", 4);
}

}  // namespace

FUZZ_TARGET(config_parse, data, size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  linkpilot::Result<ConfigReader> reader = ConfigReader::from_text(text, "fuzz.toml");
  if (!reader) return 0;
  read_all(*reader);
  ConfigReader table = reader->table("table");
  read_all(table);
  for (ConfigReader& element : table.tables("tables", 4)) read_all(element);
  static_cast<void>(reader->unread_keys());
  static_cast<void>(reader->finish());
  return 0;
}

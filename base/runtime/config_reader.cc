#include "base/runtime/config_reader.h"

#include <fmt/format.h>

// toml++ 3.3 aborts on a table header such as "[=" (an assertion of its parser): its assertions
// throw here, in every build type. Nesting is bounded far below what a stack can take.
namespace linkpilot {
namespace {
struct BrokenToml {};
[[noreturn]] void break_off_toml() { throw BrokenToml{}; }
}  // namespace
}  // namespace linkpilot
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>((expr) || (linkpilot::break_off_toml(), false))
#define TOML_EXCEPTIONS 1
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "base/runtime/config_values.h"
#include "base/runtime/files.h"

namespace linkpilot {
namespace {

// Parts of one dotted key. toml++ 3.3 makes a table of each without a bound, and takes them apart
// recursively.
constexpr std::size_t kDottedPartsMax = 32;
constexpr std::size_t kMistakesShownMax = 8;

// Cheaper and stricter than a parser: counts dots since the last octet that ends a key.
bool has_endless_key(std::string_view text) {
  std::size_t dots = 0;
  char previous = '\0';
  for (const char c : text) {
    if (c == '.') {
      dots = previous == '.' ? 0 : dots + 1;  // ".." is no key; rulers in comments are fine
      if (dots >= kDottedPartsMax) return true;
    } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
      dots = 0;
    }
    previous = c;
  }
  return false;
}

bool breaks_parser(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const BrokenToml&) {
    return true;
  } catch (const std::exception&) {
    return false;
  }
  return false;
}

// The parser says nothing of where it broke: the first line up to which it does.
std::size_t breaking_line(std::string_view text) {
  std::vector<std::size_t> ends;
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string_view::npos; ++at) {
    ends.push_back(at + 1);
  }
  const auto first = std::ranges::partition_point(
      ends, [&](std::size_t end) { return !breaks_parser(text.substr(0, end)); });
  return static_cast<std::size_t>(first - ends.begin()) + 1;
}

Result<toml::table> parse(std::string_view text, const std::string& name) {
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  } catch (const BrokenToml&) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{}:{}: a key or table header does not start with a letter, digit, '-', "
                    "'_' or quote",
                    name, breaking_line(text)));
  } catch (const std::exception& error) {
    return fail(ErrorCode::invalid_argument, fmt::format("{}: {}", name, error.what()));
  }
}

// The whole file and the first thing that was wrong with it.
struct Document {
  std::string name;
  toml::table root;
  std::optional<Error> mistake;
};

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

// One table, what was asked of it, and the readers of its tables.
struct TableNode {
  std::shared_ptr<Document> document;
  const toml::table* table = nullptr;  // null: the file does not have it
  std::string path;                    // "probing" or "ports[0]"; empty: the root
  std::uint32_t line = 1;
  std::vector<std::string> asked;
  std::vector<std::shared_ptr<TableNode>> children;

  std::string key_path(std::string_view key) const {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
  }

  void reject_at(std::uint32_t at, std::string_view where, std::string_view reason) const {
    if (document->mistake) return;
    document->mistake = Error{ErrorCode::invalid_argument,
                              fmt::format("{}:{}: {}: {}", document->name, at, where, reason)};
  }

  const toml::node* find(std::string_view key) {
    if (std::ranges::find(asked, key) == asked.end()) asked.emplace_back(key);
    return table == nullptr ? nullptr : table->get(key);
  }

  void collect_unknown(std::vector<std::pair<std::uint32_t, std::string>>& found) const {
    if (table != nullptr) {
      for (const auto& [key, node] : *table) {
        if (std::ranges::find(asked, key.str()) != asked.end()) continue;
        const std::optional<std::string> meant = nearest_word(key.str(), asked);
        found.emplace_back(
            key.source().begin.line,
            fmt::format("{}:{}: {}: unknown key{}", document->name, key.source().begin.line,
                        key_path(key.str()), meant ? "; did you mean '" + *meant + "'?" : ""));
      }
    }
    for (const std::shared_ptr<TableNode>& child : children) child->collect_unknown(found);
  }
};

std::shared_ptr<TableNode> make_child(TableNode& parent, const toml::table* table, std::string path,
                                      std::uint32_t line) {
  auto child = std::make_shared<TableNode>();
  child->document = parent.document;
  child->table = table;
  child->path = std::move(path);
  child->line = line;
  parent.children.push_back(child);
  return child;
}

}  // namespace

struct ConfigReader::State {
  std::shared_ptr<TableNode> node;

  // The value of `key` if it is a T; a mistake if it is something else. `wanted` says what it must
  // be.
  template <typename T>
  std::optional<T> value(std::string_view key, std::string_view wanted) {
    const toml::node* const found = node->find(key);
    if (found == nullptr || node->document->mistake) return std::nullopt;
    if (const auto* const typed = found->as<T>()) return typed->get();
    reject(key, fmt::format("expected {}, found {}", wanted, kind_of(*found)));
    return std::nullopt;
  }

  // A string of number and unit, parsed by `parse` and checked by `in_range`.
  template <typename T>
  T parsed(std::string_view key, T fallback, std::string_view wanted,
           Result<T> (*parse)(std::string_view)) {
    const std::optional<std::string> text = value<std::string>(key, wanted);
    if (!text) return fallback;
    const Result<T> result = parse(*text);
    if (result) return *result;
    reject(key, result.error().message);
    return fallback;
  }

  template <typename T>
  T ranged(std::string_view key, T value, T fallback, Range<T> range,
           const std::function<std::string(T)>& show) {
    if (value >= range.min && value <= range.max) return value;
    reject(key, fmt::format("{} is outside {}..{}", show(value), show(range.min), show(range.max)));
    return fallback;
  }

  template <typename T>
  std::vector<T> list(std::string_view key, std::size_t count_max, std::string_view wanted,
                      const std::function<std::optional<T>(const toml::node&)>& convert) {
    const toml::node* const found = node->find(key);
    if (found == nullptr || node->document->mistake) return {};
    const toml::array* const array = found->as_array();
    if (array == nullptr) {
      reject(key, fmt::format("expected an array of {}, found {}", wanted, kind_of(*found)));
      return {};
    }
    if (array->size() > count_max) {
      reject(key, fmt::format("has {} entries, at most {} are allowed", array->size(), count_max));
      return {};
    }
    std::vector<T> values;
    values.reserve(array->size());
    for (const toml::node& element : *array) {
      std::optional<T> converted = convert(element);
      if (!converted) {
        reject(key,
               fmt::format("expected an array of {}, found {} in it", wanted, kind_of(element)));
        return {};
      }
      values.push_back(std::move(*converted));
    }
    return values;
  }

  void reject(std::string_view key, std::string_view reason) const {
    const toml::node* const found = node->table == nullptr ? nullptr : node->table->get(key);
    node->reject_at(found == nullptr ? node->line : found->source().begin.line, node->key_path(key),
                    reason);
  }
};

ConfigReader::ConfigReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ConfigReader::ConfigReader(ConfigReader&&) noexcept = default;
ConfigReader& ConfigReader::operator=(ConfigReader&&) noexcept = default;
ConfigReader::~ConfigReader() = default;

Result<ConfigReader> ConfigReader::from_file(const std::string& path) {
  const Result<std::vector<std::uint8_t>> bytes = read_file(path, kFileBytesMax);
  if (!bytes) return fail(bytes.error());
  return from_text({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, path);
}

Result<ConfigReader> ConfigReader::from_text(std::string_view text, std::string name) {
  if (text.size() > kFileBytesMax) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{}: larger than {} octets", name, kFileBytesMax));
  }
  if (has_endless_key(text)) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{}: a dotted key has more than {} parts", name, kDottedPartsMax));
  }
  Result<toml::table> parsed = parse(text, name);
  if (!parsed) return fail(parsed.error());
  auto node = std::make_shared<TableNode>();
  node->document = std::make_shared<Document>();
  node->document->name = std::move(name);
  node->document->root = std::move(*parsed);
  node->table = &node->document->root;
  return ConfigReader(std::make_unique<State>(State{std::move(node)}));
}

bool ConfigReader::has(std::string_view key) const {
  return state_->node->table != nullptr && state_->node->table->contains(key);
}

std::string ConfigReader::text(std::string_view key, std::string fallback) {
  return state_->value<std::string>(key, "a string").value_or(std::move(fallback));
}

std::string ConfigReader::required_text(std::string_view key) {
  std::string value = text(key, "");
  if (!has(key)) {
    reject(key, "is missing");
  } else if (value.empty()) {
    reject(key, "must not be empty");
  }
  return value;
}

std::int64_t ConfigReader::integer(std::string_view key, std::int64_t fallback,
                                   Range<std::int64_t> range) {
  const std::optional<std::int64_t> value = state_->value<std::int64_t>(key, "an integer");
  if (!value) return fallback;
  return state_->ranged<std::int64_t>(key, *value, fallback, range,
                                      [](std::int64_t v) { return std::to_string(v); });
}

double ConfigReader::number(std::string_view key, double fallback, Range<double> range) {
  const toml::node* const found = state_->node->find(key);
  if (found == nullptr || state_->node->document->mistake) return fallback;
  const std::optional<double> value =
      found->is_number() ? found->value<double>() : std::optional<double>();
  if (!value) {
    reject(key, "expected a number, found " + kind_of(*found));
    return fallback;
  }
  return state_->ranged<double>(key, *value, fallback, range,
                                [](double v) { return fmt::format("{}", v); });
}

bool ConfigReader::flag(std::string_view key, bool fallback) {
  return state_->value<bool>(key, "true or false").value_or(fallback);
}

Duration ConfigReader::duration(std::string_view key, Duration fallback, Range<Duration> range) {
  const Duration value =
      state_->parsed<Duration>(key, fallback, "a duration such as \"250ms\"", parse_duration);
  // A default may lie outside, e.g. zero for "off".
  if (value == fallback) return value;
  return state_->ranged<Duration>(key, value, fallback, range, format_duration);
}

double ConfigReader::rate_per_second(std::string_view key, double fallback, Range<double> range) {
  const double value =
      state_->parsed<double>(key, fallback, "a rate such as \"20pps\"", parse_rate_per_second);
  if (value == fallback) return value;
  return state_->ranged<double>(key, value, fallback, range,
                                [](double v) { return fmt::format("{}/s", v); });
}

Bytes ConfigReader::bytes(std::string_view key, Bytes fallback, Range<Bytes> range) {
  const Bytes value = state_->parsed<Bytes>(key, fallback, "a size such as \"64KiB\"", parse_bytes);
  if (value == fallback) return value;
  return state_->ranged<Bytes>(key, value, fallback, range,
                               [](Bytes v) { return std::to_string(v.value) + "B"; });
}

BitsPerSecond ConfigReader::bits_per_second(std::string_view key, BitsPerSecond fallback) {
  return state_->parsed<BitsPerSecond>(key, fallback, "a bit rate such as \"10Mbit/s\"",
                                       parse_bits_per_second);
}

IpAddress ConfigReader::address(std::string_view key, IpAddress fallback) {
  return state_->parsed<IpAddress>(key, fallback, "an IP address", IpAddress::parse);
}

std::vector<std::string> ConfigReader::texts(std::string_view key, std::size_t count_max) {
  return state_->list<std::string>(key, count_max, "strings", [](const toml::node& node) {
    return node.is_string() ? node.value<std::string>() : std::optional<std::string>();
  });
}

std::vector<double> ConfigReader::numbers(std::string_view key, std::size_t count_max) {
  return state_->list<double>(key, count_max, "numbers", [](const toml::node& node) {
    const std::optional<double> value =
        node.is_number() ? node.value<double>() : std::optional<double>();
    return value && std::isfinite(*value) ? value : std::nullopt;
  });
}

ConfigReader ConfigReader::table(std::string_view key) {
  TableNode& parent = *state_->node;
  const toml::node* const found = parent.find(key);
  const toml::table* const table = found == nullptr ? nullptr : found->as_table();
  if (found != nullptr && table == nullptr) {
    reject(key, "expected a table, found " + kind_of(*found));
  }
  const std::uint32_t line = found == nullptr ? parent.line : found->source().begin.line;
  return ConfigReader(
      std::make_unique<State>(State{make_child(parent, table, parent.key_path(key), line)}));
}

std::vector<ConfigReader> ConfigReader::tables(std::string_view key, std::size_t count_max) {
  TableNode& parent = *state_->node;
  const std::vector<const toml::table*> found = state_->list<const toml::table*>(
      key, count_max, "tables", [](const toml::node& node) -> std::optional<const toml::table*> {
        if (const toml::table* const table = node.as_table()) return table;
        return std::nullopt;
      });
  std::vector<ConfigReader> readers;
  readers.reserve(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    readers.push_back(ConfigReader(std::make_unique<State>(
        State{make_child(parent, found[i], fmt::format("{}[{}]", parent.key_path(key), i),
                         found[i]->source().begin.line)})));
  }
  return readers;
}

std::vector<std::string> ConfigReader::unread_keys() const {
  const TableNode& node = *state_->node;
  std::vector<std::string> keys;
  if (node.table == nullptr) return keys;
  for (const auto& [key, value] : *node.table) {
    if (std::ranges::find(node.asked, key.str()) == node.asked.end()) keys.emplace_back(key.str());
  }
  return keys;
}

void ConfigReader::reject(std::string_view key, std::string reason) { state_->reject(key, reason); }

Status ConfigReader::finish() {
  if (state_->node->document->mistake) return fail(*state_->node->document->mistake);
  std::vector<std::pair<std::uint32_t, std::string>> unknown;
  state_->node->collect_unknown(unknown);
  if (unknown.empty()) return {};
  std::ranges::sort(unknown);
  std::string message;
  for (std::size_t i = 0; i < std::min(unknown.size(), kMistakesShownMax); ++i) {
    message += (message.empty() ? "" : "\n") + unknown[i].second;
  }
  return fail(ErrorCode::invalid_argument, std::move(message));
}

}  // namespace linkpilot

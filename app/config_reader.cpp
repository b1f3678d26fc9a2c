#include "app/config_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "app/config_units.hpp"

namespace culvert::app {
namespace {

// Bits per second. Below, a full packet would have to wait for more than a second.
constexpr std::uint64_t smallest_rate = 8000, largest_rate = 1000'000'000'000;

std::optional<std::int64_t> whole_number(const Node& node) {
  if (node.kind == Node::Kind::integer) return node.integer;
  if (node.kind != Node::Kind::string || !node.bare) return {};
  std::int64_t value = 0;
  const char* end = node.text.data() + node.text.size();
  const auto [next, error] = std::from_chars(node.text.data(), end, value);
  if (error != std::errc{} || next != end) return {};
  return value;
}

// A number, or text with units that `parse` reads (at most 2^62); -1 if it is neither.
template <class T>
std::int64_t amount_of(const Node& node, std::optional<T> (*parse)(std::string_view),
                       std::int64_t (*count)(T)) {
  if (const auto number = whole_number(node)) return std::max<std::int64_t>(*number, -1);
  if (node.kind != Node::Kind::string) return -1;
  const auto read = parse(node.text);
  return read ? count(*read) : -1;
}

std::string_view kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::table:
      return "a table";
    case Node::Kind::array:
      return "a list";
    default:
      return "a value";
  }
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return text.size() > 60 ? out + "..." : out;
}

}  // namespace

std::string shown(const Node& node) {
  if (node.kind == Node::Kind::table || node.kind == Node::Kind::array)
    return std::string(kind_name(node.kind));
  if (node.kind == Node::Kind::string) return fmt::format("\"{}\"", escaped(node.text));
  return escaped(node.text);
}

TableReader::TableReader(Node* table, std::string name, Findings& findings)
    : table_(table), name_(std::move(name)), findings_(findings) {
  if (table_ == nullptr || table_->kind == Node::Kind::table) return;
  findings_.error(table_->place, fmt::format("{} is {}, expected a table", name_, shown(*table_)));
  table_ = nullptr;
}

std::string TableReader::full(std::string_view key) const {
  return name_.empty() ? std::string(key) : fmt::format("{}.{}", name_, key);
}

std::string TableReader::place() const {
  return table_ == nullptr ? "" : table_->place;
}

void TableReader::wrong(std::string_view key, const Node& node, std::string_view expected) {
  findings_.error(node.place,
                  fmt::format("{} = {}, expected {}", full(key), shown(node), expected));
}

void TableReader::refused(std::string_view key, const Node& node, std::string_view why) {
  findings_.error(node.place, fmt::format("{} = {}: {}", full(key), shown(node), why));
}

void TableReader::known(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
}

Node* TableReader::take(std::string_view key) {
  known(key);
  return table_ == nullptr ? nullptr : table_->find(key);
}

bool TableReader::has(std::string_view key) const {
  return table_ != nullptr && table_->find(key) != nullptr;
}

bool TableReader::string(std::string_view key, std::string& field) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  // --set http=8080 is a number to TOML and a text to this key.
  const bool scalar =
      node->bare && node->kind != Node::Kind::table && node->kind != Node::Kind::array;
  if (node->kind != Node::Kind::string && !scalar) {
    wrong(key, *node, "a text in quotes");
    return false;
  }
  if (node->text.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
    wrong(key, *node, "one line of text");
    return false;
  }
  field = node->text;
  return true;
}

bool TableReader::boolean(std::string_view key, bool& field) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  const std::string word = node->bare ? lower(node->text) : "";
  if (node->kind == Node::Kind::boolean)
    field = node->boolean;
  else if (word == "true" || word == "yes" || word == "on" || word == "1")
    field = true;
  else if (word == "false" || word == "no" || word == "off" || word == "0")
    field = false;
  else {
    wrong(key, *node, "true or false");
    return false;
  }
  return true;
}

bool TableReader::integer(std::string_view key, std::int64_t& field, std::int64_t low,
                          std::int64_t high) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  const auto value = whole_number(*node);
  if (!value || *value < low || *value > high) {
    wrong(key, *node, fmt::format("a whole number from {} to {}", low, high));
    return false;
  }
  field = *value;
  return true;
}

bool TableReader::seconds(std::string_view key, std::chrono::seconds& field, std::int64_t low,
                          std::int64_t high) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  const std::int64_t value = amount_of<std::chrono::seconds>(
      *node, parse_duration, [](std::chrono::seconds read) { return read.count(); });
  if (value < low || value > high) {
    wrong(key, *node,
          fmt::format("a duration such as \"90s\" or \"2h4m\", {} s to {} s", low, high));
    return false;
  }
  field = std::chrono::seconds(value);
  return true;
}

bool TableReader::size(std::string_view key, std::size_t& field, std::uint64_t low,
                       std::uint64_t high) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  const std::int64_t value = amount_of<std::uint64_t>(
      *node, parse_size, [](std::uint64_t read) { return static_cast<std::int64_t>(read); });
  if (value < 0 || static_cast<std::uint64_t>(value) < low ||
      static_cast<std::uint64_t>(value) > high) {
    wrong(key, *node, fmt::format("a size such as \"256KiB\", {} to {} bytes", low, high));
    return false;
  }
  field = static_cast<std::size_t>(value);
  return true;
}

bool TableReader::rate(std::string_view key, std::uint64_t& field) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  const bool text = node->kind == Node::Kind::string, none = text && trim(node->text).empty();
  const auto value = text && !none ? parse_rate(node->text) : std::nullopt;
  if (!none && (!value || *value < smallest_rate || *value > largest_rate)) {
    wrong(key, *node, "a rate from 8kbit to 1000gbit, such as \"50mbit\", or \"\" for no limit");
    return false;
  }
  field = value.value_or(0);
  return true;
}

bool TableReader::choice(std::string_view key, std::string& field,
                         const std::vector<std::string>& values) {
  std::string text = field;
  if (!string(key, text)) return false;
  if (std::find(values.begin(), values.end(), text) == values.end()) {
    wrong(key, *table_->find(key), fmt::format("one of {}", fmt::join(values, ", ")));
    return false;
  }
  field = text;
  return true;
}

std::vector<Node> TableReader::strings(std::string_view key) {
  const Node* node = take(key);
  std::vector<Node> out;
  if (node == nullptr) return out;
  if (node->kind == Node::Kind::string) {
    if (!node->bare && !node->text.empty()) out.push_back(*node);
    if (node->bare)
      for (std::string& part : split_list(node->text)) {
        out.push_back(*node);
        out.back().text = std::move(part);
      }
    return out;
  }
  if (node->kind != Node::Kind::array) {
    wrong(key, *node, "a list of texts, [\"...\", \"...\"]");
    return out;
  }
  for (const Node& item : node->items) {
    if (item.kind == Node::Kind::string)
      out.push_back(item);
    else
      wrong(key, item, "a text in quotes");
  }
  return out;
}

Node* TableReader::subtable(std::string_view key) {
  Node* node = take(key);
  if (node == nullptr || node->kind == Node::Kind::table) return node;
  wrong(key, *node, fmt::format("a table, [{}]", full(key)));
  return nullptr;
}

std::vector<Node*> TableReader::tables(std::string_view key) {
  std::vector<Node*> out;
  Node* node = take(key);
  if (node == nullptr) return out;
  if (node->kind != Node::Kind::array) {
    wrong(key, *node, fmt::format("[[{}]], one section for each", full(key)));
    return out;
  }
  for (Node& item : node->items) {
    if (item.kind == Node::Kind::table)
      out.push_back(&item);
    else
      wrong(key, item, fmt::format("[[{}]], one section for each", full(key)));
  }
  return out;
}

void TableReader::finish() {
  if (table_ == nullptr) return;
  for (const auto& [key, node] : table_->entries) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const std::string_view meant = nearest(key, known_);
    findings_.error(node.place, meant.empty() ? fmt::format("unknown key {}, expected one of {}",
                                                            full(key), fmt::join(known_, ", "))
                                              : fmt::format("unknown key {}, expected {}",
                                                            full(key), full(meant)));
  }
}

}  // namespace culvert::app

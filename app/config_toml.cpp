// TOML text, and --set key=value, to the tree of config_node.hpp.
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

constexpr int deepest = 16;  // tables in tables; the real ones are three deep

class Converter {
 public:
  Converter(std::string place, bool numbered, Findings& findings)
      : place_(std::move(place)), numbered_(numbered), findings_(findings) {}

  Node convert(const toml::node& from, int depth = 0) {
    Node node;
    node.place = at(from.source().begin.line);
    if (numbered_) node.line = from.source().begin.line, node.last_line = from.source().end.line;
    node.bare = !numbered_;
    if (depth > deepest) {
      findings_.error(node.place,
                      "tables nested more than 16 deep, expected the sections of culvert");
      return node;
    }
    if (const auto* table = from.as_table()) {
      node.last_line = node.line;
      for (const auto& [key, value] : *table) {
        // A plain value is named by the line of its key, also where it goes on over several lines.
        Node child = convert(value, depth + 1);
        if (!value.is_table() && !value.is_array_of_tables())
          child.place = at(key.source().begin.line);
        if (node.line == 0 && numbered_) node.line = key.source().begin.line;
        node.add(std::string(key.str()), std::move(child));
      }
    } else if (const auto* array = from.as_array()) {
      node.kind = Node::Kind::array;
      for (const auto& item : *array) {
        node.items.push_back(convert(item, depth + 1));
        node.last_line = std::max(node.last_line, node.items.back().last_line);
      }
    } else {
      scalar(from, node);
    }
    return node;
  }

 private:
  std::string at(toml::source_index line) const {
    return numbered_ && line != 0 ? fmt::format("{}:{}", place_, line) : place_;
  }

  static void scalar(const toml::node& from, Node& node) {
    node.kind = Node::Kind::other;
    if (const auto* text = from.as_string()) {
      node.kind = Node::Kind::string;
      node.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
      node.kind = Node::Kind::integer;
      node.integer = integer->get();
      node.text = std::to_string(node.integer);
    } else if (const auto* boolean = from.as_boolean()) {
      node.kind = Node::Kind::boolean;
      node.boolean = boolean->get();
      node.text = node.boolean ? "true" : "false";
    } else if (const auto* real = from.as_floating_point()) {
      node.kind = Node::Kind::real;
      node.text = fmt::format("{}", real->get());
    } else {
      std::ostringstream written;
      if (const auto* date = from.as_date()) written << date->get();
      if (const auto* both = from.as_date_time()) written << both->get();
      if (const auto* time = from.as_time()) written << time->get();
      node.text = written.str();
    }
  }

  std::string place_;
  bool numbered_;
  Findings& findings_;
};

// The tree of "key = value" where the value is TOML or, if that does not parse, a bare text.
std::optional<toml::table> parse_setting(const Setting& setting) {
  if (setting.key.find_first_of("=[]#\n\r") != std::string::npos) return {};
  for (const bool quoted : {false, true}) {
    const bool one_line = setting.value.find('\n') == std::string::npos;
    if (!quoted && (!one_line || setting.value.empty())) continue;
    try {
      // The bare text is put in afterwards, so that nothing in it has a meaning.
      toml::table table = toml::parse(setting.key + " = " + (quoted ? "\"\"" : setting.value));
      toml::node* leaf = &table;
      while (leaf->is_table() && leaf->as_table()->size() == 1) {
        auto& value = leaf->as_table()->begin()->second;
        if (quoted && value.is_string()) value.as_string()->get() = setting.value;
        leaf = &value;
      }
      const bool typed = leaf->is_string() || leaf->is_integer() || leaf->is_boolean() ||
                         leaf->is_array() || leaf->is_table();
      if (typed) return table;
    } catch (const toml::parse_error&) {
    }
  }
  return {};
}

void merge(Node& into, Node&& from) {
  for (auto& [key, value] : from.entries) {
    Node* there = into.find(key);
    if (there != nullptr && there->kind == Node::Kind::table && value.kind == Node::Kind::table)
      merge(*there, std::move(value));
    else if (there != nullptr)
      *there = std::move(value);
    else
      into.entries.emplace_back(key, std::move(value));
  }
}

// A key given by --set replaces the other way of saying the same.
void drop_alternatives(Node& root, const Node& set) {
  constexpr std::pair<std::string_view, std::string_view> pairs[] = {
      {"private_key", "private_key_file"},
      {"listen", "listen_port"},
      {"http_token", "http_token_file"}};
  Node* server = root.find("server");
  for (const auto& [name, table] : set.entries) {
    if (name != "server" || server == nullptr) continue;
    for (const auto& [key, value] : table.entries)
      for (const auto& [a, b] : pairs) {
        if (key == a) server->erase(b);
        if (key == b) server->erase(a);
      }
  }
}

}  // namespace

Node parse_toml(std::string_view text, const std::string& file, Findings& findings) {
  try {
    const toml::table table = toml::parse(text, file);
    return Converter(file, true, findings).convert(table);
  } catch (const toml::parse_error& error) {
    findings.error(fmt::format("{}:{}", file, error.source().begin.line),
                   fmt::format("not TOML: {}", error.description()));
    return Node::table(file);
  }
}

void apply_settings(Node& root, const std::vector<Setting>& settings, Findings& findings) {
  for (const Setting& setting : settings) {
    const std::string place = "--set " + setting.key;
    const auto table = parse_setting(setting);
    if (!table) {
      findings.error(place, "expected a key in dotted form and a value, such as server.mtu=1400");
      continue;
    }
    Node tree = Converter(place, false, findings).convert(*table);
    drop_alternatives(root, tree);
    merge(root, std::move(tree));
  }
}

}  // namespace culvert::app

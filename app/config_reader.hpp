// TableReader: reads one table of the configuration key by key into fields, reporting what does not
// fit. A key that nobody asked for is an error at finish(), with the nearest known name.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_node.hpp"

namespace culvert::app {

class TableReader {
 public:
  // `name` is the table's own, "server"; empty for the whole file. `table` may be null: then every
  // field keeps what it has.
  TableReader(Node* table, std::string name, Findings& findings);

  Node* take(std::string_view key);  // null if it is not there
  bool has(std::string_view key) const;
  void known(std::string_view key);

  // Each leaves the field as it is where the key is missing or wrong; true if it was set.
  bool string(std::string_view key, std::string& field);
  bool boolean(std::string_view key, bool& field);
  bool seconds(std::string_view key, std::chrono::seconds& field, std::int64_t low,
               std::int64_t high);
  bool size(std::string_view key, std::size_t& field, std::uint64_t low, std::uint64_t high);
  bool rate(std::string_view key, std::uint64_t& field);  // "" = 0, unlimited
  bool choice(std::string_view key, std::string& field, const std::vector<std::string>& values);
  template <class T>
  bool number(std::string_view key, T& field, std::int64_t low, std::int64_t high) {
    std::int64_t value = 0;
    if (!integer(key, value, low, high)) return false;
    field = static_cast<T>(value);
    return true;
  }
  // A list of strings; one string stands for a list of one. The nodes carry text and place.
  std::vector<Node> strings(std::string_view key);
  // A table inside; null if missing.
  Node* subtable(std::string_view key);
  // [[key]]: the tables of an array.
  std::vector<Node*> tables(std::string_view key);

  void finish();

  std::string full(std::string_view key) const;
  std::string place() const;
  // "server.mtu = 9, expected ..." at the node's place.
  void wrong(std::string_view key, const Node& node, std::string_view expected);
  // "dns.upstream = "x": why", where the reason says what was expected.
  void refused(std::string_view key, const Node& node, std::string_view why);

 private:
  bool integer(std::string_view key, std::int64_t& field, std::int64_t low, std::int64_t high);

  Node* table_;
  std::string name_;
  Findings& findings_;
  std::vector<std::string> known_;
};

// How a value looks in a finding: quoted if it is text, shortened if long.
std::string shown(const Node& node);

}  // namespace culvert::app

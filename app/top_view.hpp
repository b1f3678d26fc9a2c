// The table of `culvert top`: from what the API answers to lines of text. It knows no terminal; the
// keys that people press change the view.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace culvert::app {

struct TopView {
  enum class Column { name, down, up, flows, quota, total, handshake, count_ };
  Column sort = Column::down;
  bool reverse = false;   // from the smallest
  std::size_t first = 0;  // peers scrolled away
  bool quit = false;

  // One key: a letter, or the last byte of an arrow's sequence ("A" to "D") as `arrow`.
  void press(char key, bool arrow = false);
};

// At most `height` lines of at most `width` characters: what the server does, the columns (the one
// sorted by marked), peers. `first` is brought into the list.
std::vector<std::string> top_lines(const nlohmann::json& status, const nlohmann::json& peers,
                                   TopView& view, std::size_t width, std::size_t height,
                                   base::WallTime now);
// For what is no terminal: the same peers, one line each, with the time first.
std::string top_plain(const nlohmann::json& peers, TopView& view, base::WallTime now);

// "[####......]  42 %"; "" without a quota.
std::string quota_bar(const nlohmann::json& quota);

}  // namespace culvert::app

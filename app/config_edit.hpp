// Edits of a configuration file as text: a peer's block is added or cut, every other byte stays.
// Used by `peer add` and `peer remove`; the result is checked as a whole before it replaces the
// file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.hpp"
#include "base/result.hpp"

namespace culvert::app {

struct NewPeer {
  std::string name, public_key, preshared_key, group;  // "" = none
  std::vector<std::string> allowed_ips;
  std::map<std::string, std::string> policy = {};  // further keys and their texts; TOML files alone
};

// In the form the file has: [[peer]] or [Peer].
std::string add_peer_block(std::string_view text, const NewPeer& peer);
// Lines `first` to `last` (from 1), and one empty line before them.
std::string cut_lines(std::string_view text, unsigned first, unsigned last);

// Loads `before` and `after` as the text of `file`; an error if `after` does not check, or if the
// peers differ by more than `name` being there or not.
base::Result<bool> only_peer_differs(const std::string& before, const std::string& after,
                                     const std::string& file, const std::string& name);

// The first address of each of the server's networks that neither it nor a peer has, as /32 and
// /128.
base::Result<std::vector<base::Prefix>> free_addresses(const Config& config);
// The same, where peers hold `held`.
base::Result<std::vector<base::Prefix>> free_addresses(const std::vector<Config::Address>& own,
                                                       const std::vector<base::Prefix>& held);

}  // namespace culvert::app

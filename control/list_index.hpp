// What is known of each list between runs, as index.json beside the copies. It is only a memory: if
// it is lost or damaged, lists are downloaded and compiled anew.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "control/list_files.hpp"
#include "dns/rule_compiler.hpp"

namespace culvert::control {

struct ListRecord {
  std::string from;                 // the URL or path that the copy is of
  std::string etag, last_modified;  // of the copy, in the server's words
  FileIdentity source;              // of a path: what the copy was made of
  FileIdentity copy;
  std::string digest;                   // SHA-256 of the copy
  std::uint64_t bytes = 0;              // of the copy
  dns::ListReport report;               // of the copy
  base::WallTime checked{}, changed{};  // when it was last looked for, and when it last differed
  unsigned failures = 0;                // since it was last had
  std::string error;                    // the last of them
};

// The compiled file.
struct CompiledRecord {
  std::vector<std::string> made_of;  // a text for each list; equal texts compile to equal rules
  std::uint64_t generation = 0, rules = 0, bytes = 0;
};

struct ListIndex {
  std::map<std::string, ListRecord, std::less<>> lists;  // by name
  CompiledRecord compiled;
};

std::string write_index(const ListIndex& index);
// What cannot be read is left out, down to nothing.
ListIndex read_index(const std::string& text);

nlohmann::json to_json(const dns::ListReport& report);
dns::ListReport read_report(const nlohmann::json& value);  // throws nlohmann::json::exception

}  // namespace culvert::control

// Flow records and empty folders for tests.
#pragma once

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "proxy/flow_record.hpp"

namespace culvert::control {

inline constexpr std::int64_t test_epoch = 1'800'000'000'000'000'000;  // 2027-01-15T08:00:00Z

inline proxy::FlowRecord flow(std::uint64_t id, const char* client, const char* origin,
                              proxy::FlowTraffic up, proxy::FlowTraffic down,
                              proxy::FlowRecord::End end = proxy::FlowRecord::End::finished,
                              base::Protocol protocol = base::Protocol::tcp) {
  proxy::FlowRecord record;
  record.id = id;
  record.key = {*base::Endpoint::parse(client), *base::Endpoint::parse(origin), protocol};
  record.up = up, record.down = down;
  record.end = end;
  record.started = test_epoch, record.last = test_epoch + 1'500'000'000;
  return record;
}

struct Folder {
  Folder() {
    char name[] = "/tmp/culvert-test-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const char* name) const { return (path / name).string(); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path))
      all.push_back(entry.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }
  std::filesystem::path path;
};

inline std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace culvert::control

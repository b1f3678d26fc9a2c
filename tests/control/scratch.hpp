// A directory of a test's own, gone with it, and rows to write into a store there.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "control/state_store.hpp"

namespace culvert::control::test {

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "culvert-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string file(const std::string& name = "culvert.db") const { return path_ + "/" + name; }
  std::string database() const { return "sqlite3://" + file(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline wg::PublicKey key_of(unsigned n) {
  wg::PublicKey key;
  for (std::size_t i = 0; i < 4; ++i) key.bytes[i] = static_cast<std::byte>(n >> (8 * i));
  key.bytes[31] = std::byte{1};
  return key;
}

inline Subject subject_of(unsigned n, const std::string& group = "") {
  return {Subject::Kind::peer, key_of(n).to_string(), "peer-" + std::to_string(n), group};
}

inline Usage usage(std::uint64_t up, std::uint64_t down = 0) {
  Usage made;
  made.up_bytes = up;
  made.down_bytes = down;
  made.up_packets = up / 100;
  made.flows = 1;
  return made;
}

inline void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace culvert::control::test

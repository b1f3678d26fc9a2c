// Runs a command line of culvert in this process and keeps what it said; a folder that goes away.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "app/command_line.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {

inline std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/culvert-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  // Writes a file with mode 0600.
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  }

 private:
  std::string path_;
};

// What goes to a standard descriptor while this lives.
class Captured {
 public:
  explicit Captured(int fd)
      : fd_(fd), saved_(::dup(fd)), memory_(::memfd_create("captured", MFD_CLOEXEC)) {
    flush();
    ::dup2(memory_, fd_);
  }
  ~Captured() {
    if (saved_ >= 0) text();
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  // Ends the capture.
  std::string text() {
    flush();
    ::dup2(saved_, fd_);
    ::close(saved_);
    saved_ = -1;
    const std::string name = "/proc/self/fd/" + std::to_string(memory_);
    std::string said = content(name);
    ::close(memory_);
    return said;
  }

 private:
  static void flush() {
    std::fflush(nullptr);
    std::cout.flush();
    std::cerr.flush();
  }
  int fd_, saved_, memory_;
};

struct Said {
  int code;
  std::string out, error;
};

inline constexpr int served = 7;  // the exit code of a `run` that had a good configuration

inline Said command(std::vector<std::string> words) {
  std::vector<const char*> line = {"culvert"};
  for (const std::string& word : words) line.push_back(word.c_str());
  Captured out(STDOUT_FILENO), error(STDERR_FILENO);
  const int code =
      app::run_command_line(static_cast<int>(line.size()), line.data(),
                            [](std::unique_ptr<app::Config>, const auto&) { return served; });
  std::string said = error.text();
  return {code, out.text(), said};
}

}  // namespace culvert::test

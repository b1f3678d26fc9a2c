// Files of the configuration: read with a bound, keys only from a file nobody else can read,
// written so that a crash leaves the old or the new one and never half of it.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.hpp"

namespace culvert::app {

inline constexpr std::size_t largest_config = 16 << 20, largest_ca_file = 1 << 20;

struct FileText {
  std::string text;
  mode_t mode = 0;  // of the opened file
};

base::Result<FileText> read_file(const std::string& path, std::size_t largest = largest_config);
// A file with one key. Judged by fstat on the opened descriptor, so that a symbolic link is as good
// as what it leads to: a regular file of ours (or root's), with no right for group and others.
base::Result<std::string> read_key_file(const std::string& path);

// Makes a file that was not there; an error if it is.
base::Result<bool> create_file(const std::string& path, const std::string& text, mode_t mode);
// Replaces a file by rename, with the mode of the old one.
base::Result<bool> replace_file(const std::string& path, const std::string& text);

}  // namespace culvert::app

// ListFiles: where the copies of lists and the compiled rules are kept: in the folder `lists` of
// the state directory. If there is none, or it cannot be written, in a folder that ends with the
// process; if there is not even that, nowhere, and only lists that are files can be used.
//
//   NAME.list       the last good copy; NAME.list.N.new until it is found good
//   rules.culvert   compiled of all of them (dns::RuleTable)
//   index.json      what is known of each (list_index)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.hpp"

namespace culvert::control {

// By these it is told whether a file is still the same.
struct FileIdentity {
  std::uint64_t size = 0, inode = 0;
  std::int64_t changed = 0;  // nanoseconds since the Unix epoch
  bool exists() const noexcept { return inode != 0; }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
FileIdentity identity_of(
    const std::string& path) noexcept;  // of what does not exist: FileIdentity{}

class ListFiles {
 public:
  explicit ListFiles(const std::string& state_dir);
  ~ListFiles();
  ListFiles(const ListFiles&) = delete;
  ListFiles& operator=(const ListFiles&) = delete;

  bool usable() const noexcept { return !folder_.empty(); }
  // What is lost when the process ends, and why, in words; "" = nothing.
  const std::string& trouble() const noexcept { return trouble_; }

  std::string copy_of(std::string_view list) const;
  // `number`: of who fetches it. One that is taken out of the configuration may still be at work
  // when another has its name.
  std::string arriving(std::string_view list, std::uint64_t number) const;
  std::string table() const { return folder_ + "/rules.culvert"; }
  // What arrived is the last good copy now; why not, in words.
  std::string accept(std::string_view list, std::uint64_t number) const;
  // Removes copies of other lists, and what was left half done.
  void keep_only(const std::vector<std::string>& lists) const;

  // An empty file to compile into, and the step that makes it table(); in memory if there is no
  // folder. Invalid if it cannot be had: errno says why.
  base::FileDescriptor new_table() const;
  std::string accept_table() const;

  std::string read_index() const;  // "" = there is none
  std::string write_index(const std::string& text) const;

 private:
  std::string folder_, trouble_;
  bool temporary_ = false;
};

}  // namespace culvert::control

// UnpackedFile: what is downloaded, on its way into a file. What is packed by gzip (RFC 1952), by
// the server or as it lies there, is unpacked; what grows beyond its bounds is refused while it
// comes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace culvert::control {

class UnpackedFile {
 public:
  // Lists of names shrink to a fifth; what is packed as far as this is packed to do harm.
  static constexpr std::uint64_t highest_ratio = 200;
  static constexpr std::uint64_t ratio_from = 1 << 20;  // unpacked bytes
  static constexpr unsigned most_layers = 2;            // the server's, and the file's own

  UnpackedFile(std::string path, std::uint64_t max_size);
  ~UnpackedFile();  // what is not finished is removed
  UnpackedFile(const UnpackedFile&) = delete;
  UnpackedFile& operator=(const UnpackedFile&) = delete;

  // Each returns what went wrong, in words; "" if nothing did. The file is the owner's alone.
  std::string open();
  std::string write(std::string_view bytes);
  std::string finish();  // it is whole and on the disk

  std::uint64_t size() const noexcept;  // unpacked

 private:
  struct Layer;
  struct Target;
  std::unique_ptr<Target> target_;
  std::unique_ptr<Layer> first_;
};

}  // namespace culvert::control

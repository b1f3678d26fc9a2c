// SectionWriter: the octets of a rule table's file, in order, with a small buffer and checksums as
// they go by.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dns/rule_file.hpp"

namespace culvert::dns {

class SectionWriter {
 public:
  explicit SectionWriter(int fd);  // room for the header is left
  ~SectionWriter();

  void put(base::Bytes octets);
  template <class Item>
  void put_items(const std::vector<Item>& items) {
    put(std::as_bytes(std::span(items)));
  }
  // Ends the section that began where the one before ended.
  void end_section(RuleFileHeader& header, RuleSection section);
  // What was written so far, behind the header, is what has a checksum of its own.
  void end_bulk(RuleFileHeader& header);
  // Checksums, header, and fsync. What went wrong since the beginning, or "".
  std::string finish(RuleFileHeader& header);

 private:
  struct Checksum;
  void flush();

  int fd_;
  std::uint64_t at_ = sizeof(RuleFileHeader);  // of the file, with the buffer
  std::uint64_t section_ = sizeof(RuleFileHeader);
  std::vector<std::byte> buffer_;
  std::unique_ptr<Checksum> checksum_;  // of what is flushed
  std::string error_;
};

}  // namespace culvert::dns

#include "dns/rule_file.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>

namespace culvert::dns {
namespace {

std::uint64_t checksum(base::Bytes bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

bool has_bulk(const RuleFileHeader& header, base::Bytes file) noexcept {
  return header.bulk_size <= file.size() - sizeof(header);
}
base::Bytes bulk_of(const RuleFileHeader& header, base::Bytes file) noexcept {
  return file.subspan(sizeof(header), header.bulk_size);
}
base::Bytes rest_of(const RuleFileHeader& header, base::Bytes file) noexcept {
  return file.subspan(sizeof(header) + header.bulk_size);
}

}  // namespace

std::uint64_t checksum_of_header(const RuleFileHeader& header) noexcept {
  return checksum(
      std::as_bytes(std::span(&header, 1)).first(offsetof(RuleFileHeader, header_checksum)));
}

bool seal_rule_file(base::MutableBytes file) noexcept {
  RuleFileHeader header;
  if (file.size() < sizeof(header)) return false;
  std::memcpy(&header, file.data(), sizeof(header));
  if (!has_bulk(header, file)) return false;
  header.bulk_checksum = checksum(bulk_of(header, file));
  header.rest_checksum = checksum(rest_of(header, file));
  header.header_checksum = checksum_of_header(header);
  std::memcpy(file.data(), &header, sizeof(header));
  return true;
}

bool is_sealed(base::Bytes file, bool bulk) noexcept {
  RuleFileHeader header;
  if (file.size() < sizeof(header)) return false;
  std::memcpy(&header, file.data(), sizeof(header));
  return header.header_checksum == checksum_of_header(header) && has_bulk(header, file) &&
         header.rest_checksum == checksum(rest_of(header, file)) &&
         (!bulk || header.bulk_checksum == checksum(bulk_of(header, file)));
}

}  // namespace culvert::dns

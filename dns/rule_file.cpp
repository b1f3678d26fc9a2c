#include "dns/rule_file.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <optional>

namespace culvert::dns {
namespace {

std::uint64_t checksum(base::Bytes bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::optional<base::Bytes> slots_of(const RuleFileHeader& header, base::Bytes file) noexcept {
  const RuleFileHeader::Section slots = header.of(RuleSection::slots);
  if (slots.offset != sizeof(header) || slots.size > file.size() - sizeof(header))
    return std::nullopt;
  return file.subspan(slots.offset, slots.size);
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
  const auto slots = slots_of(header, file);
  if (!slots) return false;
  header.slots_checksum = checksum(*slots);
  header.rest_checksum = checksum(file.subspan(sizeof(header) + slots->size()));
  header.header_checksum = checksum_of_header(header);
  std::memcpy(file.data(), &header, sizeof(header));
  return true;
}

bool is_sealed(base::Bytes file, bool slots_too) noexcept {
  RuleFileHeader header;
  if (file.size() < sizeof(header)) return false;
  std::memcpy(&header, file.data(), sizeof(header));
  if (header.header_checksum != checksum_of_header(header)) return false;
  const auto slots = slots_of(header, file);
  return slots && header.rest_checksum == checksum(file.subspan(sizeof(header) + slots->size())) &&
         (!slots_too || header.slots_checksum == checksum(*slots));
}

}  // namespace culvert::dns

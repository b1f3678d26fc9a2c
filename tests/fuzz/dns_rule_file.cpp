// Any octets as a rule table's file, with checksums that fit where that can be: refused, or a table
// that can be asked anything.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/rule_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  std::vector<std::byte> octets(size);
  if (size > 0) std::memcpy(octets.data(), data, size);
  if (size >= sizeof(dns::RuleFileHeader)) {
    // Of a file whose size is wrong nothing else would be tried.
    dns::RuleFileHeader header;
    std::memcpy(&header, octets.data(), sizeof(header));
    header.file_size = size;
    std::memcpy(octets.data(), &header, sizeof(header));
  }
  dns::seal_rule_file(octets);
  const base::FileDescriptor file(::memfd_create("rules", MFD_CLOEXEC));
  if (size > 0 && ::write(file.get(), octets.data(), size) != ssize_t(size)) return 0;
  const auto table = dns::RuleTable::map(file.get());
  if (!table) return 0;

  std::array<dns::RuleTable::Match, dns::RuleTable::max_matches> found;
  std::vector<std::uint32_t> indices;
  for (const char* text :
       {"d1.example.com", "a.b.d2.example.com", "example.com", "ad1.test", "."}) {
    const dns::Name name = *dns::Name::parse(text);
    const std::size_t count = (*table)->find(name, found);
    for (std::size_t i = 0; i < count; ++i) {
      if (found[i].labels > name.labels()) __builtin_trap();
      if (found[i].said == nullptr && found[i].complex.empty()) __builtin_trap();
      indices.insert(indices.end(), found[i].complex.begin(), found[i].complex.end());
    }
    (*table)->find_patterns(name, indices);
  }
  for (const std::uint32_t index : indices)
    if ((*table)->complex(index).list >= (*table)->lists().size()) __builtin_trap();
  for (const char* text : {"10.1.2.3", "2001:db8::1"}) {
    const base::IpAddress address = *base::IpAddress::parse(text);
    (*table)->find_address(address);
    for (const unsigned list : {0u, 1u, 255u})
      (*table)->find_address_rewrite(std::uint16_t(list), address);
  }
  return 0;
}

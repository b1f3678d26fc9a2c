// Files of tables that are damaged, or made to harm.
#include "dns/rule_file.hpp"

#include <cstring>

#include "tests/dns/rule_table_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/instrumented.hpp"

using namespace culvert;
using namespace culvert::dns;
using namespace culvert::dns::test;

namespace {

std::vector<AddedRule> mixed_rules() {
  std::vector<AddedRule> rules;
  for (int i = 0; i < 300; ++i)
    rules.push_back({std::uint16_t(i % 3), rule_at("d" + std::to_string(i) + ".example.com")});
  Rule complex = rule_at("example.com", RuleAction::rewrite);
  complex.addresses = {*base::IpAddress::parse("192.0.2.1")};
  rules.push_back({0, complex});
  Rule pattern = rule_at(".");
  pattern.pattern = "^ads?[0-9]";
  rules.push_back({1, pattern});
  Rule addresses;
  addresses.answer_prefixes = {*base::Prefix::parse("10.0.0.0/8"),
                               *base::Prefix::parse("2001:db8::/32")};
  rules.push_back({2, addresses});
  return rules;
}

std::vector<std::byte> octets_of(const base::FileDescriptor& file, std::size_t size) {
  std::vector<std::byte> octets(size);
  REQUIRE(::pread(file.get(), octets.data(), size, 0) == ssize_t(size));
  return octets;
}

base::FileDescriptor file_of(base::Bytes octets) {
  base::FileDescriptor file = memory_file();
  REQUIRE(::pwrite(file.get(), octets.data(), octets.size(), 0) == ssize_t(octets.size()));
  return file;
}

// Asks everything that a table can be asked; nothing may be touched that is not its own.
std::size_t use(const RuleTable& table) {
  std::array<RuleTable::Match, RuleTable::max_matches> found;
  std::size_t sum = table.lists().size();
  for (const char* text : {"d1.example.com", "x.d299.example.com", "example.com", "com", ".",
                           "ad1.test", "d7.example.com"}) {
    const Name wanted = name(text);
    for (std::size_t i = table.find(wanted, found); i > 0; --i) {
      if (found[i - 1].said) sum += found[i - 1].said->block.count();
      for (const std::uint32_t index : found[i - 1].complex)
        sum += table.complex(index).rule.addresses.size();
    }
    std::vector<std::uint32_t> patterns;
    table.find_patterns(wanted, patterns);
    sum += patterns.size();
  }
  for (const char* text : {"10.1.1.1", "11.0.0.0", "2001:db8::1", "::"}) {
    const base::IpAddress address = *base::IpAddress::parse(text);
    sum += table.find_address(address) != nullptr;
    sum += table.find_address_rewrite(0, address) != nullptr;
  }
  return sum;
}

}  // namespace

TEST_CASE("a table with one bit changed anywhere in its file is refused") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  REQUIRE(RuleTable::map(file_of(octets).get()));
  for (std::size_t at = 0; at < octets.size(); at += at < sizeof(RuleFileHeader) ? 1 : 37) {
    octets[at] ^= std::byte(1 << at % 8);
    INFO("octet " << at);
    const auto table = RuleTable::map(file_of(octets).get());
    REQUIRE_FALSE(table);
    CHECK(table.error().find("damaged") != std::string::npos);
    octets[at] ^= std::byte(1 << at % 8);
  }
}

TEST_CASE("a table whose file is cut off or has more is refused") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  for (std::size_t size = 0; size < octets.size(); size += size < 512 ? 1 : 101)
    CHECK_FALSE(RuleTable::map(file_of(base::Bytes(octets).first(size)).get()));
  octets.push_back(std::byte{0});
  CHECK_FALSE(RuleTable::map(file_of(octets).get()));
  CHECK_FALSE(RuleTable::map(-1));
}

TEST_CASE("of a table that was seen before the slots are not read, and what they say is harmless") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  octets[header.of(RuleSection::slots).offset] ^= std::byte{1};
  const base::FileDescriptor file = file_of(octets);
  CHECK_FALSE(RuleTable::map(file.get()));
  const auto table = RuleTable::map(file.get(), true);
  REQUIRE(table);
  CHECK(use(**table) < 100'000);
  octets[8] ^= std::byte{1};  // the header is always checked
  CHECK_FALSE(RuleTable::map(file_of(octets).get(), true));
}

TEST_CASE("a table that was changed and given fitting checksums is refused or harmless") {
  const BuiltTable built = build(mixed_rules());
  const std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  std::mt19937_64 random(11);
  std::size_t taken = 0, refused = 0;
  const int rounds = culvert::test::instrumented ? 3000 : 20'000;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::byte> changed = octets;
    const std::size_t reach = round % 2 ? sizeof(RuleFileHeader) : changed.size();
    for (std::uint64_t i = 1 + random() % 4; i > 0; --i)
      changed[random() % reach] = std::byte(random() % 3 == 0 ? 0xff : random() & 0xff);
    if (!seal_rule_file(changed)) continue;
    const auto table = RuleTable::map(file_of(changed).get());
    table ? ++taken : ++refused;
    if (table) CHECK(use(**table) < 100'000);
  }
  CHECK(taken > 100);
  CHECK(refused > 100);
}

TEST_CASE("numbers in slots that lead nowhere say nothing") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  const RuleFileHeader::Section slots = header.of(RuleSection::slots);
  for (const std::uint64_t set : {std::uint64_t{60'000}, set_in_side}) {
    for (std::size_t at = 0; at < slots.size; at += 8) {
      std::uint64_t slot;
      std::memcpy(&slot, octets.data() + slots.offset + at, 8);
      if (slot != 0) slot = (slot >> set_bits << set_bits) | set;
      std::memcpy(octets.data() + slots.offset + at, &slot, 8);
    }
    REQUIRE(seal_rule_file(octets));
    const auto table = RuleTable::map(file_of(octets).get());
    REQUIRE(table);
    std::array<RuleTable::Match, RuleTable::max_matches> found;
    CHECK((*table)->find(name("d1.example.com"), found) == 0);
  }
}

TEST_CASE("a search in a table without a free slot ends") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  const RuleFileHeader::Section slots = header.of(RuleSection::slots);
  std::memset(octets.data() + slots.offset, 0x5a, slots.size);
  REQUIRE(seal_rule_file(octets));
  const auto table = RuleTable::map(file_of(octets).get());
  REQUIRE(table);
  std::array<RuleTable::Match, RuleTable::max_matches> found;
  CHECK((*table)->find(name("d1.example.com"), found) == 0);
}

TEST_CASE("a table of another version is refused, though it is whole") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  for (const std::uint32_t version : {rule_file_version - 1, rule_file_version + 1}) {
    header.version = version;
    std::memcpy(octets.data(), &header, sizeof(header));
    REQUIRE(seal_rule_file(octets));
    const auto table = RuleTable::map(file_of(octets).get());
    REQUIRE_FALSE(table);
    CHECK(table.error() == "the rule table is damaged: it has version " + std::to_string(version) +
                               ", this program reads version 2");
  }
}

TEST_CASE("a filter that knows everything, or nothing, is harmless") {
  const BuiltTable built = build(mixed_rules());
  std::vector<std::byte> octets = octets_of(built.file, built.built.bytes);
  RuleFileHeader header;
  std::memcpy(&header, octets.data(), sizeof(header));
  const RuleFileHeader::Section filter = header.of(RuleSection::filter);
  for (const int octet : {0xff, 0}) {
    std::memset(octets.data() + filter.offset, octet, filter.size);
    REQUIRE(seal_rule_file(octets));
    const auto table = RuleTable::map(file_of(octets).get());
    REQUIRE(table);
    std::array<RuleTable::Match, RuleTable::max_matches> found;
    CHECK((*table)->find(name("d1.example.com"), found) == (octet ? 2 : 0));
    CHECK((*table)->find(name("d1.example.net"), found) == 0);
    CHECK(use(**table) < 100'000);
  }
  header.of(RuleSection::filter).size = 0;
  std::memcpy(octets.data(), &header, sizeof(header));
  REQUIRE(seal_rule_file(octets));
  CHECK_FALSE(RuleTable::map(file_of(octets).get()));
}

TEST_CASE("a table that cannot be written says so") {
  SeededRandom random(1);
  RuleBuilder builder({"a"}, random);
  builder.add(0, rule_at("a.test"), false);
  const auto built = builder.write(-1);
  REQUIRE_FALSE(built);
  CHECK(built.error() == "cannot write the rule table: Bad file descriptor");
}

#include "dns/complex_rule.hpp"

#include <cstring>
#include <span>
#include <string>

namespace culvert::dns {
namespace {

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  template <class Number>
  requires std::is_integral_v<Number>
  void put(Number number) { put_octets(std::as_bytes(std::span(&number, 1))); }
  void put(const std::string& text) {
    put(static_cast<std::uint32_t>(text.size()));
    put_octets(std::as_bytes(std::span(text)));
  }
  void put(const Name& name) {
    put(static_cast<std::uint8_t>(name.size()));
    put_octets(name.wire());
  }
  void put(const base::IpAddress& address) {
    put(static_cast<std::uint8_t>(address.bytes().size()));
    put_octets(address.bytes());
  }
  void put(const base::Prefix& prefix) {
    put(prefix.address());
    put(static_cast<std::uint8_t>(prefix.length()));
  }
  template <class Item>
  void put(const std::vector<Item>& items) {
    put(static_cast<std::uint32_t>(items.size()));
    for (const Item& item : items) put(item);
  }

 private:
  void put_octets(base::Bytes octets) { out_.insert(out_.end(), octets.begin(), octets.end()); }
  std::vector<std::byte>& out_;
};

// What does not fit what is there makes it fail, and leaves values that mean nothing.
class Reader {
 public:
  explicit Reader(base::Bytes octets) : left_(octets) {}

  bool good() const noexcept { return good_ && left_.empty(); }
  template <class Number>
  requires std::is_integral_v<Number>
  void get(Number& number) {
    const base::Bytes octets = take(sizeof(number));
    if (good_) std::memcpy(&number, octets.data(), sizeof(number));
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void get(Enum& value, Enum last) {
    std::uint8_t number = 0;
    get(number);
    good_ = good_ && number <= static_cast<std::uint8_t>(last);
    if (good_) value = static_cast<Enum>(number);
  }
  void get(bool& value) {
    std::uint8_t number = 0;
    get(number);
    good_ = good_ && number <= 1;
    value = number == 1;
  }
  void get(std::string& text) {
    const base::Bytes octets = take(count());
    text.assign(reinterpret_cast<const char*>(octets.data()), octets.size());
  }
  void get(Name& name) {
    std::uint8_t size = 0;
    get(size);
    const std::optional<Name> read = Name::from_wire(take(size));
    good_ = good_ && read;
    if (good_) name = *read;
  }
  void get(base::IpAddress& address) {
    std::uint8_t size = 0;
    get(size);
    const base::Bytes octets = take(size);
    if (octets.size() == 4) address = base::IpAddress::v4(octets.first<4>());
    if (octets.size() == 16) address = base::IpAddress::v6(octets.first<16>());
    good_ = good_ && address;
  }
  void get(base::Prefix& prefix) {
    base::IpAddress address;
    std::uint8_t length = 0;
    get(address);
    get(length);
    good_ = good_ && length <= address.bits();
    if (good_) prefix = base::Prefix(address, length);
  }
  template <class Item>
  void get(std::vector<Item>& items) {
    // Every item has an octet at least: a count can ask for no more memory than the file is worth.
    for (std::uint32_t n = count(); good_ && n > 0; --n) get(items.emplace_back());
  }

 private:
  std::uint32_t count() {
    std::uint32_t number = 0;
    get(number);
    good_ = good_ && number <= left_.size();
    return good_ ? number : 0;
  }
  base::Bytes take(std::size_t size) {
    good_ = good_ && size <= left_.size();
    if (!good_) return {};
    const base::Bytes octets = left_.first(size);
    left_ = left_.subspan(size);
    return octets;
  }

  base::Bytes left_;
  bool good_ = true;
};

}  // namespace

void encode(std::uint16_t list, const Rule& rule, std::vector<std::byte>& out) {
  Writer writer(out);
  writer.put(list);
  writer.put(static_cast<std::uint8_t>(rule.action));
  writer.put(static_cast<std::uint8_t>(rule.important));
  writer.put(static_cast<std::uint8_t>(rule.reach));
  writer.put(rule.domain);
  writer.put(rule.pattern);
  writer.put(rule.types);
  writer.put(rule.not_types);
  writer.put(rule.clients);
  writer.put(rule.not_clients);
  writer.put(rule.tags);
  writer.put(rule.not_tags);
  writer.put(rule.deny_allow);
  writer.put(rule.addresses);
  writer.put(rule.cname);
  writer.put(rule.records);
  writer.put(rule.upstream);
  writer.put(rule.answer_prefixes);
}

std::optional<RuleTable::ComplexRule> decode(base::Bytes octets) {
  if (octets.size() > max_complex_octets) return std::nullopt;
  RuleTable::ComplexRule complex;
  Rule& rule = complex.rule;
  Reader reader(octets);
  reader.get(complex.list);
  reader.get(rule.action, RuleAction::forward);
  reader.get(rule.important);
  reader.get(rule.reach, Rule::Reach::below);
  reader.get(rule.domain);
  reader.get(rule.pattern);
  reader.get(rule.types);
  reader.get(rule.not_types);
  reader.get(rule.clients);
  reader.get(rule.not_clients);
  reader.get(rule.tags);
  reader.get(rule.not_tags);
  reader.get(rule.deny_allow);
  reader.get(rule.addresses);
  reader.get(rule.cname);
  reader.get(rule.records);
  reader.get(rule.upstream);
  reader.get(rule.answer_prefixes);
  if (!reader.good()) return std::nullopt;
  return complex;
}

}  // namespace culvert::dns

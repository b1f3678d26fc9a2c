#include "dns/name.hpp"

#include <bit>

#include "base/random.hpp"
#include "base/siphash.hpp"

namespace culvert::dns {
namespace {

unsigned octet(std::byte b) noexcept {
  return std::to_integer<unsigned>(b);
}

// Eight letters at a time. Octets with the top bit set stay as they are.
std::uint64_t lower8(std::uint64_t word) noexcept {
  constexpr std::uint64_t each = 0x0101010101010101;
  const std::uint64_t low = word & (each * 0x7f);
  const std::uint64_t from_a = low + each * (0x80 - 'A');       // top bit: at least 'A'
  const std::uint64_t above_z = low + each * (0x80 - 'Z' - 1);  // top bit: above 'Z'
  const std::uint64_t upper = from_a & ~above_z & ~word & (each * 0x80);
  return word | upper >> 2;  // 0x20
}

// Lengths of labels are at most 63, below 'A': wire form is lower-cased as it lies there.
void copy_lower(std::byte* to, const std::byte* from, std::size_t size) noexcept {
  std::uint64_t word = 0;
  for (; size >= 8; to += 8, from += 8, size -= 8) {
    std::memcpy(&word, from, 8);
    word = lower8(word);
    std::memcpy(to, &word, 8);
  }
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned c = octet(from[i]);
    to[i] = std::byte(c - 'A' < 26 ? c | 0x20 : c);
  }
}

const base::SipKey& hash_key() noexcept {
  static const base::SipKey key = [] {
    base::SystemRandom random;
    return base::SipKey{random.u64(), random.u64()};
  }();
  return key;
}

// One character of presentation form, or of an escape; -1 if it is none.
int take_character(std::string_view& rest) noexcept {
  const auto c = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  if (c != '\\') return c > ' ' && c < 0x7f ? c : -1;
  if (rest.empty()) return -1;
  const auto is_digit = [](char d) { return d >= '0' && d <= '9'; };
  if (!is_digit(rest[0])) {
    const auto literal = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    return literal >= ' ' && literal < 0x7f ? literal : -1;
  }
  if (rest.size() < 3 || !is_digit(rest[1]) || !is_digit(rest[2])) return -1;
  const int value = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
  rest.remove_prefix(3);
  return value <= 255 ? value : -1;
}

void append_escaped(std::string& out, std::byte b) {
  const auto c = static_cast<char>(b);
  if (octet(b) <= ' ' || octet(b) >= 0x7f) {
    out += '\\';
    out += char('0' + octet(b) / 100);
    out += char('0' + octet(b) / 10 % 10);
    out += char('0' + octet(b) % 10);
    return;
  }
  if (std::string_view(".\\\"();@$").find(c) != std::string_view::npos) out += '\\';
  out += c;
}

}  // namespace

std::optional<Name> Name::parse(std::string_view text) {
  Name name;
  if (text == ".") return name;
  if (text.empty()) return std::nullopt;
  std::array<std::byte, max_label> label;
  std::size_t size = 0;
  while (!text.empty()) {
    const bool ends = text.front() == '.';
    if (ends) {
      text.remove_prefix(1);
      if (!name.append(base::Bytes(label).first(size))) return std::nullopt;
      size = 0;
      continue;
    }
    const int c = take_character(text);
    if (c < 0 || size == max_label) return std::nullopt;
    label[size++] = std::byte(c);
  }
  if (size != 0 && !name.append(base::Bytes(label).first(size))) return std::nullopt;
  return name;
}

std::optional<Name> Name::from_wire(base::Bytes wire) noexcept {
  Name name;
  if (wire.empty() || read(wire, name) != wire.size()) return std::nullopt;
  return name;
}

std::size_t Name::read(base::Bytes from, Name& out) noexcept {
  const std::size_t most = from.size() < max_size ? from.size() : max_size;
  std::size_t at = 0;
  while (at < most) {
    const unsigned length = octet(from[at]);
    if (length > max_label) return 0;
    at += 1 + length;
    if (length != 0) continue;
    copy_lower(out.wire_.data(), from.data(), at);
    out.size_ = static_cast<std::uint8_t>(at);
    return at;
  }
  return 0;
}

unsigned Name::labels() const noexcept {
  unsigned count = 0;
  for (std::size_t at = 0; wire_[at] != std::byte{0}; at += 1 + octet(wire_[at])) ++count;
  return count;
}

bool Name::append(base::Bytes label) noexcept {
  if (label.empty() || label.size() > max_label || size_ + label.size() + 1 > max_size)
    return false;
  wire_[size_ - 1u] = std::byte(label.size());
  copy_lower(wire_.data() + size_, label.data(), label.size());
  size_ = static_cast<std::uint8_t>(size_ + label.size() + 1);
  wire_[size_ - 1u] = std::byte{0};
  return true;
}

bool Name::append_labels(base::Bytes labels) noexcept {
  if (size_ + labels.size() > max_size) return false;
  copy_lower(wire_.data() + size_ - 1, labels.data(), labels.size());
  size_ = static_cast<std::uint8_t>(size_ + labels.size());
  wire_[size_ - 1u] = std::byte{0};
  return true;
}

Name Name::parent() const noexcept {
  Name out;
  if (is_root()) return out;
  const std::size_t skip = 1 + octet(wire_[0]);
  out.size_ = static_cast<std::uint8_t>(size_ - skip);
  std::memcpy(out.wire_.data(), wire_.data() + skip, out.size_);
  return out;
}

bool Name::is_within(const Name& domain) const noexcept {
  if (domain.size_ > size_) return false;
  const std::size_t start = std::size_t(size_) - domain.size_;
  std::size_t at = 0;
  while (at < start) at += 1 + octet(wire_[at]);
  return at == start && std::memcmp(wire_.data() + at, domain.wire_.data(), domain.size_) == 0;
}

std::string Name::to_string() const {
  if (is_root()) return ".";
  std::string out;
  out.reserve(size_);
  for (std::size_t at = 0; wire_[at] != std::byte{0};) {
    const unsigned length = octet(wire_[at++]);
    if (!out.empty()) out += '.';
    for (unsigned i = 0; i < length; ++i) append_escaped(out, wire_[at++]);
  }
  return out;
}

std::size_t NameHash::operator()(const Name& name) const noexcept {
  return base::siphash(hash_key(), name.wire());
}

}  // namespace culvert::dns

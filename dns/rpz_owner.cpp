#include "dns/rpz_owner.hpp"

#include <array>

#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool ends_with_lower(std::string_view text, std::string_view end) noexcept {
  if (text.size() < end.size()) return false;
  text.remove_prefix(text.size() - end.size());
  for (std::size_t i = 0; i < end.size(); ++i)
    if (lower(text[i]) != lower(end[i])) return false;
  return true;
}

}  // namespace

std::string RpzOrigin::absolute(std::string_view name) const {
  if (name.ends_with('.')) return std::string(name.substr(0, name.size() - 1));
  if (name == "@") return origin_;
  return origin_.empty() ? std::string(name) : std::string(name) + '.' + origin_;
}

void RpzOrigin::set_origin(std::string_view name) {
  origin_ = absolute(name);
  if (zone_.empty()) zone_ = origin_;
}

void RpzOrigin::set_zone(std::string_view owner) {
  zone_ = absolute(owner);
  if (origin_.empty()) origin_ = zone_;
}

std::optional<std::string_view> RpzOrigin::trigger(std::string_view owner) {
  if (owner == "@" && origin_ == zone_) return std::string_view();
  if (!owner.ends_with('.') && origin_ == zone_) return owner;
  text_ = absolute(owner);
  std::string_view name = text_;
  if (zone_.empty()) return name;
  if (!ends_with_lower(name, zone_)) return std::nullopt;
  name.remove_suffix(zone_.size());
  if (name.empty()) return name;
  if (!name.ends_with('.')) return std::nullopt;
  return name.substr(0, name.size() - 1);
}

std::optional<base::Prefix> parse_rpz_address(std::string_view text) {
  std::array<std::string_view, 9> labels;
  std::size_t count = 0;
  bool hexadecimal = false;
  while (!text.empty()) {
    if (count == labels.size()) return std::nullopt;
    labels[count] = take_until(text, '.');
    if (labels[count].empty() || labels[count].size() > 4) return std::nullopt;
    hexadecimal = hexadecimal || !read_number(labels[count], 9999);
    ++count;
  }
  if (count < 2) return std::nullopt;
  const bool is_v4 = count == 5 && !hexadecimal;
  std::string address;
  for (std::size_t i = count - 1; i > 0; --i) {
    const bool gap = labels[i] == "zz" || labels[i] == "ZZ";
    if (gap) {
      if (address.empty()) address += ':';
      address += i == 1 ? ":" : "";
    } else {
      address += labels[i];
    }
    if (i > 1) address += is_v4 ? '.' : ':';
  }
  const auto parsed = read_address(address);
  if (!parsed) return std::nullopt;
  const auto length = read_number(labels[0], parsed->bits());
  if (!length) return std::nullopt;
  return base::Prefix(*parsed, *length);
}

}  // namespace culvert::dns

// The presentation form of SVCB and HTTPS records (RFC 9460 section 2.1 and appendix A).
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/ip.hpp"
#include "dns/message.hpp"
#include "dns/record_text.hpp"

namespace culvert::dns {
namespace {

using base::Error;
using base::Result;
using Problem = std::optional<Error>;

enum Key : std::uint16_t {
  key_mandatory = 0,
  key_alpn = 1,
  key_no_default_alpn = 2,
  key_port = 3,
  key_ipv4hint = 4,
  key_ech = 5,
  key_ipv6hint = 6,
  key_dohpath = 7
};
constexpr std::pair<std::string_view, std::uint16_t> key_names[] = {
    {"mandatory", key_mandatory},
    {"alpn", key_alpn},
    {"no-default-alpn", key_no_default_alpn},
    {"port", key_port},
    {"ipv4hint", key_ipv4hint},
    {"ech", key_ech},
    {"ipv6hint", key_ipv6hint},
    {"dohpath", key_dohpath}};

std::optional<std::uint16_t> number16(std::string_view text) {
  std::uint16_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return value;
}

// 65535 is no key (RFC 9460 section 14.3.2).
std::optional<std::uint16_t> key_of(std::string_view name) {
  for (const auto& [known, key] : key_names)
    if (name == known) return key;
  if (!name.starts_with("key")) return std::nullopt;
  const auto key = number16(name.substr(3));
  return key && *key != 0xffff ? key : std::nullopt;
}

void put16(Rdata& out, std::size_t value) {
  out.push_back(std::byte(value >> 8 & 0xff));
  out.push_back(std::byte(value & 0xff));
}

void put(Rdata& out, std::string_view text) {
  for (const char c : text) out.push_back(std::byte(c));
}

// Parts of a list with commas; "\," and "\\" are the characters themselves (appendix A.1).
std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',') {
      parts.emplace_back();
      continue;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    parts.back() += text[i];
  }
  return parts;
}

Problem read_mandatory(std::string_view text, Rdata& out) {
  std::vector<std::uint16_t> keys;
  for (const std::string& name : split_list(text)) {
    const auto key = key_of(name);
    if (!key || *key == key_mandatory) return Error{shown(name) + " cannot be mandatory"};
    keys.push_back(*key);
  }
  std::sort(keys.begin(), keys.end());
  if (std::adjacent_find(keys.begin(), keys.end()) != keys.end())
    return Error{"mandatory names a key twice"};
  for (const std::uint16_t key : keys) put16(out, key);
  return std::nullopt;
}

Problem read_alpn(std::string_view text, Rdata& out) {
  for (const std::string& protocol : split_list(text)) {
    if (protocol.empty() || protocol.size() > 255)
      return Error{"alpn has a protocol that is empty or longer than 255 octets"};
    out.push_back(std::byte(protocol.size()));
    put(out, protocol);
  }
  return std::nullopt;
}

Problem read_hints(std::string_view text, bool v4, Rdata& out) {
  for (const std::string& part : split_list(text)) {
    const auto address = base::IpAddress::parse(part);
    if (!address || address->is_v4() != v4)
      return Error{shown(part) + " is no IPv" + (v4 ? "4" : "6") + " address"};
    const base::Bytes bytes = address->bytes();
    out.insert(out.end(), bytes.begin(), bytes.end());
  }
  return std::nullopt;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

Problem read_base64(std::string_view text, Rdata& out) {
  const Error none{"ech has to be base64, with its padding"};
  if (text.empty() || text.size() % 4 != 0) return none;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pads = i >= text.size() - padding;
    const int digit = pads ? 0 : base64_digit(text[i]);
    if (digit < 0) return none;
    word = word << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    const std::size_t octets = i + 1 == text.size() ? 3 - padding : 3;
    for (std::size_t k = 0; k < octets; ++k) out.push_back(std::byte(word >> (16 - 8 * k) & 0xff));
    word = 0;
  }
  return std::nullopt;
}

Problem read_value(std::uint16_t key, std::string_view text, Rdata& out) {
  switch (key) {
    case key_mandatory:
      return read_mandatory(text, out);
    case key_alpn:
      return read_alpn(text, out);
    case key_no_default_alpn:
      if (!text.empty()) return Error{"no-default-alpn has no value"};
      return std::nullopt;
    case key_port: {
      const auto port = number16(text);
      if (!port) return Error{"port " + shown(text) + " is no number from 0 to 65535"};
      put16(out, *port);
      return std::nullopt;
    }
    case key_ipv4hint:
    case key_ipv6hint:
      return read_hints(text, key == key_ipv4hint, out);
    case key_ech:
      return read_base64(text, out);
    default:
      put(out, text);
      return std::nullopt;
  }
}

// "key=value", "key", "key=\"a value\"".
Problem read_parameter(std::string_view word, std::map<std::uint16_t, Rdata>& parameters) {
  const std::size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  std::string_view text = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  const auto key = key_of(name);
  if (!key) return Error{shown(name) + " is no parameter of a service; keyNUMBER names others"};
  const auto value = unescape(text);
  if (!value) return Error{value.error()};
  const auto [place, is_new] = parameters.try_emplace(*key);
  if (!is_new) return Error{"the parameter " + shown(name) + " is there twice"};
  if (const Problem problem = read_value(*key, *value, place->second)) return problem;
  if (place->second.size() > 0xffff) return Error{"the parameter " + shown(name) + " is too long"};
  return std::nullopt;
}

// What is mandatory has to be there (section 8).
Problem check_mandatory(const std::map<std::uint16_t, Rdata>& parameters) {
  const auto mandatory = parameters.find(key_mandatory);
  if (mandatory == parameters.end()) return std::nullopt;
  const Rdata& keys = mandatory->second;
  for (std::size_t i = 0; i + 1 < keys.size(); i += 2) {
    const auto key = static_cast<std::uint16_t>(std::to_integer<unsigned>(keys[i]) << 8 |
                                                std::to_integer<unsigned>(keys[i + 1]));
    if (!parameters.contains(key)) return Error{"mandatory names a key that is not there"};
  }
  return std::nullopt;
}

}  // namespace

Result<Rdata> parse_service(const std::vector<RecordWord>& words) {
  const auto priority = words.size() >= 2 ? number16(words[0].text) : std::nullopt;
  if (!priority) return Error{"PRIORITY TARGET key=value... expected, such as 1 . alpn=h2"};
  const auto target = Name::parse(words[1].text);
  if (!target) return Error{shown(words[1].text) + " is no domain name"};
  std::map<std::uint16_t, Rdata> parameters;  // in wire form they ascend
  for (std::size_t i = 2; i < words.size(); ++i)
    if (const Problem problem = read_parameter(words[i].text, parameters)) return *problem;
  if (const Problem problem = check_mandatory(parameters)) return *problem;
  if (*priority == 0 && !parameters.empty())
    return Error{"priority 0 is an alias, which has no parameters"};
  Rdata out;
  put16(out, *priority);
  out.insert(out.end(), target->wire().begin(), target->wire().end());
  for (const auto& [key, value] : parameters) {
    put16(out, key);
    put16(out, value.size());
    out.insert(out.end(), value.begin(), value.end());
  }
  if (!read_service_binding(out)) return Error{"these parameters are not well formed"};
  return out;
}

}  // namespace culvert::dns

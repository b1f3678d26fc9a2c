#include "dns/record_text.hpp"

#include <charconv>
#include <limits>
#include <optional>

#include "base/ip.hpp"
#include "dns/rdata.hpp"

namespace culvert::dns {
namespace {

using base::Error;
using base::Result;
using Words = std::vector<RecordWord>;

constexpr std::size_t max_string = 255;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::optional<std::uint32_t> number(std::string_view text, std::uint32_t most) {
  std::uint32_t value = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end || value > most)
    return std::nullopt;
  return value;
}

void put16(Rdata& out, std::uint32_t value) {
  out.push_back(std::byte(value >> 8 & 0xff));
  out.push_back(std::byte(value & 0xff));
}

void put(Rdata& out, base::Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Appends what `what` says, or gives the error.
std::optional<Error> put_number(Rdata& out, const RecordWord& word, const char* what) {
  const auto value = number(word.text, 0xffff);
  if (!value)
    return Error{std::string(what) + " " + shown(word.text) + " is no number from 0 to 65535"};
  put16(out, *value);
  return std::nullopt;
}

std::optional<Error> put_name(Rdata& out, const RecordWord& word) {
  const auto name = Name::parse(word.text);
  if (!name) return Error{shown(word.text) + " is no domain name"};
  put(out, name->wire());
  return std::nullopt;
}

void put_strings(Rdata& out, const std::string& text) {
  std::string_view rest = text;
  do {
    const std::string_view part = rest.substr(0, max_string);
    out.push_back(std::byte(part.size()));
    put(out, std::as_bytes(std::span(part)));
    rest.remove_prefix(part.size());
  } while (!rest.empty());
}

Result<Rdata> address(std::uint16_t type, const Words& words) {
  const char* const expected = type == type::a ? "an IPv4 address" : "an IPv6 address";
  const auto parsed = words.size() == 1 ? base::IpAddress::parse(words[0].text) : std::nullopt;
  if (!parsed || parsed->is_v4() != (type == type::a))
    return Error{(words.empty() ? "nothing" : shown(words[0].text)) + std::string(" found, ") +
                 expected + " expected"};
  const base::Bytes bytes = parsed->bytes();
  return Rdata(bytes.begin(), bytes.end());
}

// Numbers, then one name: of CNAME none, of MX one, of SRV three.
Result<Rdata> numbers_and_name(const Words& words, std::initializer_list<const char*> numbers,
                               const char* expected) {
  if (words.size() != numbers.size() + 1)
    return Error{std::to_string(words.size()) + " words found, " + expected + " expected"};
  Rdata out;
  std::size_t i = 0;
  for (const char* const what : numbers)
    if (const auto error = put_number(out, words[i++], what)) return *error;
  if (const auto error = put_name(out, words[i])) return *error;
  return out;
}

Result<Rdata> text(std::string_view value, const Words& words) {
  Rdata out;
  if (value.find('"') == std::string_view::npos) {
    const auto whole = unescape(value);
    if (!whole) return Error{whole.error()};
    put_strings(out, *whole);
    return out;
  }
  for (const RecordWord& word : words) {
    const auto string = unescape(word.text);
    if (!string) return Error{string.error()};
    put_strings(out, *string);
  }
  return out;
}

Result<Rdata> host_info(const Words& words) {
  if (words.size() != 2) return Error{"CPU and OS expected, each in quotes if it has blanks"};
  Rdata out;
  for (const RecordWord& word : words) {
    const auto string = unescape(word.text);
    if (!string) return Error{string.error()};
    if (string->size() > max_string) return Error{"a string longer than 255 octets"};
    put_strings(out, *string);
  }
  return out;
}

// RFC 8659 section 4.1.
Result<Rdata> authority(const Words& words) {
  if (words.size() != 3) return Error{"FLAGS TAG VALUE expected, such as 0 issue \"ca.example\""};
  const auto flags = number(words[0].text, 255);
  if (!flags) return Error{"flags " + shown(words[0].text) + " are no number from 0 to 255"};
  const std::string_view tag = words[1].text;
  for (const char c : tag)
    if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z'))
      return Error{"the tag " + shown(tag) + " has to be of letters and digits"};
  if (tag.empty() || tag.size() > max_string) return Error{"the tag is empty or too long"};
  const auto value = unescape(words[2].text);
  if (!value) return Error{value.error()};
  Rdata out{std::byte(*flags), std::byte(tag.size())};
  put(out, std::as_bytes(std::span(tag)));
  put(out, std::as_bytes(std::span(*value)));
  return out;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// RFC 3597 section 5: \# LENGTH HEX, where HEX may have blanks.
Result<Rdata> generic(std::uint16_t type, const Words& words) {
  const auto length = words.size() >= 2 ? number(words[1].text, 0xffff) : std::nullopt;
  if (!length) return Error{"\\# has to be followed by a length from 0 to 65535"};
  Rdata out;
  int high = -1;
  for (std::size_t i = 2; i < words.size(); ++i) {
    for (const char c : words[i].text) {
      const int digit = hex_digit(c);
      if (digit < 0) return Error{shown(words[i].text) + " is not hexadecimal"};
      if (high >= 0) out.push_back(std::byte(high << 4 | digit));
      high = high >= 0 ? -1 : digit;
    }
  }
  if (high >= 0 || out.size() != *length)
    return Error{"\\# says " + std::to_string(*length) + " octets, the digits are of " +
                 std::to_string(out.size()) + (high >= 0 ? " and a half" : "")};
  if (!well_formed_rdata(type, out)) return Error{"these octets are no " + type_text(type)};
  return out;
}

Result<Rdata> parse_words(std::uint16_t type, std::string_view value, const Words& words) {
  switch (type) {
    case type::a:
    case type::aaaa:
      return address(type, words);
    case type::cname:
    case type::dname:
    case type::ns:
    case type::ptr:
      return numbers_and_name(words, {}, "one domain name");
    case type::mx:
      return numbers_and_name(words, {"preference"}, "PREFERENCE NAME");
    case type::srv:
      return numbers_and_name(words, {"priority", "weight", "port"}, "PRIORITY WEIGHT PORT NAME");
    case type::txt:
      return text(value, words);
    case type::hinfo:
      return host_info(words);
    case type::caa:
      return authority(words);
    case type::svcb:
    case type::https:
      return parse_service(words);
    default:
      return Error{"the value of " + type_text(type) + " has to be written as \\# LENGTH HEX"};
  }
}

// Of a word that begins with a quote.
std::size_t closing_quote(std::string_view word) {
  std::size_t at = 1;
  for (; at < word.size() && word[at] != '"'; ++at)
    if (word[at] == '\\') ++at;
  return at;
}

}  // namespace

std::string shown(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 64)) out += c >= ' ' && c < 0x7f ? c : '?';
  return out + (text.size() > 64 ? "...\"" : "\"");
}

Result<std::vector<RecordWord>> split_words(std::string_view value) {
  Words words;
  std::size_t at = 0;
  while (at < value.size()) {
    if (is_blank(value[at])) {
      ++at;
      continue;
    }
    // A quote may also open behind `key=`: such a word keeps its quotes.
    bool open = false;
    const std::size_t start = at;
    for (; at < value.size() && (open || !is_blank(value[at])); ++at) {
      if (value[at] == '"') open = !open;
      if (value[at] == '\\' && at + 1 < value.size()) ++at;
    }
    if (open) return Error{"a quote is opened in " + shown(value) + " and not closed"};
    const std::string_view word = value.substr(start, at - start);
    if (word.front() != '"') {
      words.push_back({word, false});
      continue;
    }
    if (closing_quote(word) != word.size() - 1)
      return Error{shown(word) + " goes on behind its quotes"};
    words.push_back({word.substr(1, word.size() - 2), true});
  }
  return words;
}

Result<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const std::string_view escape = text.substr(i + 1, 3);
    if (escape.empty()) return Error{shown(text) + " ends with a backslash"};
    if (!is_digit(escape[0])) {
      out += escape[0];
      i += 1;
      continue;
    }
    const auto octet = escape.size() == 3 ? number(escape, 255) : std::nullopt;
    if (!octet) return Error{shown(text) + " has a \\ that no number from 000 to 255 follows"};
    out += static_cast<char>(*octet);
    i += 3;
  }
  return out;
}

Result<Rdata> parse_rdata(std::uint16_t type, std::string_view value) {
  const bool meta = type == 0 || type == type::opt || (type >= 128 && type <= 255);
  if (meta || type == type::soa)
    return Error{type_text(type) + " is no type that a record may have"};
  while (!value.empty() && is_blank(value.front())) value.remove_prefix(1);
  while (!value.empty() && is_blank(value.back())) value.remove_suffix(1);
  if (value.empty()) return Error{"the value is empty"};
  const auto words = split_words(value);
  if (!words) return Error{words.error()};
  auto rdata = (*words)[0].text == "\\#" ? generic(type, *words) : parse_words(type, value, *words);
  if (rdata && rdata->size() > 16384) return Error{"the value is longer than 16384 octets"};
  return rdata;
}

}  // namespace culvert::dns

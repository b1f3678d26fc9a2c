// How an upstream is written: [SCHEME://]HOST[:PORT][/PATH][#ITEM,...]. An item is an address
// (where HOST is a name), the name of the certificate, or a pin "sha256/BASE64" (RFC 7858
// section 4.2).
#include <algorithm>
#include <charconv>

#include "dns/name_text.hpp"
#include "dns/upstreams.hpp"

namespace culvert::dns {
namespace {

using Kind = UpstreamAddress::Kind;
using Problem = std::optional<std::string>;

constexpr std::string_view default_path = "/dns-query";
constexpr std::string_view pin_prefix = "sha256/";
constexpr std::size_t max_text = 1024, max_path = 512, max_addresses = 8;

struct Scheme {
  std::string_view prefix;
  Kind kind;
  std::uint16_t port;
};
constexpr Scheme schemes[] = {{"udp://", Kind::udp, 53},
                              {"tcp://", Kind::tcp, 53},
                              {"tls://", Kind::tls, 853},
                              {"https://", Kind::https, 443}};

const Scheme& scheme_of(Kind kind) {
  return schemes[std::size_t(kind)];
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// No label of a host's begins or ends with '-' (RFC 952).
bool is_host_name(std::string_view name) {
  return looks_like_domain(name) && name.front() != '-' && name.back() != '-' &&
         name.find(".-") == name.npos && name.find("-.") == name.npos;
}

// The limited broadcast is among them: it is no single server's either.
bool is_multicast(const base::IpAddress& address) {
  const unsigned first = std::to_integer<unsigned>(address.bytes().front());
  return address.is_v6() ? first == 0xff : first >= 224;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

bool is_base64_of_sha256(std::string_view text) {
  return text.size() == 44 && text.back() == '=' &&
         std::all_of(text.begin(), text.end() - 1, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '+' || c == '/';
         });
}

Problem read_port(std::string_view text, std::uint16_t& out) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535)
    return "expected a port from 1 to 65535, found '" + std::string(text) + "'";
  out = std::uint16_t(port);
  return {};
}

Problem read_host(std::string_view text, std::string& out) {
  if (const auto address = base::IpAddress::parse(text)) {
    if (address->is_unspecified() || is_multicast(*address))
      return "expected an address of a server, found " + std::string(text);
    out = address->to_string();
    return {};
  }
  out = lowered(text);
  if (is_host_name(out)) return {};
  return "expected an address or a host name, found '" + std::string(text) + "'";
}

// HOST, HOST:PORT, [ADDRESS]:PORT, or an IPv6 address without brackets.
Problem read_authority(std::string_view text, UpstreamAddress& out) {
  if (base::IpAddress::parse(text)) return read_host(text, out.host);
  std::string_view host = text, port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == text.npos) return "expected ']' behind the address";
    host = text.substr(1, end - 1);
    const auto address = base::IpAddress::parse(host);
    if (!address || !address->is_v6())
      return "expected an IPv6 address in brackets, found '" + std::string(host) + "'";
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return "expected ':' and a port behind ']'";
    port = rest.substr(has_port ? 1 : 0);
  } else if (const std::size_t colon = text.rfind(':'); colon != text.npos) {
    host = text.substr(0, colon), port = text.substr(colon + 1), has_port = true;
  }
  if (has_port)
    if (auto problem = read_port(port, out.port)) return problem;
  return read_host(host, out.host);
}

Problem read_path(std::string_view text, UpstreamAddress& out) {
  // The template of RFC 8484 section 4.1.1 is for GET; a POST goes to the path without it.
  if (text.ends_with("{?dns}")) text.remove_suffix(6);
  if (out.kind != Kind::https) {
    if (text.empty() || text == "/") return {};
    return "a path is only for https://, found '" + std::string(text) + "'";
  }
  if (text.size() > max_path || text.find_first_of("{}\"<>\\^`|") != text.npos)
    return "expected a path of at most 512 characters as URLs have it";
  out.path = text.empty() || text == "/" ? default_path : text;
  return {};
}

Problem read_item(std::string_view item, UpstreamAddress& out) {
  if (item.starts_with(pin_prefix)) {
    item.remove_prefix(pin_prefix.size());
    if (!out.encrypted()) return "a pin is only for tls:// and https://";
    if (!is_base64_of_sha256(item) || !out.pin.empty())
      return "expected one pin 'sha256/' with 44 characters of base64";
    out.pin = item;
    return {};
  }
  if (const auto address = base::IpAddress::parse(item)) {
    if (base::IpAddress::parse(out.host)) return "a second address behind '#'; the host is one";
    if (out.addresses.size() == max_addresses) return "expected at most 8 addresses";
    out.addresses.push_back(*address);
    return {};
  }
  const std::string name = lowered(item);
  if (!out.encrypted() || !out.name.empty() || !is_host_name(name))
    return "expected " +
           std::string(out.encrypted() ? "a name, an address or 'sha256/...'" : "an address") +
           " behind '#', found '" + std::string(item) + "'";
  out.name = name;
  return {};
}

Problem read_items(std::string_view text, UpstreamAddress& out) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (auto problem = read_item(text.substr(begin, end - begin), out)) return problem;
    begin = end + 1;
  }
  if (out.name == out.host) out.name.clear();
  return {};
}

Problem read_all(std::string_view text, UpstreamAddress& out) {
  if (text.empty() || text.size() > max_text || !is_printable(text))
    return "expected 1 to 1024 printable characters";
  const std::string start = lowered(text.substr(0, 8));
  for (const Scheme& scheme : schemes)
    if (start.starts_with(scheme.prefix)) {
      out.kind = scheme.kind, out.port = scheme.port;
      text.remove_prefix(scheme.prefix.size());
      break;
    }
  if (text.find("://") != text.npos) return "expected udp://, tcp://, tls:// or https://";
  const std::size_t hash = std::min(text.find('#'), text.size());
  const std::string_view front = text.substr(0, hash);
  const std::size_t slash = std::min(front.find('/'), front.size());
  if (auto problem = read_authority(front.substr(0, slash), out)) return problem;
  if (auto problem = read_path(front.substr(slash), out)) return problem;
  if (hash == text.size()) return {};
  return read_items(text.substr(hash + 1), out);
}

}  // namespace

base::Result<UpstreamAddress> UpstreamAddress::parse(std::string_view text) {
  UpstreamAddress out;
  if (auto problem = read_all(text, out))
    return base::Error{is_printable(text) && text.size() <= max_text
                           ? "upstream '" + std::string(text) + "': " + *problem
                           : "upstream: " + *problem};
  if (const auto address = base::IpAddress::parse(out.host)) out.addresses.assign(1, *address);
  return out;
}

std::string UpstreamAddress::to_string() const {
  const auto address = base::IpAddress::parse(host);
  const bool usual_port = port == scheme_of(kind).port;
  std::string out(kind == Kind::udp ? "" : scheme_of(kind).prefix);
  const bool bare = kind == Kind::udp && usual_port;  // an IPv6 address may stand without brackets
  out += address && address->is_v6() && !bare ? "[" + host + "]" : host;
  if (!usual_port) out += ":" + std::to_string(port);
  out += path;
  char separator = '#';
  const auto add = [&](const std::string& item) {
    out += std::exchange(separator, ',');
    out += item;
  };
  if (!address)
    for (const base::IpAddress& known : addresses) add(known.to_string());
  if (!name.empty()) add(name);
  if (!pin.empty()) add(std::string(pin_prefix) + pin);
  return out;
}

}  // namespace culvert::dns

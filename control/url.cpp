#include "control/url.hpp"

#include <algorithm>
#include <charconv>

#include "base/ip.hpp"

namespace culvert::control {
namespace {

constexpr std::size_t longest = 2048, longest_host = 253;

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= longest_host && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

// Takes the host off the front of `rest`; what is left is ":PORT" or nothing.
std::optional<std::string> take_host(std::string_view& rest) {
  if (!rest.starts_with('[')) {
    const std::string_view host = rest.substr(0, rest.find(':'));
    rest.remove_prefix(host.size());
    if (!is_host_name(host)) return {};
    return std::string(host);
  }
  const auto end = rest.find(']');
  if (end == std::string_view::npos) return {};
  const std::string_view host = rest.substr(1, end - 1);
  rest.remove_prefix(end + 1);
  const auto address = base::IpAddress::parse(host);
  if (!address || !address->is_v6()) return {};
  return std::string(host);
}

std::optional<std::uint16_t> parse_port(std::string_view text, std::uint16_t usual) {
  if (text.empty()) return usual;
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), port);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (text.front() != ':' || !whole || port == 0) return {};
  return port;
}

// RFC 3986 section 5.2.4.
std::string without_dots(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  std::string out;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string_view segment = path.substr(at, end - at);  // with the slash before it
    at = end;
    const bool last = at == path.size();
    if (segment == "/..") out.resize(out.rfind('/') == out.npos ? 0 : out.rfind('/'));
    if (segment != "/." && segment != "/..")
      out += segment;
    else if (last)
      out += '/';
  }
  return out + std::string(target.substr(path.size()));
}

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

std::optional<Url> Url::parse(std::string_view text) {
  const auto printable = [](char c) { return c > 0x20 && c < 0x7f; };
  if (text.size() > longest || !std::ranges::all_of(text, printable)) return {};
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) return {};
  text.remove_prefix(url.tls ? 8 : 7);
  text = text.substr(0, text.find('#'));
  std::string_view authority = text.substr(0, text.find_first_of("/?"));
  text.remove_prefix(authority.size());
  const auto host = take_host(authority);
  const auto port = parse_port(authority, url.tls ? 443 : 80);
  if (!host || !port) return {};
  url.host = *host;
  url.port = *port;
  url.target = text.starts_with('/') ? std::string(text) : "/" + std::string(text);
  return url;
}

std::optional<Url> Url::resolve(std::string_view reference) const {
  reference = reference.substr(0, reference.find('#'));
  const auto before = reference.substr(0, reference.find_first_of("/?"));
  if (before.find(':') != before.npos) return parse(reference);
  const std::string scheme = tls ? "https:" : "http:";
  if (reference.starts_with("//")) return parse(scheme + std::string(reference));
  const std::string path = target.substr(0, target.find('?'));
  std::string merged;
  if (reference.empty())
    merged = target;
  else if (reference.starts_with('/'))
    merged = reference;
  else if (reference.starts_with('?'))
    merged = path + std::string(reference);
  else
    merged = path.substr(0, path.rfind('/') + 1) + std::string(reference);
  return parse(scheme + "//" + authority() + without_dots(merged));
}

std::string Url::authority() const {
  const bool usual = port == (tls ? 443 : 80);
  return usual ? bracketed(host) : bracketed(host) + ":" + std::to_string(port);
}

std::string Url::shown() const {
  const std::string path = target.substr(0, target.find('?'));
  return (tls ? "https://" : "http://") + authority() + path;
}

}  // namespace culvert::control

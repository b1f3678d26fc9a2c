// The text form of egress rules, and whether a rule holds a target.
#include <charconv>

#include "proxy/egress_policy.hpp"

namespace culvert::proxy {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return port;
}

bool parse_ports(std::string_view text, EgressRule& rule) {
  const auto dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return false;
  rule.first_port = *first;
  rule.last_port = *last;
  return true;
}

std::optional<base::Protocol> parse_protocol(std::string_view text) {
  if (text == "tcp") return base::Protocol::tcp;
  if (text == "udp") return base::Protocol::udp;
  if (text == "icmp") return base::Protocol::icmp;
  return {};
}

// Splits "[fd00::]/8:80" into "fd00::/8" and "80"; false if the brackets do not match.
bool split_brackets(std::string_view text, std::string& prefix, std::string_view& ports) {
  const auto close = text.find(']');
  if (close == text.npos) return false;
  prefix = text.substr(1, close - 1);
  std::string_view rest = text.substr(close + 1);
  const auto colon = rest.find(':');
  const std::string_view length = rest.substr(0, colon);
  if (!length.empty() && length.front() != '/') return false;
  prefix += length;
  if (colon != rest.npos) {
    ports = rest.substr(colon + 1);
    if (ports.empty()) return false;
  }
  return prefix.find(':') != prefix.npos;
}

}  // namespace

std::optional<EgressRule> EgressRule::parse(std::string_view text) {
  EgressRule rule;
  if (const auto slash = text.rfind('/'); slash != text.npos) {
    rule.protocol = parse_protocol(text.substr(slash + 1));
    if (rule.protocol) text = text.substr(0, slash);
  }
  std::string prefix(text);
  std::string_view ports;
  if (text.starts_with('[')) {
    if (!split_brackets(text, prefix, ports)) return {};
  } else if (const auto colon = text.find(':');
             colon != text.npos && text.find(':', colon + 1) == text.npos) {
    prefix = text.substr(0, colon);
    ports = text.substr(colon + 1);
    if (ports.empty()) return {};
  }
  const auto parsed = base::Prefix::parse(prefix);
  if (!parsed) return {};
  rule.prefix = *parsed;
  if (!ports.empty() && (rule.protocol == base::Protocol::icmp || !parse_ports(ports, rule)))
    return {};
  return rule;
}

std::string EgressRule::to_string() const {
  std::string text = prefix.to_string();
  if (first_port != 0 || last_port != 65535) {
    if (prefix.address().is_v6()) {
      const auto slash = text.find('/');
      text = "[" + text.substr(0, slash) + "]" +
             (slash == text.npos ? std::string() : text.substr(slash));
    }
    text += ":" + std::to_string(first_port);
    if (last_port != first_port) text += "-" + std::to_string(last_port);
  }
  if (protocol == base::Protocol::tcp) text += "/tcp";
  if (protocol == base::Protocol::udp) text += "/udp";
  if (protocol == base::Protocol::icmp || protocol == base::Protocol::icmp6) text += "/icmp";
  return text;
}

bool EgressRule::matches(const base::Endpoint& target, base::Protocol asked) const noexcept {
  const bool is_icmp = asked == base::Protocol::icmp || asked == base::Protocol::icmp6;
  if (protocol) {
    const bool wants_icmp = protocol == base::Protocol::icmp || protocol == base::Protocol::icmp6;
    if (wants_icmp ? !is_icmp : *protocol != asked) return false;
  }
  // Ports mean nothing to ICMP: a rule that states some is not about it.
  const bool all_ports = first_port == 0 && last_port == 65535;
  if (is_icmp ? !all_ports : target.port < first_port || target.port > last_port) return false;
  return prefix.contains(target.address);
}

}  // namespace culvert::proxy

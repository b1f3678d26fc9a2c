#include "proxy/egress_policy.hpp"

#include <unistd.h>

#include <algorithm>

namespace culvert::proxy {
namespace {

using base::IpAddress;
using base::Prefix;

struct Range {
  Prefix prefix;
  std::string_view why;
  bool open_by_any_rule = false;  // private ranges; the rest must be named
};

Range range(std::string_view prefix, std::string_view why, bool open_by_any_rule = false) {
  return {*Prefix::parse(prefix), why, open_by_any_rule};
}

// Single hosts first: they lie inside wider ranges that are easier to open.
const std::vector<Range>& ranges4() {
  static const std::vector<Range> list = {
      range("168.63.129.16/32", "cloud metadata"),
      range("192.0.0.192/32", "cloud metadata"),
      range("100.100.100.200/32", "cloud metadata"),
      range("255.255.255.255/32", "broadcast"),
      range("0.0.0.0/8", "unspecified"),
      range("127.0.0.0/8", "loopback"),
      range("169.254.0.0/16", "link-local"),
      range("224.0.0.0/4", "multicast"),
      range("240.0.0.0/4", "reserved"),
      range("10.0.0.0/8", "private", true),
      range("172.16.0.0/12", "private", true),
      range("192.168.0.0/16", "private", true),
      range("100.64.0.0/10", "shared address space", true),
  };
  return list;
}

const std::vector<Range>& ranges6() {
  static const std::vector<Range> list = {
      range("fd00:ec2::254/128", "cloud metadata"),
      range("fd20:ce::254/128", "cloud metadata"),
      range("::/128", "unspecified"),
      range("::1/128", "loopback"),
      range("fe80::/10", "link-local"),
      range("ff00::/8", "multicast"),
      range("fc00::/7", "private", true),
      range("fec0::/10", "private", true),
  };
  return list;
}

const Range* builtin_range(const IpAddress& address) noexcept {
  const auto& list = address.is_v4() ? ranges4() : ranges6();
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const Range& r) { return r.prefix.contains(address); });
  return found == list.end() ? nullptr : &*found;
}

std::uint8_t octet(const IpAddress& address, std::size_t i) noexcept {
  return std::to_integer<std::uint8_t>(address.bytes()[i]);
}

IpAddress at_bytes(const IpAddress& a, std::size_t i, std::size_t j, std::size_t k, std::size_t l,
                   std::uint8_t flip = 0) noexcept {
  const auto part = [&](std::size_t n) { return std::uint32_t(octet(a, n) ^ flip); };
  return IpAddress::v4(part(i) << 24 | part(j) << 16 | part(k) << 8 | part(l));
}

bool starts_with(const IpAddress& a, std::initializer_list<std::uint8_t> head) noexcept {
  std::size_t i = 0;
  for (const std::uint8_t want : head)
    if (octet(a, i++) != want) return false;
  return true;
}

bool is_here_by_name(const Prefix& rule) noexcept {
  static const Prefix loopback4 = *Prefix::parse("127.0.0.0/8");
  static const Prefix loopback6 = *Prefix::parse("::1/128");
  return rule.length() == rule.address().bits() || loopback4.contains(rule) ||
         loopback6.contains(rule);
}

}  // namespace

EmbeddedIpv4 all_embedded_ipv4(const IpAddress& a) noexcept {
  EmbeddedIpv4 found;
  if (!a.is_v6()) return found;
  const auto add = [&](IpAddress v4) { found.addresses[found.count++] = v4; };
  const IpAddress last = at_bytes(a, 12, 13, 14, 15);

  if (starts_with(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) {
    const bool mapped = octet(a, 10) == 0xff && octet(a, 11) == 0xff;
    // :: and ::1 are addresses of their own (RFC 4291 section 2.5.5.1).
    const bool compatible = octet(a, 10) == 0 && octet(a, 11) == 0 && last.v4_word() > 1;
    if (mapped || compatible) add(last);
  } else if (starts_with(a, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) {
    add(last);
  } else if (starts_with(a, {0, 0x64, 0xff, 0x9b, 0, 1})) {
    // A site picks the length: /96, /48, /56 or /64 (RFC 6052 section 2.2; octet 8 is skipped).
    add(last);
    add(at_bytes(a, 6, 7, 9, 10));
    add(at_bytes(a, 7, 9, 10, 11));
    add(at_bytes(a, 9, 10, 11, 12));
  } else if (starts_with(a, {0x20, 0x02})) {
    add(at_bytes(a, 2, 3, 4, 5));
  } else if (starts_with(a, {0x20, 0x01, 0, 0})) {
    add(at_bytes(a, 12, 13, 14, 15, 0xff));  // the client, obfuscated (RFC 4380 section 4)
    add(at_bytes(a, 4, 5, 6, 7));            // the server
  }
  // ISATAP: an interface identifier, under any prefix (RFC 5214 section 6.1).
  if (found.count < found.addresses.size() && (octet(a, 8) & ~0x03) == 0 && octet(a, 9) == 0 &&
      octet(a, 10) == 0x5e && octet(a, 11) == 0xfe)
    add(last);
  return found;
}

std::optional<IpAddress> embedded_ipv4(const IpAddress& address) noexcept {
  const EmbeddedIpv4 all = all_embedded_ipv4(address);
  if (all.count == 0) return {};
  return all.addresses[0];
}

std::string_view builtin_denial(const IpAddress& address) noexcept {
  if (!address) return "unspecified";
  if (const Range* range = builtin_range(address)) return range->why;
  const EmbeddedIpv4 embedded = all_embedded_ipv4(address);
  for (std::size_t i = 0; i < embedded.count; ++i)
    if (const Range* range = builtin_range(embedded.addresses[i])) return range->why;
  return {};
}

EgressPolicy::EgressPolicy(EgressRules global, std::vector<Prefix> own,
                           std::vector<std::uint16_t> listen_ports)
    : global_(std::move(global)), own_(std::move(own)), listen_ports_(std::move(listen_ports)) {}

bool EgressPolicy::is_listen_port(std::uint16_t port) const noexcept {
  return std::find(listen_ports_.begin(), listen_ports_.end(), port) != listen_ports_.end();
}

// The narrowest own prefix: an address of this host may lie inside one of the tunnel's.
const Prefix* EgressPolicy::own_prefix_of(const IpAddress& address) const noexcept {
  const Prefix* best = nullptr;
  for (const Prefix& own : own_)
    if (own.contains(address) && (!best || own.length() > best->length())) best = &own;
  return best;
}

// What the allow rules of one list open.
struct EgressPolicy::Opened {
  bool any = false;      // some rule holds the target
  bool builtin = false;  // ... and may open the built-in range it lies in
  bool own = false;      // ... and lies inside the own prefix
  bool by_name = false;  // ... and names this host
};

EgressPolicy::Opened EgressPolicy::opened_by(const EgressRules* rules, const IpAddress& form,
                                             const base::Endpoint& target,
                                             base::Protocol protocol) const noexcept {
  Opened opened;
  if (!rules) return opened;
  const Range* builtin = builtin_range(form);
  const Prefix* own = own_prefix_of(form);
  for (const EgressRule& rule : rules->allow) {
    if (!rule.matches({form, target.port}, protocol)) continue;
    opened.any = true;
    opened.builtin |=
        builtin && (builtin->open_by_any_rule || builtin->prefix.contains(rule.prefix));
    opened.own |= own && own->contains(rule.prefix);
    opened.by_name |= is_here_by_name(rule.prefix) || (own && own->contains(rule.prefix));
  }
  return opened;
}

Egress EgressPolicy::judge_form(const IpAddress& form, const base::Endpoint& target,
                                base::Protocol protocol, const EgressRules* group) const noexcept {
  const base::Endpoint as{form, target.port};
  const auto denies = [&](const EgressRule& rule) { return rule.matches(as, protocol); };
  if (std::any_of(global_.deny.begin(), global_.deny.end(), denies)) return Egress::denied;
  if (group && std::any_of(group->deny.begin(), group->deny.end(), denies)) return Egress::denied;

  const Opened a = opened_by(&global_, form, target, protocol);
  const Opened b = opened_by(group, form, target, protocol);
  if (builtin_range(form) && !a.builtin && !b.builtin) return Egress::denied;
  if (own_prefix_of(form) && !a.own && !b.own) return Egress::denied;
  return a.by_name || b.by_name ? Egress::allowed_here : Egress::allowed;
}

Egress EgressPolicy::judge(const base::Endpoint& target, base::Protocol protocol,
                           const EgressRules* group) const noexcept {
  if (!target.address) return Egress::denied;
  const bool has_port = protocol == base::Protocol::tcp || protocol == base::Protocol::udp;
  Egress verdict = judge_form(target.address, target, protocol, group);
  const EmbeddedIpv4 embedded = all_embedded_ipv4(target.address);
  for (std::size_t i = 0; i < embedded.count && verdict != Egress::denied; ++i)
    verdict = std::min(verdict, judge_form(embedded.addresses[i], target, protocol, group));
  if (verdict == Egress::allowed_here && has_port && is_listen_port(target.port))
    return Egress::allowed;  // leads_to_this_host() refuses it if it is this host
  return verdict;
}

bool leads_to_this_host(const IpAddress& target) noexcept {
  const int family = target.is_v4() ? AF_INET : AF_INET6;
  const int fd = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;  // the dial fails for the same reason
  sockaddr_storage address;
  socklen_t size = base::Endpoint{target, 9}.to_sockaddr(address);
  bool here = false;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
    sockaddr_storage local{};
    size = sizeof local;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0) {
      const IpAddress own = base::Endpoint::from_sockaddr(local).address;
      const IpAddress meant = embedded_ipv4(target).value_or(target);
      static const IpAddress loopback6 = *IpAddress::parse("::1");
      const bool is_loopback = own.is_v4() ? own.v4_word() >> 24 == 127 : own == loopback6;
      here = is_loopback || own == target || own == meant;
    }
  }
  ::close(fd);
  return here;
}

}  // namespace culvert::proxy

// May this client reach that address? Deny by default for the host itself and for private networks.
//
// The check has two parts (reliability: C2): the address after normalisation (every IPv6 form that
// embeds an IPv4 address is judged as that address as well), and the kernel's own routing decision:
// a connected UDP socket whose local address equals the target, or is loopback, means the target is
// this host, whatever it was called.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.hpp"

namespace culvert::proxy {

enum class Egress : std::uint8_t {
  denied,
  allowed,
  allowed_here,  // a rule names this very address, so it may even be this host
};

// One line of egress.allow or egress.deny: a prefix, optionally ports, optionally a protocol.
//   10.1.0.0/16   10.1.2.3:443   [fd00::]/8:80-90/tcp   0.0.0.0/0:25/tcp
struct EgressRule {
  base::Prefix prefix;
  std::uint16_t first_port = 0, last_port = 65535;
  std::optional<base::Protocol> protocol;  // none = all; icmp means both ICMP versions

  static std::optional<EgressRule> parse(std::string_view text);
  std::string to_string() const;
  bool matches(const base::Endpoint& target, base::Protocol protocol) const noexcept;
};

struct EgressRules {
  std::vector<EgressRule> allow, deny;  // deny wins over allow, allow over the built-in denials
};

// The IPv4 address that an IPv6 address embeds: IPv4-mapped and -compatible (RFC 4291), NAT64
// 64:ff9b::/96 and 64:ff9b:1::/48 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP
// (RFC 5214). None for the rest.
std::optional<base::IpAddress> embedded_ipv4(const base::IpAddress& address) noexcept;

// All of them: a prefix whose layout is a site's own choice, and Teredo, hold more than one.
struct EmbeddedIpv4 {
  std::array<base::IpAddress, 4> addresses;
  std::size_t count = 0;
};
EmbeddedIpv4 all_embedded_ipv4(const base::IpAddress& address) noexcept;

// Why the built-in list refuses an address; empty if it does not. "loopback", "link-local", ...
std::string_view builtin_denial(const base::IpAddress& address) noexcept;

class EgressPolicy {
 public:
  // `own` are addresses of this host and the tunnel's own prefixes, `listen_ports` culvert's own.
  EgressPolicy(EgressRules global, std::vector<base::Prefix> own,
               std::vector<std::uint16_t> listen_ports);

  // Each form of the address is judged by itself and all must pass. Deny rules win over allow
  // rules, allow rules over the built-in list. A private range is opened by any rule that holds the
  // target; every other built-in range, and this host, only by a rule that lies inside that range:
  // 0.0.0.0/0 does not open loopback. Culvert's own ports on this host stay closed. `group` may be
  // null.
  Egress judge(const base::Endpoint& target, base::Protocol protocol,
               const EgressRules* group) const noexcept;
  bool is_listen_port(std::uint16_t port) const noexcept;

  // `group` may be null. False = tell the client "administratively prohibited".
  bool allows(const base::Endpoint& target, base::Protocol protocol,
              const EgressRules* group) const noexcept {
    return judge(target, protocol, group) != Egress::denied;
  }

 private:
  struct Opened;
  Opened opened_by(const EgressRules* rules, const base::IpAddress& form,
                   const base::Endpoint& target, base::Protocol protocol) const noexcept;
  Egress judge_form(const base::IpAddress& form, const base::Endpoint& target,
                    base::Protocol protocol, const EgressRules* group) const noexcept;
  const base::Prefix* own_prefix_of(const base::IpAddress& address) const noexcept;

  EgressRules global_;
  std::vector<base::Prefix> own_;
  std::vector<std::uint16_t> listen_ports_;
};

// The second check, before anything is sent: true if the kernel would deliver to this very host.
// Four system calls; never blocks.
bool leads_to_this_host(const base::IpAddress& target) noexcept;

}  // namespace culvert::proxy

// Orders about DNS: what a worker's resolver is told while it runs. Carried by the lines of
// order.hpp; how they are written is in dns_orders.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "dns/settings.hpp"

namespace culvert::app {

// Policies that peers name by their number (policy_numbers.hpp).
struct SetDnsPolicy {
  std::uint64_t number = 0;
  dns::Policy policy;
};
struct ForgetDnsPolicies {
  std::vector<std::uint64_t> numbers;
};

struct SetDns {
  dns::Settings settings;
};

// Names of all workers' peers. First what goes, then what comes or has other addresses.
struct SetDnsNames {
  struct Name {
    std::string name;
    std::vector<base::IpAddress> addresses;
    friend bool operator==(const Name&, const Name&) = default;
  };
  std::vector<std::string> removed;
  std::vector<Name> added;
};

// A rule table lies in the worker's socket for tables (table_socket.hpp) and is in force from now
// on; or none is.
struct UseRules {
  bool any = true;
};

struct FlushDnsCache {};

// Who is trusted as the certificate of an upstream says who it is: all of them, in PEM.
struct SetTrust {
  std::string authorities;
};

}  // namespace culvert::app

// WorkerDns: the DNS of one worker. It builds the resolver, joins it to the proxy, whose door its
// questions come in by, and carries out what the supervisor orders about it.
#pragma once

#include <optional>
#include <string>

#include "app/event_loop.hpp"
#include "app/order.hpp"
#include "app/runtime.hpp"
#include "dns/resolver.hpp"
#include "proxy/proxy.hpp"

namespace culvert::app {

class WorkerDns {
 public:
  struct Parts {
    unsigned index;
    Runtime& runtime;  // its table and its trust store were opened before the worker was forked
    EventLoop& loop;
    base::Random& random;
    proxy::Proxy& proxy;
    base::FileDescriptor tables;  // where rule tables arrive
  };
  explicit WorkerDns(Parts parts);  // throws std::runtime_error

  dns::Resolver& resolver() noexcept { return *resolver_; }
  // What the resolver holds of a peer: made before its proxy::Client and gone after it.
  dns::Client& add(std::uint32_t slot, std::string name, const ClientPolicy& policy,
                   std::vector<base::Prefix> addresses, base::PeerCounters& counters,
                   base::Time now);
  void change(dns::Client& client, const std::string* name, const ClientPolicy* policy,
              const std::vector<base::Prefix>* addresses);

  // Why it could not be carried out; empty if it was. None: it is no order about DNS.
  std::optional<std::string> carry_out(Order::What& order);

 private:
  std::string take_table();
  std::string take_trust(const std::string& authorities);
  std::shared_ptr<const dns::Policy> policy_of(const ClientPolicy& policy) const;
  void set_names(const SetDnsNames& order);

  Parts parts_;
  std::shared_ptr<const dns::Policy> default_policy_ = std::make_shared<dns::Policy>();
  std::optional<dns::Resolver> resolver_;
};

// The addresses that a peer's name stands for: those it has wholly.
std::vector<base::IpAddress> addresses_of(const std::vector<base::Prefix>& allowed_ips);

}  // namespace culvert::app

// Bootstrap: finds the addresses of upstreams that are given by name. It asks the bootstrap
// resolvers only, which are given by address, so nothing here can need what it is to find. An
// address is good for its TTL; the old one serves until there is a new one.
#pragma once

#include <functional>
#include <memory>

#include "dns/upstream_server.hpp"

namespace culvert::dns {

class Bootstrap {
 public:
  using AskThem = std::function<void(const Name& name, std::uint16_t type, Asking::Done done)>;
  using Ended = std::function<void(Server&)>;

  Bootstrap(AskThem ask, Ended ended, const std::function<base::Time()>& now)
      : ask_(std::move(ask)), ended_(std::move(ended)), now_(now) {}

  // `ended` is called later, whether it has an address then or not.
  void look_up(const std::shared_ptr<Server>& server);

  static constexpr base::Duration least = std::chrono::seconds(30), most = std::chrono::hours(24);

 private:
  struct LookUp;
  void take(LookUp& look_up, const Asking::Reply& reply);

  AskThem ask_;
  Ended ended_;
  const std::function<base::Time()>& now_;
};

// The A and AAAA records of an answer, at most `most`; `ttl` is lowered to the least of theirs.
void read_addresses(base::Bytes message, std::size_t most, std::vector<base::IpAddress>& out,
                    std::uint32_t& ttl);

}  // namespace culvert::dns

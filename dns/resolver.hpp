// Resolver: the interceptor of one worker. A question comes in with who asked; an answer goes out
// by Events::answer, at once or later, addressed to the same asker.
//
//   query -> LocalZone -> Filter -> Cache -> Upstreams -> inspection -> Cache -> answer
//
// The verdict is asked for again on every hit of the cache: another client's policy, or a newer
// table, may say otherwise. Equal questions under way are asked upstream once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.hpp"
#include "base/random.hpp"
#include "dns/client.hpp"
#include "dns/counters.hpp"
#include "dns/query_record.hpp"
#include "dns/rule_table.hpp"
#include "dns/settings.hpp"
#include "dns/upstreams.hpp"

namespace culvert::dns {

// Who asked: an answer is addressed, never pointed to. The resolver passes it back as it is.
struct Asker {
  base::FlowKey key;
  std::uint64_t stream = 0;  // of TCP: which connection; 0 = UDP
};

class Resolver {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    // The message is valid during the call. The client may be gone since it asked; then this is not
    // called.
    virtual void answer(const Asker& asker, base::Bytes message) noexcept = 0;
    // The question gets no answer, because of a rule or because it is none: nobody need wait.
    virtual void no_answer(const Asker&) noexcept {}
  };

  struct Parts {
    boost::asio::io_context& io;
    base::SocketPoller& poller;
    base::Random& random;
    const TrustStore* trust = nullptr;
    DnsCounters& counters;
    QueryRing* records = nullptr;      // null = nowhere
    std::vector<base::IpAddress> own;  // tunnel addresses
    base::IpAddress source4, source6;
    std::size_t mtu = 1420;  // of the tunnel: bounds UDP answers
    unsigned workers = 1;    // shares the cache's bytes and in_flight_total
    std::function<base::Time()> now;
    std::function<base::WallTime()> wall;
    Asking* upstreams = nullptr;  // who is asked; null: Upstreams of its own
  };

  Resolver(Parts parts, Settings settings, Events& events);
  ~Resolver();

  Client& add_client(ClientConfig config, base::PeerCounters& counters, base::Time now);
  void update_client(Client& client, ClientConfig config);
  void remove_client(Client& client) noexcept;  // nothing is answered to it any more

  void set_settings(Settings settings);
  // For TLS to upstreams. What came, or failed, by the old one is forgotten.
  void set_trust(const TrustStore& trust);
  // Until a table has come that knows a list of the first settings, no upstream is asked for
  // clients that have this list: they get SERVFAIL and Extended DNS Error 14. Null: there are no
  // rules.
  void set_table(std::shared_ptr<const RuleTable> table);
  void set_peer_name(const std::string& name, const std::vector<base::IpAddress>& addresses);
  void remove_peer_name(const std::string& name);
  void flush_cache();

  void ask(Client& client, const Asker& asker, base::Bytes query) noexcept;

  // What our answers to this client said of an address, while it may be used (its TTL, at least ten
  // minutes). Kept only for clients whose policy needs it: only_handed_out, or log = full.
  struct HandedOut {
    const Name* name = nullptr;  // valid until the next call; null where the log may not have names
  };
  std::optional<HandedOut> handed_out(const Client& client,
                                      const base::IpAddress& address) const noexcept;

  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;
  void flush() noexcept;  // end of a turn

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::dns

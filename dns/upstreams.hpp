// Upstreams: asks resolvers over UDP, TCP, TLS and HTTPS (RFC 1035, 7766, 7858, 8484) and gives
// back one answer that is known to be to the question: ID, question and server agree (RFC 5452),
// 0x20 included where the server keeps the case.
//
// Of several it takes two by latency (EWMA) and asks the better, then the other after the better's
// 95th percentile (hedging); one that fails rests, with back-off (RFC 9520). Fallbacks are asked
// when all of a set fail. With encrypted_only nothing ever leaves in the clear.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "base/socket_poller.hpp"
#include "base/time.hpp"
#include "dns/counters.hpp"
#include "dns/message.hpp"
#include "dns/settings.hpp"
#include "dns/trust.hpp"

namespace culvert::dns {

// One way to a resolver, as written in the configuration.
struct UpstreamAddress {
  enum class Kind : std::uint8_t { udp, tcp, tls, https };
  Kind kind = Kind::udp;  // udp: TCP too where an answer is truncated
  std::string host;       // an address or a name
  std::uint16_t port = 53;
  std::string path;  // of https
  std::string name;  // what the certificate must be for; "" = host
  std::string pin;   // base64 of the SHA-256 of the SubjectPublicKeyInfo; then no name is checked
  std::vector<base::IpAddress> addresses;  // known without a look-up

  bool encrypted() const noexcept { return kind == Kind::tls || kind == Kind::https; }
  // What was found and what was expected, if it is none.
  static base::Result<UpstreamAddress> parse(std::string_view text);
  std::string to_string() const;  // parse() gives the same back
  friend bool operator==(const UpstreamAddress&, const UpstreamAddress&) = default;
};

// What the resolver asks of; a test has one that answers from memory.
class Asking {
 public:
  virtual ~Asking() = default;

  struct Ask {
    const Name* name = nullptr;
    std::uint16_t type = 0, class_ = 1;
    bool dnssec_ok = false, checking_disabled = false;
    std::uint32_t set = 0;
  };
  struct Reply {
    base::Bytes message;         // valid during the call; empty: none was to be had
    std::uint16_t error = 0;     // EDE then: no_reachable_authority, network_error...
    std::uint8_t upstream = 0;   // who answered
    bool authenticated = false;  // over TLS with the certificate checked: its AD may be told on
    base::Duration took{};
  };
  using Done = std::function<void(const Reply&)>;
  // `done` is called once, later, at the latest after `timeout`: never from inside ask().
  virtual void ask(const Ask& what, Done done) = 0;
  static constexpr base::Duration timeout = std::chrono::seconds(5);

  // Keeps connections and figures of upstreams that stay. Numbers of sets hold until then.
  virtual void set_settings(const Settings& settings) = 0;
  // Of a policy, a route or a rule: a number for ask(), the same for the same list.
  // 0 is the global set.
  virtual std::uint32_t set_of(const std::vector<std::string>& upstream) = 0;

  virtual void tick(base::Time now) noexcept = 0;
  virtual base::Time next_deadline() const noexcept = 0;
  virtual void flush() noexcept = 0;  // end of a turn: what was asked in it leaves
  // Who is trusted from now on: connections that were made before take no more questions.
  virtual void set_trust(const TrustStore&) {}
};

class Upstreams final : public Asking {
 public:
  struct Parts {
    boost::asio::io_context& io;
    base::SocketPoller& poller;
    base::Random& random;
    const TrustStore* trust = nullptr;     // for TLS; null: TLS upstreams fail
    std::span<UpstreamCounters> counters;  // by the place in all()
    base::IpAddress source4, source6;      // egress.source_address; none = the kernel's choice
    std::function<base::Time()> now;
  };

  Upstreams(Parts parts, const Settings& settings);
  ~Upstreams() override;  // what is under way is never answered

  void ask(const Ask& what, Done done) override;
  void set_settings(const Settings& settings) override;
  std::uint32_t set_of(const std::vector<std::string>& upstream) override;
  void tick(base::Time now) noexcept override;
  base::Time next_deadline() const noexcept override;
  void flush() noexcept override;
  void set_trust(const TrustStore& trust) override;

  std::vector<std::string> all() const;  // every upstream, in the order of its counters

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace culvert::dns

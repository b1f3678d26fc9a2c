// The inside of the Resolver; for resolver*.cpp only.
//
//   resolver.cpp          clients, settings, time
//   resolver_ask.cpp      a query from its octets to what is to be done with it
//   resolver_give.cpp     what is known, as the answer to a query: hits, stale, blocks
//   resolver_led.cpp      the same where it is led to another name before
//   resolver_cut.cpp      names below one that does not exist
//   resolver_pending.cpp  questions under way upstream and who waits for them
//   resolver_records.cpp  what is counted, written down and handed out
#pragma once

#include <array>
#include <deque>
#include <map>
#include <unordered_map>
#include <vector>

#include "dns/block_answer.hpp"
#include "dns/cache.hpp"
#include "dns/filter.hpp"
#include "dns/handed_out.hpp"
#include "dns/inspection.hpp"
#include "dns/lead.hpp"
#include "dns/local_zone.hpp"
#include "dns/message_writer.hpp"
#include "dns/resolver.hpp"

namespace culvert::dns {

struct CacheKeyHash {
  std::size_t operator()(const CacheKey& key) const noexcept {
    return NameHash{}(key.name) ^ (std::size_t(key.type) << 32 | std::size_t(key.set) << 2 |
                                   (key.dnssec_ok ? 1u : 0u) | (key.checking_disabled ? 2u : 0u));
  }
};

// A client, and what the resolver remembers of it.
struct ClientState : Client {
  using Client::Client;

  // Stands for the client, its policy, its schedules and pause, and the rules, as they are now: a
  // new number whenever one of them changes, never used again. What was found out for a stamp holds
  // as long as the client has it.
  std::uint64_t stamp = 0;
  std::uint64_t generation = 0, schedules = 0;
  bool paused = false;
  std::uint32_t set = 0;  // its policy's upstreams
  std::unique_ptr<HandedAddresses> handed_out;
};

// How the answer of an upstream (or of the cache) becomes the client's.
enum class Way : std::uint8_t {
  direct,  // it is to the question
  led,     // it belongs behind what lead() wrote
};

struct Job {
  Way way = Way::direct;
  Verdict verdict;  // of the question; why, where it is led
  CacheKey key;     // what is looked up
};

// A query while it is worked on.
struct Call {
  ClientState& client;
  const Asker& asker;
  const Query& query;
  base::Time now, asked;
  base::WallTime wall;

  bool tcp() const noexcept { return asker.key.protocol == base::Protocol::tcp; }
  const Name& name() const noexcept { return query.question.name; }
  std::uint16_t type() const noexcept { return query.question.type; }
};

// A query that waits: what is needed to answer it, without the message it came in.
class StoredQuery {
 public:
  explicit StoredQuery(const Query& query) noexcept;
  const Query& get() noexcept;  // its views point into *this

 private:
  Query query_;
  std::array<std::byte, Name::max_size> name_;
};

struct Waiter {
  ClientState* client;
  Asker asker;
  StoredQuery query;
  Job job;
  std::uint64_t stamp;  // of the client, when it asked
  base::Time asked;
};

// A question under way. Without waiters it is asked to have the cache up to date.
struct Pending {
  std::uint64_t id = 0;
  CacheKey key;
  bool late = false;      // so long under way that a stale answer is better
  bool prefetch = false;  // began without a client
  std::uint64_t era = 0;  // of the upstreams that were asked
  std::vector<Waiter> waiters;
};

// What the record of a question says besides the question.
struct Outcome {
  QueryRecord::How how = QueryRecord::How::forwarded;
  Verdict verdict;
  std::uint8_t upstream = 0;
};

struct Resolver::Impl {
  Impl(Parts parts, Settings settings, Events& events);
  ~Impl();

  // resolver.cpp
  ClientState& add(ClientConfig config, base::PeerCounters& counters, base::Time now);
  void update(ClientState& client, ClientConfig config);
  void remove(ClientState& client) noexcept;
  void configure(Settings settings);
  void apply_limits(ClientState& client, base::Time now);
  void apply_policy(ClientState& client);
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;
  std::uint32_t set_number(const std::vector<std::string>& upstream);
  std::uint32_t set_at(std::uint32_t number) const noexcept;  // for Asking::ask()
  void renew_sets();
  void compile_routes();
  void flush() noexcept;

  // resolver_ask.cpp
  void ask(ClientState& client, const Asker& asker, base::Bytes message) noexcept;
  void serve(const Call& call);
  bool serve_odd(const Call& call);
  bool waits_for_rules(const Call& call, const Verdict& verdict) const noexcept;
  void serve_not_ready(const Call& call);
  void serve_any(const Call& call);
  void serve_local(const Call& call, LocalZone::Kind kind);
  void look_up(const Call& call, const Job& job);
  CacheKey key_of(const Call& call, const Name& name, const Verdict& verdict);
  std::uint32_t set_of(const Call& call, const Name& name, const Verdict& verdict);
  const std::uint32_t* route_of(const Name& name) const noexcept;  // null = none, or "."
  void note_route(const Name& name, Verdict& verdict) const noexcept;
  void touch(ClientState& client, base::WallTime wall) noexcept;

  // resolver_give.cpp
  void give_hit(const Call& call, const Job& job, CacheEntry& entry);
  void give_stale(const Call& call, const Job& job, CacheEntry& entry);
  void give(const Call& call, const Job& job, const AnswerImage& image, CacheEntry* entry,
            ImageUse use, Outcome outcome);
  bool passes_inspection(const Call& call, const Job& job, const AnswerImage& image,
                         CacheEntry* entry);
  static bool has_passed(const Call& call, const CacheEntry* entry) noexcept;
  void give_block(const Call& call, const Verdict& verdict);
  void give_error(const Call& call, std::uint16_t rcode, std::uint16_t error, std::string_view text,
                  const Outcome& outcome);
  bool usable_stale(const CacheEntry& entry, base::Time now) const noexcept;
  std::size_t room_of(const Call& call) const noexcept;
  base::MutableBytes out() noexcept { return {out_.get(), out_size}; }

  // resolver_led.cpp
  Lead lead_of(const Call& call, AnswerWriter& writer);
  void serve_led(const Call& call);
  void give_behind(const Call& call, const Job& job, const AnswerImage& image,
                   const CacheEntry* entry, ImageUse use, Outcome outcome);
  void give_refused(const Call& call, const Verdict& verdict);

  // resolver_cut.cpp
  void note_denial(const CacheKey& key, const AnswerImage& image, base::Time now);
  CacheEntry* find_denial(const CacheKey& key, base::Time now) noexcept;  // that holds for the name
  void give_denial(const Call& call, const Job& job, const CacheEntry& entry);

  // resolver_pending.cpp
  Pending* pending_of(const CacheKey& key) noexcept;
  void wait_for(const Call& call, const Job& job, Pending* pending);
  void prefetch(const CacheKey& key, base::Time now);
  Pending& start(const CacheKey& key, base::Time now);
  std::unique_ptr<Pending> take(std::uint64_t id) noexcept;
  void on_reply(std::uint64_t id, const Asking::Reply& reply) noexcept;
  base::Bytes in_lower_case(base::Bytes message, const Name& name) noexcept;
  void on_late(std::uint64_t id, base::Time now) noexcept;
  void fail(Pending& pending, std::uint16_t rcode, std::uint16_t error, base::Time now);
  void give_all(Pending& pending, const AnswerImage& image, CacheEntry* entry, ImageUse use,
                const Outcome& outcome, base::Time now);
  void leave(const Waiter& waiter) noexcept;

  // resolver_records.cpp
  void send(const Call& call, base::Bytes message, const Outcome& outcome);
  void count_verdict(const Call& call, const Verdict& verdict) noexcept;
  base::IpAddress note_addresses(const Call& call, base::Bytes message);
  void record(const Call& call, const Outcome& outcome, std::uint16_t rcode,
              const base::IpAddress& address) noexcept;
  void show_cache() noexcept;

  static constexpr std::size_t out_size = max_message + 512;  // an image and OPT behind it
  static constexpr std::size_t most_prefetches = 64;          // under way

  Parts parts_;
  Settings settings_;
  Events& events_;
  Filter filter_;
  LocalZone zone_;
  std::shared_ptr<const RuleTable> table_;
  std::vector<std::string> awaited_;  // lists it began with, whose rules have not come
  Cache cache_;
  std::unique_ptr<Asking> own_upstreams_;
  Asking& upstreams_;

  std::unordered_map<const Client*, std::unique_ptr<ClientState>> clients_;
  std::uint64_t next_stamp_ = 0;
  // Upstreams by a number of ours, which stays while theirs change: it is part of the cache's keys.
  // What no client, route or rule names any more is let go at the end of the turn; its number is
  // never another's.
  std::map<std::vector<std::string>, std::uint32_t> set_numbers_;
  std::unordered_map<std::uint32_t, std::uint32_t> sets_;  // by our number
  std::uint32_t last_set_ = 0;
  bool sets_left_ = false;  // somebody has stopped to name one
  std::uint64_t era_ = 0;   // one more whenever what is known of upstreams is forgotten
  std::unordered_map<Name, std::uint32_t, NameHash> routes_;
  std::optional<std::uint32_t>
      route_of_rest_;  // of ".": whom to ask, but it knows no private names
  std::unordered_map<const Rule*, std::uint32_t> forwards_;

  std::unordered_map<CacheKey, std::unique_ptr<Pending>, CacheKeyHash> pending_;
  std::unordered_map<std::uint64_t, Pending*> pending_by_id_;
  struct Due {
    base::Time at;
    std::uint64_t id;
  };
  std::deque<Due> late_, timeouts_;  // in order
  std::uint64_t next_id_ = 0;
  std::size_t waiting_ = 0, prefetching_ = 0;

  std::unique_ptr<std::byte[]> out_, clean_bytes_, copy_;
  CleanAnswer clean_;
  TtlClamps clamps_;
  mutable Name handed_name_;
};

}  // namespace culvert::dns

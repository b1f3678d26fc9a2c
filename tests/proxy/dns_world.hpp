// A World whose port 53 is a real resolver's, which asks a server that the test plays.
#pragma once

#include <map>
#include <optional>

#include "tests/proxy/recorded_world.hpp"

namespace culvert::test {

// Keeps what is asked until the test answers.
class HeldUpstream final : public dns::Asking {
 public:
  void ask(const Ask& what, Done done) override {
    asked.emplace(what.name->to_string(), Held{*what.name, what.type, std::move(done)});
  }
  void set_settings(const dns::Settings&) override {}
  std::uint32_t set_of(const std::vector<std::string>&) override { return 0; }
  void tick(base::Time) noexcept override {}
  base::Time next_deadline() const noexcept override { return base::never; }
  void flush() noexcept override {}

  // An A record of 192.0.2.`last`, or as many as are to make a large answer.
  void answer(const std::string& name, int last, int records = 1) {
    const auto found = asked.find(name);
    if (found == asked.end()) return;
    const Held held = std::move(found->second);
    asked.erase(found);
    const ByteVector wire = message(held.name, held.type, last, records);
    Reply reply;
    reply.message = wire;
    held.done(reply);
  }

  struct Held {
    dns::Name name;
    std::uint16_t type;
    Done done;
  };
  std::multimap<std::string, Held> asked;

 private:
  static ByteVector message(const dns::Name& name, std::uint16_t type, int last, int records) {
    ByteVector out(12);
    out[2] = std::byte{0x81}, out[3] = std::byte{0x80}, out[5] = std::byte{1};
    base::store_be16(&out[6], std::uint16_t(records));
    const auto put16 = [&](unsigned value) {
      out.push_back(std::byte(value >> 8 & 0xff)), out.push_back(std::byte(value & 0xff));
    };
    out.insert(out.end(), name.wire().begin(), name.wire().end());
    put16(type), put16(1);
    for (int i = 0; i < records; ++i) {
      put16(0xc00c), put16(type), put16(1), put16(0), put16(300), put16(4);
      put16(0xc000), put16(unsigned(0x200 + last + i * 256) & 0xffff);
    }
    return out;
  }
};

inline ByteVector dns_query(std::string_view name, std::uint16_t id = 0xabcd,
                            std::uint16_t type = dns::type::a) {
  ByteVector query(12);
  base::store_be16(&query[0], id);
  query[2] = std::byte{1}, query[5] = std::byte{1};
  const dns::Name parsed = dns::Name::parse(name).value();
  const base::Bytes wire = parsed.wire();
  query.insert(query.end(), wire.begin(), wire.end());
  for (const unsigned b : {0u, unsigned(type), 0u, 1u}) query.push_back(std::byte(b));
  return query;
}
inline ByteVector framed(base::Bytes message) {
  ByteVector out(2 + message.size());  // GCC 12 sees a false overflow where it grows
  base::store_be16(out.data(), std::uint16_t(message.size()));
  std::ranges::copy(message, out.begin() + 2);
  return out;
}

class DnsWorld {
 public:
  explicit DnsWorld(dns::Settings s = {}, dns::Policy policy = {})
      : settings(std::move(s)), resolver(parts(), settings, world.proxy.dns_answers()) {
    world.proxy.serve_dns(resolver, counters, settings);
    dns::ClientConfig config;
    config.addresses = world.client->config.addresses;
    config.policy = std::make_shared<const dns::Policy>(std::move(policy));
    asker = &resolver.add_client(std::move(config), world.peer, world.now);
    auto client = world.client->config;
    client.dns = asker;
    world.proxy.update_client(*world.client, std::move(client));
  }
  ~DnsWorld() { world.proxy.remove_client(*world.client); }

  // A question by UDP; its answer if there is one at once.
  std::optional<Sent> ask(const char* server, std::string_view name, std::uint16_t id = 0xabcd,
                          const char* from = "10.8.0.2") {
    const base::FlowKey key{{ip(from), 5353}, {ip(server), 53}, base::Protocol::udp};
    world.inject(build_udp({.key = key}, dns_query(name, id)));
    world.turn();
    return next_udp();
  }
  std::optional<Sent> next_udp() {
    return world.find([](const Sent& sent) { return bool(sent.udp); });
  }

  dns::Settings settings;
  dns::DnsCounters counters;
  RecordedWorld recorded;
  World& world = recorded.world;
  HeldUpstream upstream;
  dns::Client* asker = nullptr;

 private:
  dns::Resolver::Parts parts() {
    return {.io = world.io,
            .poller = world.proxy.poller(),
            .random = world.random,
            .counters = counters,
            .own = {ip("10.8.0.1"), ip("fd08::1")},
            .source4 = {},
            .source6 = {},
            .now = [this] { return world.now; },
            .wall = [] { return base::WallTime(std::chrono::seconds(1'700'000'000)); },
            .upstreams = &upstream};
  }

 public:
  dns::Resolver resolver;
};

}  // namespace culvert::test

// What an answer costs inside the resolver: from the octets of a query to those of the answer, the
// tunnel and its sockets not.
//
//   bench_dns_resolver [RULES] [QUERIES] [REPEATS]
//
// A table of RULES names (1,000,000) that the client's policy uses; 20,000 names are in the cache.
// Nanoseconds of CPU per query, the least of REPEATS: the machine can only make it more. "filter"
// is the verdict alone, for names that no rule reaches, as every cached answer pays it.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/random.hpp"
#include "dns/filter.hpp"
#include "dns/message_writer.hpp"
#include "dns/resolver.hpp"
#include "dns/rule_compiler.hpp"

using namespace culvert;

namespace {

constexpr std::size_t names = 20'000;

base::Duration cpu_time() {
  timespec ts{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

base::WallTime wall_time() {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

using Message = std::vector<std::byte>;

Message query_for(const std::string& name, std::uint16_t type, bool with_opt = true) {
  Message out(512);
  const dns::Name parsed = dns::Name::parse(name).value();
  out.resize(dns::write_query(out, 7, parsed.wire(), type, dns::class_::in, false, false, 0));
  if (!with_opt) {
    out.resize(dns::header_size + parsed.size() + 4);
    out[11] = std::byte{0};
  }
  return out;
}

// Answers every question at once, at the end of the turn: a CNAME for names that begin with 'c'.
class Echo final : public dns::Asking {
 public:
  void ask(const Ask& what, Done done) override {
    name_ = *what.name;
    type_ = what.type;
    done_ = std::move(done);
  }
  void answer() { reply(message()); }
  void reply(base::Bytes message) {
    Reply said;
    said.message = message;
    done_(said);
  }
  Message message() const {
    const Message asked = query_for(name_.to_string(), type_);
    dns::Query query;
    dns::read_query(asked, query);
    Message buffer(dns::max_message);
    dns::AnswerWriter writer(buffer, buffer.size(), query);
    dns::Name owner = name_;
    if (char(name_.wire()[1]) == 'c') {
      owner = dns::Name::parse("edge.cdn.example.net").value();
      writer.add(dns::Record::Section::answer, name_, dns::type::cname, 86400, owner.wire());
    }
    for (std::uint32_t i = 1; i <= 2; ++i)
      writer.add_address(owner, base::IpAddress::v4(0x5db8d800 + i), 86400);
    const base::Bytes done = writer.finish();
    return {done.begin(), done.end()};
  }
  void set_settings(const dns::Settings&) override {}
  std::uint32_t set_of(const std::vector<std::string>&) override { return 0; }
  void tick(base::Time) noexcept override {}
  base::Time next_deadline() const noexcept override { return base::never; }
  void flush() noexcept override {}

 private:
  dns::Name name_;
  std::uint16_t type_ = 0;
  Done done_;
};

class Answers final : public dns::Resolver::Events {
 public:
  void answer(const dns::Asker&, base::Bytes message) noexcept override {
    ++count;
    bytes += message.size();
  }
  std::size_t count = 0, bytes = 0;
};

std::shared_ptr<const dns::RuleTable> table_of(std::size_t rules, base::Random& random) {
  char path[] = "/tmp/culvert-bench-XXXXXX";
  base::FileDescriptor list(::mkstemp(path));
  if (!list) give_up("no temporary file");
  std::string text;
  for (std::size_t i = 0; i < rules; ++i)
    text += "host" + std::to_string(i) + ".ads" + std::to_string(i % 50'000) + ".example\n";
  if (::write(list.get(), text.data(), text.size()) != ssize_t(text.size())) give_up("full");
  dns::ListSource source;
  source.settings.name = "bench";
  source.settings.format = dns::ListSettings::Format::domains;
  source.file = path;
  base::FileDescriptor memory(::memfd_create("rules", MFD_CLOEXEC));
  const auto report = dns::compile_rules({source}, memory.get(), random);
  ::unlink(path);
  if (!report) give_up(report.error());
  auto table = dns::RuleTable::map(memory.get());
  if (!table) give_up(table.error());
  std::printf("%llu rules in %.1f MiB\n", static_cast<unsigned long long>((*table)->rules()),
              double((*table)->bytes()) / (1 << 20));
  return *table;
}

struct Bench {
  std::size_t queries, repeats;
  boost::asio::io_context io;
  base::SocketPoller poller{io};
  base::SystemRandom random;
  std::unique_ptr<dns::DnsCounters> counters = std::make_unique<dns::DnsCounters>();
  std::unique_ptr<dns::QueryRing> ring = std::make_unique<dns::QueryRing>();
  base::PeerCounters peer, other_peer;
  Echo upstream;
  Answers answers;
  dns::Settings settings;
  std::unique_ptr<dns::Resolver> resolver;
  dns::Client *filtered = nullptr, *open = nullptr;
  dns::Asker asker;

  Bench(std::size_t queries_each, std::size_t repeat) : queries(queries_each), repeats(repeat) {
    asker.key.protocol = base::Protocol::udp;
    settings.limits.forwarded_per_second = 0;
    settings.cache.bytes = 64 << 20;
    settings.lists.push_back({});
    settings.lists[0].name = "bench";
    settings.lists[0].path = "bench";
    for (std::size_t i = 0; i < 100; ++i)
      settings.records.push_back(
          {"n" + std::to_string(i) + ".home.example", "A", "192.168.0.1", {}});
    dns::Resolver::Parts parts{.io = io,
                               .poller = poller,
                               .random = random,
                               .counters = *counters,
                               .records = ring.get(),
                               .own = {},
                               .source4 = {},
                               .source6 = {},
                               .now = base::BootClock::now,
                               .wall = wall_time,
                               .upstreams = &upstream};
    resolver = std::make_unique<dns::Resolver>(std::move(parts), settings, answers);
    dns::Policy policy;
    open = &add(policy, other_peer);
    policy.lists = {"bench"};
    filtered = &add(policy, peer);
  }

  dns::Client& add(const dns::Policy& policy, base::PeerCounters& counted) {
    dns::ClientConfig config;
    config.name = "bench";
    config.policy = std::make_shared<const dns::Policy>(policy);
    return resolver->add_client(std::move(config), counted, base::BootClock::now());
  }

  void learn(const std::vector<Message>& all) {
    for (const Message& query : all) {
      resolver->ask(*open, asker, query);
      upstream.answer();
    }
  }

  // Nanoseconds of one call of `each`, the least of the repeats.
  double measure(const std::function<void(std::size_t)>& each) const {
    double least = 1e12;
    for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
      const base::Duration begin = cpu_time();
      for (std::size_t i = 0; i < queries; ++i) each(i);
      least = std::min(least, double((cpu_time() - begin).count()) / double(queries));
    }
    return least;
  }

  double ask(const char* what, dns::Client& client, const std::vector<Message>& all) {
    const std::size_t before = answers.count;
    const double took = measure([&](std::size_t i) {
      // A query that was just unsealed is in the processor's cache.
      __builtin_prefetch(all[(i + 4) * 7919 % all.size()].data());
      resolver->ask(client, asker, all[i * 7919 % all.size()]);
    });
    if (answers.count - before != queries * repeats) give_up("a question was not answered");
    std::printf("%-44s %6.0f ns\n", what, took);
    return took;
  }
};

std::vector<Message> queries_for(const std::string& prefix, const std::string& rest,
                                 std::size_t count, bool with_opt = true) {
  std::vector<Message> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back(query_for(prefix + std::to_string(i) + rest, dns::type::a, with_opt));
  return all;
}

// A miss and the upstream's answer, with their way into the cache; the sockets not.
void forwarded(Bench& bench, const std::vector<Message>& all) {
  std::vector<Message> replies;
  bench.resolver->flush_cache();
  for (const Message& query : all) {
    bench.resolver->ask(*bench.filtered, bench.asker, query);
    replies.push_back(bench.upstream.message());
    bench.upstream.reply(replies.back());
  }
  const double took = bench.measure([&](std::size_t i) {
    if (i % all.size() == 0) bench.resolver->flush_cache();
    bench.resolver->ask(*bench.filtered, bench.asker, all[i % all.size()]);
    bench.upstream.reply(replies[i % all.size()]);
  });
  std::printf("%-44s %6.0f ns\n", "forwarded, without the upstream's part", took);
}

void filter_alone(Bench& bench, const std::shared_ptr<const dns::RuleTable>& table) {
  dns::Filter filter(bench.settings);
  filter.set_table(table);
  std::vector<dns::Name> asked;
  for (std::size_t i = 0; i < names; ++i)
    asked.push_back(dns::Name::parse("www" + std::to_string(i) + ".example.com").value());
  std::size_t passed = 0;
  const base::WallTime wall = wall_time();
  const double took = bench.measure([&](std::size_t i) {
    const dns::Name& name = asked[i * 7919 % asked.size()];
    passed += !filter.of_question(*bench.filtered, name, dns::type::a, wall).is_block();
  });
  if (passed != bench.queries * bench.repeats) give_up("a name was blocked that no rule reaches");
  std::printf("%-44s %6.0f ns\n", "filter: the verdict alone, passed", took);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, std::size_t otherwise) {
    return argc > i ? std::size_t(std::strtoull(argv[i], nullptr, 10)) : otherwise;
  };
  const std::size_t rules = argument(1, 1'000'000);
  Bench bench(argument(2, 500'000), argument(3, 5));
  const auto table = table_of(rules, bench.random);
  bench.resolver->set_table(table);

  const auto addresses = queries_for("www", ".example.com", names);
  const auto chains = queries_for("c", ".example.com", names);
  bench.learn(addresses);
  bench.learn(chains);
  std::printf("%zu entries, %.0f bytes each\n", std::size_t(bench.counters->cache_entries.get()),
              double(bench.counters->cache_bytes.get()) /
                  double(std::max<std::uint64_t>(bench.counters->cache_entries.get(), 1)));
  bench.ask("cached, two addresses, filtered client", *bench.filtered, addresses);
  bench.ask("cached, two addresses, client without lists", *bench.open, addresses);
  bench.ask("cached, without OPT", *bench.filtered,
            queries_for("www", ".example.com", names, false));
  bench.ask("cached, CNAME and two addresses", *bench.filtered, chains);
  std::vector<Message> blocked;
  for (std::size_t i = 0; i < names; ++i) {
    const std::size_t rule = i * 7919 % rules;
    blocked.push_back(query_for(
        "host" + std::to_string(rule) + ".ads" + std::to_string(rule % 50'000) + ".example",
        dns::type::a));
  }
  bench.ask("blocked by a list", *bench.filtered, blocked);
  bench.ask("local record", *bench.filtered, queries_for("n", ".home.example", 100));
  filter_alone(bench, table);
  forwarded(bench, addresses);
}

// What a verdict costs against a table of many rules:
//
//   bench_dns_verdict [RULES (1000000)]
//
// The names asked are drawn at random beforehand: names of rules and what is below them (blocked),
// and names that no rule reaches, 64 at a time, which lie in the CPU's cache as a name does that was
// just read from a query. Each kind is asked of the table alone, then of the filter with a policy
// that has the list, then with one that has safe search and names of its own besides. The best of
// five rounds counts.
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/filter.hpp"
#include "dns/rule_compiler.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

constexpr std::size_t asked = 1 << 18, batch = 64;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// Labels as lists have them: about 21 octets a name, one to three labels below the suffix.
std::string random_name(std::mt19937_64& random) {
  constexpr const char* suffixes[] = {"com", "net", "org", "info", "co.uk", "de", "ru", "xyz"};
  std::string out;
  for (unsigned labels = 1 + unsigned(random() % 3); labels > 0; --labels) {
    for (std::size_t size = 4 + random() % 9; size > 0; --size) out += char('a' + random() % 26);
    out += '.';
  }
  return out + suffixes[random() % 8];
}

base::FileDescriptor file_of(const std::vector<std::string>& names) {
  base::FileDescriptor file(memfd_create("list", 0));
  std::string text;
  for (const std::string& each : names) text += "||" + each + "^\n";
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = write(file.get(), text.data() + at, text.size() - at);
    if (n <= 0) fail("the list was not written");
    at += std::size_t(n);
  }
  return file;
}

std::shared_ptr<const RuleTable> table_of(const std::vector<std::string>& names) {
  const base::FileDescriptor text = file_of(names), out(memfd_create("table", 0));
  ListSource source;
  source.settings.name = "bench";
  source.settings.format = ListSettings::Format::adblock;
  source.file = "/proc/self/fd/" + std::to_string(text.get());
  base::SystemRandom random;
  const auto report = compile_rules({source}, out.get(), random);
  if (!report) fail(report.error());
  const auto table = RuleTable::map(out.get());
  if (!table) fail(table.error());
  return *table;
}

// Nanoseconds of this thread: others on the machine do not count, but for what they do to caches.
double cpu_now() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e9 + double(now.tv_nsec);
}

template <typename Fn>
void measure(const char* what, const std::vector<Name>& names, Fn fn) {
  double best = 1e9;
  std::size_t blocked = 0;
  std::vector<Name> near(batch);
  for (int round = 0; round < 5; ++round) {
    double spent = 0;
    blocked = 0;
    for (std::size_t i = 0; i + batch <= names.size(); i += batch) {
      std::copy_n(names.begin() + std::ptrdiff_t(i), batch, near.begin());
      const double start = cpu_now();
      for (const Name& name : near) blocked += fn(name);
      spent += cpu_now() - start;
    }
    best = std::min(best, spent / double(names.size() / batch * batch));
  }
  std::printf("%-28s %6.1f ns  (%zu of %zu blocked)\n", what, best, blocked, names.size());
}

Client client_of(Policy policy, base::PeerCounters& counters) {
  ClientConfig config;
  config.name = "laptop";
  config.policy = std::make_shared<const Policy>(std::move(policy));
  return Client(config, counters, LimitSettings(), base::Time{});
}

void measure_all(const char* kind, const std::vector<Name>& names, const RuleTable& table,
                 Filter& filter) {
  static base::PeerCounters counters;
  Policy plain, full;
  plain.lists = full.lists = {"bench"};
  full.safe_search = true;
  full.allow = {"school.example", "=www.bank.example"};
  full.block = {"games.example", "video.example"};
  Client one = client_of(plain, counters), other = client_of(full, counters);
  const base::WallTime now{std::chrono::seconds(1)};
  std::printf("%s\n", kind);
  measure("  the table", names, [&](const Name& name) {
    std::array<RuleTable::Match, RuleTable::max_matches> matches;
    return table.find(name, matches) != 0;
  });
  measure("  a list", names,
          [&](const Name& name) { return filter.of_question(one, name, type::a, now).is_block(); });
  measure("  list, names, safe search", names, [&](const Name& name) {
    return filter.of_question(other, name, type::a, now).is_block();
  });
}

}  // namespace

int main(int count, char** arguments) {
  const std::size_t rules = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 1'000'000;
  if (rules == 0) fail("usage: bench_dns_verdict [RULES]");
  std::mt19937_64 random(1);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rules; ++i) names.push_back(random_name(random));
  const std::shared_ptr<const RuleTable> table = table_of(names);
  std::printf("%zu rules, %.1f MiB\n", std::size_t(table->rules()),
              double(table->bytes()) / (1 << 20));
  Settings settings;
  settings.lists.emplace_back().name = "bench";
  Filter filter(settings);
  filter.set_table(table);
  std::vector<Name> hits, misses;
  for (std::size_t i = 0; i < asked; ++i) {
    const std::string& rule = names[random() % names.size()];
    hits.push_back(Name::parse(i % 2 ? rule : "www." + rule).value());
    misses.push_back(Name::parse(random_name(random)).value());
  }
  measure_all("blocked names", hits, *table, filter);
  measure_all("other names", misses, *table, filter);
}

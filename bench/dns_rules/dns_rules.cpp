// What a rule table costs: time and peak memory of its build from the text of a list, octets a
// rule, the time to map it, and CPU ns of a look-up for names that are in it and that are not.
//
//   build/bin/bench_dns_rules [RULES...]        (1000000 2200000 5000000)
//
// The lists are made up: mean 21 octets a name, 45 % below one of many parent domains, shuffled.
// The look-ups are in an order of chance, 64 names at a time, which lie in the CPU's cache as a
// name does that was just read from a query. For comparison: one read of memory at random in as
// many octets as the table has. Ratios to it and to other programs in the same session say more
// than ns.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/rule_compiler.hpp"
#include "dns/rule_table.hpp"

namespace {

using namespace culvert;
using namespace culvert::dns;

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}
double wall() {
  return seconds(CLOCK_MONOTONIC);
}
double cpu() {
  return seconds(CLOCK_THREAD_CPUTIME_ID);
}

class Mix {  // splitmix64: numbers of a seed
 public:
  explicit Mix(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

void add_label(std::string& out, Mix& mix, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    out += "abcdefghijklmnopqrstuvwxyz0123456789"[mix.below(36)];
}

void add_registered(std::string& out, Mix& mix) {
  static constexpr const char* tlds[] = {"com", "com", "com", "com",  "net",   "org", "de",
                                         "ru",  "xyz", "top", "info", "co.uk", "io",  "shop"};
  add_label(out, mix, 6 + mix.below(14));
  out += '.';
  out += tlds[mix.below(std::size(tlds))];
}

// The name with that number, of a list of so many.
std::string name_of(std::uint64_t number, std::uint64_t rules) {
  Mix mix(number);
  std::string out;
  if (mix.below(100) < 45) {
    add_label(out, mix, 2 + mix.below(8));
    out += '.';
    Mix parent(~mix.below(rules / 6));
    add_registered(out, parent);
  } else {
    add_registered(out, mix);
  }
  return out;
}

struct Built {
  double seconds = 0, cpu = 0;
  long peak_kib = 0;
  std::uint64_t rules = 0, bytes = 0;
  char error[200] = "";
};

// In a process of its own, as the supervisor does it: its peak memory is what the build needs.
Built build(const std::string& list, int fd) {
  auto* const shared = static_cast<Built*>(
      ::mmap(nullptr, sizeof(Built), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  new (shared) Built;
  const pid_t child = ::fork();
  if (child == 0) {
    base::SystemRandom random;
    ListSource source;
    source.settings.name = "bench";
    source.settings.format = ListSettings::Format::domains;
    source.settings.subdomains = true;
    source.file = list;
    const double start = wall(), start_cpu = cpu();
    const auto report = compile_rules({source}, fd, random);
    shared->seconds = wall() - start;
    shared->cpu = cpu() - start_cpu;
    if (report) shared->rules = report->rules, shared->bytes = report->bytes;
    if (!report) std::snprintf(shared->error, sizeof(shared->error), "%s", report.error().c_str());
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    shared->peak_kib = usage.ru_maxrss;
    _exit(0);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  const Built built = *shared;
  ::munmap(shared, sizeof(Built));
  return built;
}

constexpr std::size_t batch = 64, lookups = 128 * 1024;

double find_ns(const RuleTable& table, const std::vector<Name>& names, std::size_t& found) {
  std::array<RuleTable::Match, RuleTable::max_matches> out;
  std::vector<Name> near(batch);
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    double spent = 0;
    found = 0;
    for (std::size_t i = 0; i + batch <= names.size(); i += batch) {
      std::copy_n(names.begin() + std::ptrdiff_t(i), batch, near.begin());
      const double start = cpu();
      for (const Name& name : near) found += table.find(name, out) != 0;
      spent += cpu() - start;
    }
    best = std::min(best, 1e9 * spent / double(names.size() / batch * batch));
  }
  return best;
}

double memory_ns(std::size_t bytes) {
  std::vector<std::uint32_t> next(bytes / 4);
  Mix mix(3);
  for (std::size_t i = 0; i < next.size(); ++i) next[i] = std::uint32_t(i);
  for (std::size_t i = next.size() - 1; i > 0; --i) std::swap(next[i], next[mix.below(i)]);
  double best = 1e9;
  std::uint32_t at = 0;
  for (int round = 0; round < 5; ++round) {
    const double start = cpu();
    for (int i = 0; i < 200'000; ++i) at = next[at];
    best = std::min(best, 1e9 * (cpu() - start) / 200'000);
  }
  return at == UINT32_MAX ? 0 : best;
}

std::string write_list(std::uint64_t rules) {
  std::string path = "/tmp/culvert-bench-rules-XXXXXX";
  const base::FileDescriptor file(::mkstemp(path.data()));
  std::string text;
  for (std::uint64_t i = 0; i < rules; ++i) {
    text += name_of(i, rules);
    text += '\n';
    if (text.size() < (1 << 20) && i + 1 < rules) continue;
    if (::write(file.get(), text.data(), text.size()) != ssize_t(text.size())) std::abort();
    text.clear();
  }
  return path;
}

void measure(std::uint64_t rules) {
  const std::string list = write_list(rules);
  const base::FileDescriptor file(::memfd_create("rules", MFD_CLOEXEC));
  const Built built = build(list, file.get());
  ::unlink(list.c_str());
  if (built.rules == 0) {
    std::fprintf(stderr, "no table: %s\n", built.error);
    std::exit(1);
  }
  const double start = wall();
  const auto table = RuleTable::map(file.get());
  const double mapped = wall() - start;
  if (!table) {
    std::fprintf(stderr, "no table: %s\n", table.error().c_str());
    std::exit(1);
  }
  Mix mix(1);
  std::vector<Name> hits, misses;
  for (std::size_t i = 0; i < lookups; ++i) {
    hits.push_back(*Name::parse(name_of(mix.below(rules), rules)));
    misses.push_back(*Name::parse(name_of(rules + mix.below(1u << 30), rules)));
  }
  std::size_t hit = 0, missed = 0;
  const double hit_ns = find_ns(**table, hits, hit), miss_ns = find_ns(**table, misses, missed);
  const double read_ns = memory_ns(built.bytes);
  std::printf(
      "%8lu rules  build %.2f s (CPU %.2f)  peak %.1f MiB  file %.1f MiB  %.1f octets a rule\n",
      (unsigned long)built.rules, built.seconds, built.cpu, double(built.peak_kib) / 1024,
      double(built.bytes) / (1 << 20), double(built.bytes) / double(built.rules));
  std::printf(
      "         map %.1f ms  hit %.0f ns  miss %.0f ns  (found %.1f %%, %.1f %%)  memory %.0f ns"
      "  ratios %.2f %.2f\n",
      1e3 * mapped, hit_ns, miss_ns, 100.0 * double(hit) / double(lookups),
      100.0 * double(missed) / double(lookups), read_ns, hit_ns / read_ns, miss_ns / read_ns);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<std::uint64_t> sizes{1'000'000, 2'200'000, 5'000'000};
  if (count > 1) sizes.clear();
  for (int i = 1; i < count; ++i) sizes.push_back(std::strtoull(arguments[i], nullptr, 10));
  for (const std::uint64_t rules : sizes) measure(std::max<std::uint64_t>(rules, 1000));
}

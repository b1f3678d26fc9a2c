// How fast lists are read: lines a second of CPU time, by format, with made-up names of the lengths
// that public lists have (21 octets on average).
//
//   bench_dns_lists [lines]        2,200,000 unless said
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "dns/list_parser.hpp"

namespace {

using namespace culvert::dns;
using Format = ListSettings::Format;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

std::string make_name(std::uint64_t& state) {
  const auto next = [&state] {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  };
  static constexpr std::string_view tlds[] = {".com", ".net", ".org", ".co.uk",  ".ru",
                                              ".xyz", ".de",  ".io",  ".com.br", ".cn"};
  const auto label = [&](std::uint64_t size) {
    std::string out;
    for (std::uint64_t i = 0; i < size; ++i) out += char('a' + next() % 26);
    return out;
  };
  std::string name = label(8 + next() % 8);
  if (next() % 2 == 0) name = label(3 + next() % 6) + '.' + name;
  return name + std::string(tlds[next() % std::size(tlds)]);
}

std::string make_text(std::size_t lines, std::string_view before, std::string_view behind) {
  std::string text;
  std::uint64_t state = 88172645463325252;
  for (std::size_t i = 0; i < lines; ++i) {
    text += before;
    text += make_name(state);
    text += behind;
    text += '\n';
  }
  return text;
}

void run(const char* label, const ListSettings& list, std::size_t lines, std::string_view before,
         std::string_view behind) {
  const std::string text = make_text(lines, before, behind);
  double best = 1e9;
  std::uint64_t rules = 0, sum = 0;
  for (int round = 0; round < 3; ++round) {
    const double start = cpu_seconds();
    ListParser parser(list, [&sum](const Rule& rule, bool) { sum += rule.domain.size(); });
    for (std::size_t at = 0; at < text.size(); at += 65'536)
      parser.feed(std::string_view(text).substr(at, 65'536));
    rules = parser.finish().rules;
    best = std::min(best, cpu_seconds() - start);
  }
  std::printf("%-28s %9llu rules %7.3f s %6.1f M lines/s %5.0f ns each (%llu)\n", label,
              static_cast<unsigned long long>(rules), best, double(lines) / best / 1e6,
              best / double(lines) * 1e9, static_cast<unsigned long long>(sum));
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t lines = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 2'200'000;
  ListSettings list;
  list.format = Format::domains;
  run("domains", list, lines, "", "");
  list.subdomains = true;
  run("domains, with subdomains", list, lines, "", "");
  list.subdomains = false;
  run("domains, *.", list, lines, "*.", "");
  list.format = Format::hosts;
  run("hosts", list, lines, "0.0.0.0 ", "");
  list.format = Format::adblock;
  run("adblock", list, lines, "||", "^");
  run("adblock, $important", list, lines, "||", "^$important");
  list.force = true;
  run("adblock, forced", list, lines, "||", "^");
  list.force = false;
  list.format = Format::dnsmasq;
  run("dnsmasq", list, lines, "address=/", "/0.0.0.0");
  list.format = Format::rpz;
  run("rpz", list, lines, "", " CNAME .");
}

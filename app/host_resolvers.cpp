#include "app/host_resolvers.hpp"

#include <algorithm>
#include <fstream>

#include "base/ip.hpp"

namespace culvert::app {
namespace {

constexpr std::size_t most_resolvers = 3;  // MAXNS of the C library
constexpr std::size_t largest_file = 64 << 10;
constexpr std::string_view blanks = " \t\r";

// The next word; `line` goes on behind it.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

}  // namespace

std::vector<std::string> parse_resolv_conf(std::string_view text) {
  std::vector<std::string> found;
  while (!text.empty() && found.size() < most_resolvers) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (take_word(line) != "nameserver") continue;
    const auto address = base::IpAddress::parse(take_word(line));
    if (!address || address->is_unspecified()) continue;
    std::string upstream = base::Endpoint{*address, 53}.to_string();
    if (std::ranges::find(found, upstream) == found.end()) found.push_back(std::move(upstream));
  }
  return found;
}

std::vector<std::string> host_resolvers(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(largest_file, '\0');
  file.read(text.data(), std::streamsize(text.size()));
  text.resize(std::size_t(std::max<std::streamsize>(file.gcount(), 0)));
  return parse_resolv_conf(text);
}

}  // namespace culvert::app

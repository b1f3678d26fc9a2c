// hosts(5): "address name name # comment". 0.0.0.0 and the like block the names; another address is
// a rewrite, which a list must be trusted for.
#include <algorithm>
#include <array>

#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

// What hosts files of systems say of themselves.
constexpr std::array<std::string_view, 12> own_names{
    "0.0.0.0",         "broadcasthost", "ip6-allhosts", "ip6-allnodes",
    "ip6-allrouters",  "ip6-localhost", "ip6-localnet", "ip6-loopback",
    "ip6-mcastprefix", "local",         "localhost",    "localhost.localdomain"};
static_assert(std::is_sorted(own_names.begin(), own_names.end()));

bool is_own_name(std::string_view name) noexcept {
  constexpr std::string_view first_letters = "0bil";
  return first_letters.find(name.front()) != std::string_view::npos &&
         std::binary_search(own_names.begin(), own_names.end(), name);
}

// The address of most lines, told without reading it.
bool is_common_null(std::string_view word) noexcept {
  return word == "0.0.0.0" || word == "127.0.0.1" || word == "::" || word == "0";
}

void rewrite(std::string_view name, const base::IpAddress& address, ListSink& sink) {
  Rule rule;
  rule.action = RuleAction::rewrite;
  rule.reach = sink.plain_reach();
  if (!read_domain(name, rule.domain)) return sink.fault(LineFault::bad_name);
  rule.addresses.push_back(address);
  sink.emit(rule);
}

class HostsParser : public LineParser {
 public:
  explicit HostsParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text);
    if (text.empty() || text.front() == '#' || text.front() == '!') return;
    parse_hosts_line(text, sink_);
  }

 private:
  ListSink& sink_;
};

}  // namespace

void parse_hosts_line(std::string_view line, ListSink& sink) {
  line = line.substr(0, line.find('#'));
  std::string_view word = take_word(line);
  std::optional<base::IpAddress> address;
  if (!is_common_null(word)) {
    // An address of one link: "fe80::1%lo0".
    address = read_address(word.substr(0, word.find('%')));
    if (!address) return sink.fault(LineFault::not_understood);
  }
  const bool blocks = !address || is_null_address(*address);
  unsigned names = 0;
  for (word = take_word(line); !word.empty(); word = take_word(line), ++names) {
    if (is_own_name(word)) continue;
    if (blocks) {
      sink.plain(word, sink.plain_reach());
    } else {
      rewrite(word, *address, sink);
    }
  }
  if (names == 0) sink.fault(LineFault::not_understood);
}

std::unique_ptr<LineParser> make_hosts_parser(ListSink& sink) {
  return std::make_unique<HostsParser>(sink);
}

}  // namespace culvert::dns

// dnsmasq.conf(5): address=/d1/d2/ADDRESS, address=/d/, address=/d/#, server=/d/ADDRESS,
// server=/d/#, local=/d/, bogus-nxdomain=ADDRESS or a prefix. A domain stands for all below it,
// "*.d" only for that; "#" as a domain is every name.
#include <array>
#include <vector>

#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

class DnsmasqParser : public LineParser {
 public:
  explicit DnsmasqParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text);
    if (text.empty() || text.front() == '#') return;
    if (text.starts_with("--")) text.remove_prefix(2);
    const std::string_view keyword = trim(take_until(text, '='));
    text = trim(text);
    // A comment follows white space.
    for (std::size_t at = text.find('#'); at != std::string_view::npos; at = text.find('#', at + 1))
      if (at > 0 && is_blank(text[at - 1])) text = trim(text.substr(0, at));
    if (keyword == "bogus-nxdomain") return emit_address(text);
    const std::size_t last = text.rfind('/');
    if (!text.starts_with('/') || last == 0) return sink_.fault(LineFault::not_understood);
    const std::string_view domains = text.substr(1, last - 1), value = text.substr(last + 1);
    Rule rule;
    if (!read_value(keyword, value, rule)) return sink_.fault(LineFault::not_understood);
    emit_each(domains, rule);
  }

 private:
  static bool read_value(std::string_view keyword, std::string_view value, Rule& rule) {
    if (keyword == "address") return read_address_value(value, rule);
    if (keyword != "server" && keyword != "local") return false;
    if (value == "#") {  // the usual servers, where a domain above it says otherwise
      rule.action = RuleAction::allow;
      return true;
    }
    rule.action = RuleAction::nxdomain;
    if (value.empty()) return true;
    rule.action = RuleAction::forward;
    rule.upstream = read_server(value);
    return !rule.upstream.empty();
  }

  static bool read_address_value(std::string_view value, Rule& rule) {
    if (value.empty()) {
      rule.action = RuleAction::nxdomain;
      return true;
    }
    if (value == "#") return true;  // 0.0.0.0 and ::
    const auto address = read_address(value);
    if (!address) return false;
    if (is_null_address(*address)) return true;
    rule.action = RuleAction::rewrite;
    rule.addresses.push_back(*address);
    return true;
  }

  // ADDRESS, ADDRESS#PORT, and "@interface" behind them, which means nothing here.
  static std::string read_server(std::string_view value) {
    std::string_view host = take_until(value, '@');
    const std::string_view text = take_until(host, '#');
    const auto address = read_address(text);
    if (!address) return {};
    if (host.empty()) return address->to_string();
    const auto port = read_number(host, 65535);
    if (!port || *port == 0) return {};
    return base::Endpoint{*address, static_cast<std::uint16_t>(*port)}.to_string();
  }

  // Answers that hold it become NXDOMAIN.
  void emit_address(std::string_view text) {
    const auto prefix = read_prefix(text);
    if (!prefix) return sink_.fault(LineFault::not_understood);
    Rule rule;
    rule.action = RuleAction::nxdomain;
    rule.answer_prefixes.push_back(*prefix);
    sink_.emit(rule);
  }

  void emit_each(std::string_view domains, const Rule& like) {
    do {
      std::string_view domain = take_until(domains, '/');
      Rule rule = like;
      if (domain.starts_with("*.")) {
        rule.reach = Rule::Reach::below;
        domain.remove_prefix(2);
      } else if (domain.starts_with('.')) {
        domain.remove_prefix(1);
      }
      if (domain != "#" && !read_domain(domain, rule.domain)) {
        sink_.fault(LineFault::bad_name);
      } else {
        sink_.emit(rule);
      }
    } while (!domains.empty());
  }

  ListSink& sink_;
};

}  // namespace

std::unique_ptr<LineParser> make_dnsmasq_parser(ListSink& sink) {
  return std::make_unique<DnsmasqParser>(sink);
}

}  // namespace culvert::dns

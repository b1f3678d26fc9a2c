// Response policy zones as zone files (RFC 1035 section 5; draft-vixie-dnsop-dns-rpz): triggers
// qname, rpz-ip and rpz-client-ip; actions NXDOMAIN, NODATA, PASSTHRU, DROP, TCP-Only and local
// data. rpz-nsdname and rpz-nsip are about servers that only a full resolver asks.
#include <array>
#include <string>

#include "dns/list_adblock.hpp"
#include "dns/list_text.hpp"
#include "dns/rpz_owner.hpp"

namespace culvert::dns {
namespace {

// An opened parenthesis that nobody closes must not eat the list.
constexpr std::size_t max_record = 16'384;

// "3600", "1h30m".
bool is_ttl(std::string_view word) noexcept {
  return !word.empty() && word.front() >= '0' && word.front() <= '9' &&
         word.find_first_not_of("0123456789smhdwSMHDW") == std::string_view::npos;
}

// Types that a zone has for itself, or that signing adds.
bool is_housekeeping(const std::string& type) noexcept {
  constexpr std::array<std::string_view, 8> known{"SOA",   "NS",     "RRSIG",      "NSEC",
                                                  "NSEC3", "DNSKEY", "NSEC3PARAM", "ZONEMD"};
  for (const std::string_view each : known)
    if (type == each) return true;
  return false;
}

class RpzParser : public LineParser {
 public:
  explicit RpzParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    if (depth_ == 0 && text.find_first_of("();\"") == std::string_view::npos) return record(text);
    if (depth_ == 0) start(sink_.line());
    add(text);
    if (joined_.size() > max_record) {
      depth_ = 0;
      return sink_.fault(LineFault::too_long);
    }
    if (depth_ == 0) record_from_first_line();
  }

  void finish() override {
    if (depth_ > 0) sink_.fault(LineFault::not_understood);
  }

 private:
  void start(std::uint32_t line) {
    joined_.clear();
    first_line_ = line;
  }

  // Takes comments and parentheses out; they mean nothing between quotes.
  void add(std::string_view text) {
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '"') quoted = !quoted;
      if (c == ';' && !quoted) break;
      if ((c == '(' || c == ')') && !quoted) {
        depth_ = c == '(' ? depth_ + 1 : depth_ - (depth_ > 0 ? 1u : 0u);
        joined_ += ' ';
      } else {
        joined_ += c;
        if (c == '\\' && i + 1 < text.size()) joined_ += text[++i];
      }
    }
    joined_ += ' ';
  }

  void record_from_first_line() {
    const std::uint32_t last = sink_.line();
    sink_.set_line(first_line_);
    record(joined_);
    sink_.set_line(last);
  }

  void record(std::string_view text) {
    const bool same_owner = !text.empty() && is_blank(text.front());
    text = trim(text);
    if (text.empty()) return;
    if (text.front() == '$') return directive(text);
    if (!same_owner) owner_ = take_word(text);
    std::string_view word = take_word(text);
    while (is_ttl(word) || is_class(word)) word = take_word(text);
    const std::string type = upper(word);
    if (type == "SOA") origin_.set_zone(owner_);
    if (is_housekeeping(type)) return;
    policy(type, trim(text));
  }

  static bool is_class(std::string_view word) noexcept {
    return word == "IN" || word == "in" || word == "CH" || word == "HS";
  }

  void directive(std::string_view text) {
    const std::string keyword = upper(take_word(text));
    const std::string_view value = take_word(text);
    if (keyword == "$TTL") return;
    if (keyword != "$ORIGIN" || value.empty()) return sink_.fault(LineFault::not_understood);
    origin_.set_origin(value);
  }

  void policy(const std::string& type, std::string_view data) {
    const auto trigger = origin_.trigger(owner_);
    if (!trigger) return sink_.fault(LineFault::bad_name);
    if (trigger->empty()) return;  // of the zone itself
    Rule rule;
    if (!read_trigger(*trigger, rule)) return;
    if (!read_action(type, data, *trigger, rule)) return sink_.fault(LineFault::not_understood);
    sink_.emit(rule);
  }

  bool read_trigger(std::string_view text, Rule& rule) {
    constexpr std::string_view by_address = ".rpz-ip";
    if (text.ends_with(by_address)) {
      const auto prefix = parse_rpz_address(text.substr(0, text.size() - by_address.size()));
      if (!prefix) return sink_.fault(LineFault::bad_name), false;
      rule.answer_prefixes.push_back(*prefix);
      return true;
    }
    constexpr std::string_view by_client = ".rpz-client-ip";
    if (text.ends_with(by_client)) {
      const auto prefix = parse_rpz_address(text.substr(0, text.size() - by_client.size()));
      if (!prefix) return sink_.fault(LineFault::bad_name), false;
      // Comes before the zone's other triggers.
      rule.important = true;
      rule.clients.push_back(prefix->to_string());
      return true;
    }
    for (const std::string_view other : {".rpz-nsdname", ".rpz-nsip"})
      if (text.ends_with(other)) return sink_.fault(LineFault::name_servers), false;
    rule.reach = Rule::Reach::exact;
    if (text == "*") {
      rule.reach = Rule::Reach::subdomains;
      return true;
    }
    if (text.starts_with("*.")) {
      rule.reach = Rule::Reach::below;
      text.remove_prefix(2);
    }
    if (!read_domain(text, rule.domain)) return sink_.fault(LineFault::bad_name), false;
    return true;
  }

  bool read_action(const std::string& type, std::string_view data, std::string_view trigger,
                   Rule& rule) {
    if (type == "CNAME") return read_cname(take_word(data), trigger, rule);
    if (type != "A" && type != "AAAA") return set_record(type, data, rule);
    const auto address = read_address(take_word(data));
    if (!address || address->is_v4() != (type == "A")) return false;
    if (is_null_address(*address)) return true;
    rule.action = RuleAction::rewrite;
    rule.addresses.push_back(*address);
    return true;
  }

  bool read_cname(std::string_view target, std::string_view trigger, Rule& rule) {
    if (target == ".") return rule.action = RuleAction::nxdomain, true;
    if (target == "*.") return rule.action = RuleAction::nodata, true;
    if (target.starts_with("rpz-")) {
      if (target.ends_with('.')) target.remove_suffix(1);
      if (target == "rpz-passthru") return rule.action = RuleAction::allow, true;
      if (target == "rpz-drop") return rule.action = RuleAction::drop, true;
      if (target == "rpz-tcp-only") return rule.action = RuleAction::tcp_only, true;
      return false;
    }
    const std::string name = origin_.absolute(target);
    // The oldest form of PASSTHRU.
    if (name == trigger) return rule.action = RuleAction::allow, true;
    rule.action = RuleAction::rewrite;
    return read_domain(name, rule.cname);
  }

  ListSink& sink_;
  RpzOrigin origin_;
  std::string owner_;
  std::string joined_;  // a record of several lines, without comments
  std::uint32_t first_line_ = 0;
  unsigned depth_ = 0;
};

}  // namespace

std::unique_ptr<LineParser> make_rpz_parser(ListSink& sink) {
  return std::make_unique<RpzParser>(sink);
}

}  // namespace culvert::dns

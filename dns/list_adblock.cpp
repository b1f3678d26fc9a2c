// Adblock rules for names, as AdGuard's DNS filtering syntax documents them:
// [@@]pattern[$modifiers], lines of hosts files, plain names, comments. Rules for pages are counted
// and nothing more.
#include "dns/list_adblock.hpp"

#include <array>

#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

constexpr std::array<std::string_view, 10> cosmetic_marks{"##",   "#@#", "#?#",  "#@?#", "#$#",
                                                          "#@$#", "#%#", "#@%#", "$$",   "$@$"};

bool is_cosmetic(std::string_view line) noexcept {
  if (line.find_first_of("#$") == std::string_view::npos) return false;
  for (const std::string_view mark : cosmetic_marks) {
    const std::size_t at = line.find(mark);
    if (at == std::string_view::npos || at + mark.size() >= line.size()) continue;
    if (at != 0) return true;
    // "### heading ###" and "## heading" are comments, "###id" is none.
    const std::string_view rest = line.substr(mark.size() + (line[mark.size()] == '#' ? 1u : 0u));
    if (!rest.empty() && rest.front() != '#' && !is_blank(rest.front())) return true;
  }
  return false;
}

// Where the pattern of a rule ends: after the slash of an expression that modifiers or nothing
// follow, or at the first '$'.
std::size_t pattern_end(std::string_view rule) noexcept {
  if (rule.size() > 1 && rule.front() == '/') {
    if (rule.back() == '/') return rule.size();
    const std::size_t slash = rule.rfind("/$");
    if (slash != std::string_view::npos && slash > 0) return slash + 1;
  }
  const std::size_t dollar = rule.find('$');
  return dollar == std::string_view::npos ? rule.size() : dollar;
}

class AdblockParser : public LineParser {
 public:
  explicit AdblockParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text);
    if (text.empty() || text.front() == '!') return;
    if (parse_common(text)) return;
    if (is_cosmetic(text)) return sink_.fault(LineFault::cosmetic);
    if (text.front() == '#' || text.starts_with("[Adblock") || text.starts_with("[AdGuard")) return;
    const std::size_t blank = text.find_first_of(" \t");
    if (blank != std::string_view::npos && parse_line_of_words(text, blank)) return;
    parse_rule(text);
  }

 private:
  // "||name^" and nothing else: nearly every line there is.
  bool parse_common(std::string_view text) {
    if (text.size() < 4 || !text.starts_with("||") || !text.ends_with('^')) return false;
    text = text.substr(2, text.size() - 3);
    if (text.find_first_of("*$/^|# ") != std::string_view::npos || read_address(text)) return false;
    sink_.plain(text, Rule::Reach::subdomains);
    return true;
  }

  bool parse_line_of_words(std::string_view text, std::size_t blank) {
    const std::string_view first = text.substr(0, blank);
    if (read_address(first.substr(0, first.find('%')))) return parse_hosts_line(text, sink_), true;
    if (first.find('$') != std::string_view::npos || trim(text.substr(blank)).front() != '#')
      return false;     // a blank in the name of a client
    parse_rule(first);  // "name  # comment"
    return true;
  }

  void parse_rule(std::string_view text) {
    Rule rule;
    if (text.starts_with("@@")) {
      rule.action = RuleAction::allow;
      text.remove_prefix(2);
    }
    const std::size_t end = pattern_end(text);
    const std::string_view pattern = text.substr(0, end);
    bool badfilter = false;
    if (end < text.size() && !read_modifiers(text.substr(end + 1), rule, badfilter, sink_)) return;
    if (pattern.empty() && end == text.size()) return sink_.fault(LineFault::not_understood);
    if (read_pattern(pattern, rule, sink_)) sink_.emit(rule, badfilter);
  }

  ListSink& sink_;
};

}  // namespace

std::unique_ptr<LineParser> make_adblock_parser(ListSink& sink) {
  return std::make_unique<AdblockParser>(sink);
}

}  // namespace culvert::dns

// ListSink: where the parsers of the formats put rules and faults. It alone knows what a list may
// do: trust, public suffixes, lists that allow. LineParser: one format.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "dns/list_parser.hpp"
#include "dns/public_suffix.hpp"

namespace culvert::dns {

class ListSink {
 public:
  ListSink(const ListSettings& list, ListParser::OnRule on_rule);

  const ListSettings& list() const noexcept { return list_; }
  ListReport& report() noexcept { return report_; }
  void set_line(std::uint32_t line) noexcept { line_ = line; }
  std::uint32_t line() const noexcept { return line_; }

  // What a plain name stands for in this list.
  Rule::Reach plain_reach() const noexcept {
    return list_.subdomains ? Rule::Reach::subdomains : Rule::Reach::exact;
  }
  // A name that is to be blocked and nothing more: the fast way, without heap.
  void plain(std::string_view name, Rule::Reach reach);
  // Any rule; what the list may not do is counted instead. `rule` may be changed.
  void emit(Rule& rule, bool badfilter = false);
  void fault(LineFault fault) noexcept;
  void finish() { flush(); }  // no more rules come

  // Sets rule.pattern if RE2 takes it in bounds, else counts the fault. `about_all`: nothing else
  // says which names, so it must not be every name.
  bool set_pattern(Rule& rule, std::string expression, bool about_all = true);

 private:
  bool refuses(const Rule& rule) noexcept;  // and counts why
  bool is_guarded(const Rule& rule) const noexcept;
  bool joins_held(const Rule& rule);
  void flush();
  void give(const Rule& rule, bool badfilter);

  ListSettings list_;
  ListParser::OnRule on_rule_;
  ListReport report_;
  PublicSuffixes suffixes_;
  Rule plain_;  // reused for every plain name
  // A rewrite to records, until it is known that the next line adds none: one name's addresses are
  // on lines of their own in most formats, and a question is answered by one rule.
  Rule held_;
  bool holds_ = false;
  std::uint32_t line_ = 0;
  std::uint32_t patterns_ = 0;  // given to RE2
};

class LineParser {
 public:
  virtual ~LineParser() = default;
  virtual void line(std::string_view text) = 0;  // without its end, at most LineSplitter::max_line
  virtual void finish() {}                       // no more lines come
};

std::unique_ptr<LineParser> make_hosts_parser(ListSink& sink);
std::unique_ptr<LineParser> make_domains_parser(ListSink& sink);
std::unique_ptr<LineParser> make_adblock_parser(ListSink& sink);
std::unique_ptr<LineParser> make_dnsmasq_parser(ListSink& sink);
std::unique_ptr<LineParser> make_rpz_parser(ListSink& sink);
std::unique_ptr<LineParser> make_regex_parser(ListSink& sink);
std::unique_ptr<LineParser> make_addresses_parser(ListSink& sink);

// Lines that more than one format has.
void parse_hosts_line(std::string_view line, ListSink& sink);   // "address name name # comment"
void parse_domain_line(std::string_view line, ListSink& sink);  // "name", "*.name", ".name"

}  // namespace culvert::dns

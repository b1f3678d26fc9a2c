// One domain a line: "name" alone or with all below it, as the list's settings say; "*.name" and
// ".name" are the name and all below it: who publishes names so has no other line for the name
// itself. A comment begins with '#' or '!'.
#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

class DomainsParser : public LineParser {
 public:
  explicit DomainsParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text);
    if (text.empty() || text.front() == '#' || text.front() == '!') return;
    parse_domain_line(text, sink_);
  }

 private:
  ListSink& sink_;
};

}  // namespace

void parse_domain_line(std::string_view line, ListSink& sink) {
  std::string_view name = take_word(line);
  line = trim(line);
  if (const std::size_t comment = name.find('#'); comment != std::string_view::npos) {
    name = name.substr(0, comment);
  } else if (!line.empty() && line.front() != '#') {
    return sink.fault(LineFault::not_understood);
  }
  if (name.starts_with("*.")) return sink.plain(name.substr(2), Rule::Reach::subdomains);
  if (name.starts_with('.')) return sink.plain(name.substr(1), Rule::Reach::subdomains);
  sink.plain(name, sink.plain_reach());
}

std::unique_ptr<LineParser> make_domains_parser(ListSink& sink) {
  return std::make_unique<DomainsParser>(sink);
}

}  // namespace culvert::dns

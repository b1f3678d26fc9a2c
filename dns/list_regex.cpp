// One RE2 expression a line, searched in the name; '#' begins a comment line.
#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

class RegexParser : public LineParser {
 public:
  explicit RegexParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text);
    if (text.empty() || text.front() == '#') return;
    Rule rule;
    // Names are lower-cased, expressions need not be.
    if (sink_.set_pattern(rule, "(?i)" + std::string(text))) sink_.emit(rule);
  }

 private:
  ListSink& sink_;
};

}  // namespace

std::unique_ptr<LineParser> make_regex_parser(ListSink& sink) {
  return std::make_unique<RegexParser>(sink);
}

}  // namespace culvert::dns

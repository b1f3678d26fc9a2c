// One address or prefix a line, perhaps with a number behind it (in how many lists it was); '#',
// ';' or '!' begins a comment. Answers that hold one are blocked.
#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

bool is_number(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

class AddressesParser : public LineParser {
 public:
  explicit AddressesParser(ListSink& sink) noexcept : sink_(sink) {}

  void line(std::string_view text) override {
    text = trim(text.substr(0, text.find_first_of("#;!")));
    if (text.empty()) return;
    const auto prefix = read_prefix(take_word(text));
    if (!prefix || !is_number(trim(text))) return sink_.fault(LineFault::not_understood);
    rule_.answer_prefixes.assign(1, *prefix);
    rule_.action = RuleAction::block;
    sink_.emit(rule_);
  }

 private:
  ListSink& sink_;
  Rule rule_;
};

}  // namespace

std::unique_ptr<LineParser> make_addresses_parser(ListSink& sink) {
  return std::make_unique<AddressesParser>(sink);
}

}  // namespace culvert::dns

// The text of a list, of any octets and in any format, becomes rules that its settings allow; where
// it is cut makes no difference. The first octet is the format, the second the settings, the third
// where it is cut.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dns/list_parser.hpp"

using namespace culvert::dns;

namespace {

struct Outcome {
  std::uint64_t digest = 0xcbf29ce484222325;
  ListReport report;

  void add(std::uint64_t value) noexcept { digest = (digest ^ value) * 0x100000001b3; }
  void add(std::string_view text) noexcept {
    for (const char c : text) add(static_cast<unsigned char>(c));
    add(text.size());
  }
  void add(const Name& name) noexcept {
    for (const std::byte b : name.wire()) add(std::to_integer<unsigned>(b));
  }
};

void check(const ListSettings& list, const Rule& rule, bool badfilter) {
  const bool redirects = rule.action == RuleAction::rewrite || rule.action == RuleAction::forward;
  if (rule.line == 0) __builtin_trap();
  if (!Name::from_wire(rule.domain.wire())) __builtin_trap();
  if (rule.action == RuleAction::forward && rule.upstream.empty()) __builtin_trap();
  if (badfilter || list.trusted) return;
  if (redirects || rule.important) __builtin_trap();
  if (list.allows && rule.action != RuleAction::allow) __builtin_trap();
  const bool of_all = rule.domain.labels() == 0 && rule.pattern.empty() &&
                      rule.answer_prefixes.empty() && rule.reach != Rule::Reach::exact;
  if (of_all && !list.force && rule.action != RuleAction::allow) __builtin_trap();
}

Outcome parse(const ListSettings& list, std::string_view text, std::size_t cut) {
  Outcome out;
  std::uint64_t rules = 0;
  ListParser parser(list, [&](const Rule& rule, bool badfilter) {
    check(list, rule, badfilter);
    if (!badfilter) ++rules;
    out.add(rule.domain);
    out.add(rule.cname);
    out.add(rule.pattern);
    out.add(rule.upstream);
    for (const auto& each : rule.records) out.add(each);
    for (const auto& each : rule.clients) out.add(each);
    for (const auto& each : rule.answer_prefixes) out.add(each.to_string());
    out.add(static_cast<std::uint64_t>(rule.action) << 8 | static_cast<std::uint64_t>(rule.reach));
    out.add(rule.line);
  });
  for (; text.size() > cut && cut > 0; text.remove_prefix(cut)) parser.feed(text.substr(0, cut));
  parser.feed(text);
  out.report = parser.finish();
  if (out.report.rules != rules) __builtin_trap();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  ListSettings list;
  list.name = "fuzz";
  list.format = static_cast<ListSettings::Format>(data[0] % 8);
  list.trusted = data[1] & 1;
  list.allows = data[1] & 2;
  list.subdomains = data[1] & 4;
  list.force = data[1] & 8;
  const std::string_view text(reinterpret_cast<const char*>(data + 3), size - 3);
  const Outcome whole = parse(list, text, 0), cut = parse(list, text, data[2]);
  if (whole.digest != cut.digest || whole.report.faults != cut.report.faults ||
      whole.report.first != cut.report.first || whole.report.lines != cut.report.lines ||
      whole.report.format != cut.report.format)
    __builtin_trap();
  return 0;
}

#include "dns/rule_compiler.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file_descriptor.hpp"
#include "dns/rule_builder.hpp"

namespace culvert::dns {
namespace {

constexpr std::size_t read_size = 256 * 1024;

std::string system_error(const std::string& what, const std::string& file) {
  return what + ' ' + file + ": " + std::strerror(errno);
}

// An exception says only that a name is let through.
Rule as_exception(const Rule& rule) {
  Rule out = rule;
  out.action = RuleAction::allow;
  out.addresses.clear();
  out.cname = Name();
  out.records.clear();
  out.upstream.clear();
  return out;
}

class ListCompiler {
 public:
  ListCompiler(RuleBuilder& builder, std::uint16_t number, const ListSource& source)
      : builder_(builder), number_(number), source_(source) {}

  CompiledList run(std::vector<char>& buffer) {
    CompiledList out;
    ListParser parser(source_.settings,
                      [this](const Rule& rule, bool badfilter) { take(rule, badfilter); });
    if (!source_.file.empty()) out.error = feed(parser, buffer);
    out.report = parser.finish();
    note(out.report, LineFault::bad_pattern, bad_patterns_, first_bad_pattern_);
    note(out.report, LineFault::no_room, too_many_, first_too_many_);
    out.report.rules -= std::min(out.report.rules, bad_patterns_ + too_many_);
    return out;
  }
  std::uint32_t first_badfilter() const noexcept { return first_badfilter_; }

  static void note(ListReport& report, LineFault fault, std::uint64_t count, std::uint32_t line) {
    const auto i = static_cast<std::size_t>(fault);
    if (count == 0) return;
    report.faults[i] += count;
    report.first[i] = report.first[i] == 0 ? line : std::min(report.first[i], line);
  }

 private:
  std::string feed(ListParser& parser, std::vector<char>& buffer) const {
    const base::FileDescriptor file(::open(source_.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error("cannot open", source_.file);
    for (;;) {
      const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return system_error("cannot read", source_.file);
      if (n == 0) return {};
      parser.feed({buffer.data(), std::size_t(n)});
    }
  }

  void take(const Rule& rule, bool badfilter) {
    if (badfilter && first_badfilter_ == 0) first_badfilter_ = rule.line;
    const RuleBuilder::Added added = source_.settings.allows && rule.action != RuleAction::allow
                                         ? builder_.add(number_, as_exception(rule), badfilter)
                                         : builder_.add(number_, rule, badfilter);
    if (added == RuleBuilder::Added::too_many && too_many_++ == 0) first_too_many_ = rule.line;
    if (added == RuleBuilder::Added::bad_pattern && bad_patterns_++ == 0)
      first_bad_pattern_ = rule.line;
  }

  RuleBuilder& builder_;
  const std::uint16_t number_;
  const ListSource& source_;
  std::uint64_t too_many_ = 0, bad_patterns_ = 0;
  std::uint32_t first_too_many_ = 0, first_bad_pattern_ = 0, first_badfilter_ = 0;
};

}  // namespace

base::Result<CompileReport> compile_rules(const std::vector<ListSource>& lists, int fd,
                                          base::Random& random) {
  if (lists.size() > max_lists)
    return base::Error{"there are " + std::to_string(lists.size()) + " lists, the most is " +
                       std::to_string(max_lists)};
  std::vector<std::string> names;
  for (const ListSource& list : lists) names.push_back(list.settings.name);
  RuleBuilder builder(std::move(names), random);
  CompileReport report;
  std::vector<std::uint32_t> badfilters;
  std::vector<char> buffer(read_size);
  for (const ListSource& list : lists) {
    ListCompiler compiler(builder, static_cast<std::uint16_t>(report.lists.size()), list);
    report.lists.push_back(compiler.run(buffer));
    badfilters.push_back(compiler.first_badfilter());
  }
  const auto built = builder.write(fd);
  if (!built) return base::Error{built.error()};
  for (std::size_t i = 0; i < report.lists.size(); ++i)
    ListCompiler::note(report.lists[i].report, LineFault::badfilter, built->switched_off[i],
                       badfilters[i]);
  report.rules = built->rules;
  report.bytes = built->bytes;
  report.generation = built->generation;
  return report;
}

}  // namespace culvert::dns

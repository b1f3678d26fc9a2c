#include "dns/list_parser.hpp"

#include <string>
#include <vector>

#include "dns/list_detect.hpp"
#include "dns/list_line.hpp"
#include "dns/list_sink.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

using Format = ListSettings::Format;

// What is kept while the format is not known.
constexpr std::size_t max_waiting = 65'536;

std::unique_ptr<LineParser> make_parser(Format format, ListSink& sink) {
  switch (format) {
    case Format::hosts:
      return make_hosts_parser(sink);
    case Format::adblock:
      return make_adblock_parser(sink);
    case Format::dnsmasq:
      return make_dnsmasq_parser(sink);
    case Format::rpz:
      return make_rpz_parser(sink);
    case Format::regex:
      return make_regex_parser(sink);
    case Format::addresses:
      return make_addresses_parser(sink);
    case Format::automatic:
    case Format::domains:
      break;
  }
  return make_domains_parser(sink);
}

}  // namespace

std::string_view to_string(LineFault fault) noexcept {
  switch (fault) {
    case LineFault::not_understood:
      return "not_understood";
    case LineFault::bad_name:
      return "bad_name";
    case LineFault::too_long:
      return "too_long";
    case LineFault::unknown_modifier:
      return "unknown_modifier";
    case LineFault::cosmetic:
      return "cosmetic";
    case LineFault::not_trusted:
      return "not_trusted";
    case LineFault::public_suffix:
      return "public_suffix";
    case LineFault::bad_pattern:
      return "bad_pattern";
    case LineFault::badfilter:
      return "badfilter";
    case LineFault::no_room:
      return "no_room";
    case LineFault::name_servers:
      return "name_servers";
    case LineFault::count_:
      break;
  }
  return "unknown";
}

struct ListParser::Impl {
  struct Waiting {
    std::uint32_t line;
    std::string text;
  };

  Impl(const ListSettings& list, OnRule on_rule) : sink(list, std::move(on_rule)) {
    if (list.format != Format::automatic) choose(list.format);
  }

  void choose(Format format) {
    sink.report().format = format;
    parser = make_parser(format, sink);
    const std::uint32_t now = sink.line();
    for (const Waiting& each : waiting) {
      sink.set_line(each.line);
      parser->line(each.text);
    }
    sink.set_line(now);
    waiting.clear();
  }

  void take(std::string_view line, bool too_long) {
    sink.set_line(static_cast<std::uint32_t>(++sink.report().lines));
    if (too_long) return sink.fault(LineFault::too_long);
    if (parser) return parser->line(line);
    if (!detector.look(line)) return;
    waiting.push_back({sink.line(), std::string(line)});
    waiting_size += line.size();
    if (detector.is_sure() || waiting_size > max_waiting) choose(detector.format());
  }

  ListSink sink;
  LineSplitter lines;
  FormatDetector detector;
  std::unique_ptr<LineParser> parser;  // once the format is known
  std::vector<Waiting> waiting;        // until then
  std::size_t waiting_size = 0;
};

ListParser::ListParser(const ListSettings& list, OnRule on_rule)
    : impl_(std::make_unique<Impl>(list, std::move(on_rule))) {}

ListParser::~ListParser() = default;

void ListParser::feed(std::string_view text) {
  impl_->lines.feed(text,
                    [this](std::string_view line, bool too_long) { impl_->take(line, too_long); });
}

ListReport ListParser::finish() {
  impl_->lines.finish(
      [this](std::string_view line, bool too_long) { impl_->take(line, too_long); });
  if (!impl_->parser) impl_->choose(impl_->detector.format());
  impl_->parser->finish();
  impl_->sink.finish();
  return impl_->sink.report();
}

}  // namespace culvert::dns

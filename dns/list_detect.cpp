#include "dns/list_detect.hpp"

#include <algorithm>

#include "dns/list_text.hpp"
#include "dns/name.hpp"

namespace culvert::dns {
namespace {

using Format = ListSettings::Format;

bool contains(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

bool is_dnsmasq(std::string_view line) noexcept {
  return line.starts_with("address=/") || line.starts_with("server=/") ||
         line.starts_with("local=/") || line.starts_with("bogus-nxdomain=");
}

// A line that a zone file has and no other format.
bool is_zone_file(std::string_view line) noexcept {
  if (line.starts_with("$TTL") || line.starts_with("$ORIGIN")) return true;
  for (std::string_view word = take_word(line); !word.empty(); word = take_word(line))
    if (word == "SOA" || word == "CNAME") return true;
  return false;
}

bool is_adblock(std::string_view line) noexcept {
  return line.starts_with("||") || line.starts_with("@@") || line.starts_with('|') ||
         (line.starts_with('*') && !line.starts_with("*.")) || line.starts_with("://") ||
         line.ends_with('^') || contains(line, "^$") || contains(line, "##") ||
         contains(line, "#@#") || contains(line, "#?#") || contains(line, "#$#") ||
         contains(line, "#%#") || (line.size() > 2 && line.front() == '/' && line.back() == '/');
}

bool is_domain(std::string_view word) noexcept {
  if (word.starts_with("*.")) word.remove_prefix(1);
  if (word.starts_with('.')) word.remove_prefix(1);
  Name name;
  return read_domain(word, name);
}

Format format_of(std::string_view line) noexcept {
  if (is_dnsmasq(line)) return Format::dnsmasq;
  if (is_zone_file(line)) return Format::rpz;
  if (is_adblock(line)) return Format::adblock;
  std::string_view rest = line;
  const std::string_view word = take_word(rest);
  rest = trim(rest);
  bool alone = rest.empty() || rest.front() == '#' || rest.front() == ';';
  const std::string_view address = word.substr(0, word.find_first_of("%;#"));
  if (read_prefix(address) || word == "0") {
    alone = alone || rest.find_first_not_of("0123456789") == std::string_view::npos;
    return alone ? Format::addresses : Format::hosts;
  }
  if (!alone) return Format::automatic;
  if (is_domain(word.substr(0, word.find('#')))) return Format::domains;
  if (line.find_first_of("\\()[]^$+") != std::string_view::npos) return Format::regex;
  return Format::automatic;
}

// In Adblock a rule for all pages begins with two signs; banners of comments do so as well.
bool may_be_cosmetic(std::string_view line) noexcept {
  return line.size() > 2 && line[0] == '#' && contains("#@?$%", line.substr(1, 1));
}

}  // namespace

bool FormatDetector::look(std::string_view line) noexcept {
  line = trim(line);
  if (line.empty() || line.front() == '!' || line.front() == ';') return false;
  if (line.front() == '#') return may_be_cosmetic(line);
  // HTML, XML or JSON: a page that says why there is no list. As domains none of it is a rule.
  if (seen_ == 0 && (line.front() == '<' || line.front() == '{')) told_ = Format::domains;
  ++seen_;
  if (line.starts_with("[Adblock") || line.starts_with("[AdGuard")) {
    told_ = Format::adblock;
    return true;
  }
  const Format format = format_of(line);
  if (format == Format::rpz || format == Format::dnsmasq) told_ = format;
  ++votes_[static_cast<std::size_t>(format)];
  return true;
}

Format FormatDetector::format() const noexcept {
  if (told_ != Format::automatic) return told_;
  const auto votes = [this](Format format) { return votes_[static_cast<std::size_t>(format)]; };
  const unsigned plain = std::max(votes(Format::hosts), votes(Format::domains));
  // Adblock lists may hold lines of hosts files and plain names, expressions may look like rules.
  if (votes(Format::adblock) > 0 && votes(Format::adblock) >= votes(Format::regex) &&
      votes(Format::adblock) * 20 >= plain)
    return Format::adblock;
  Format best = Format::domains;
  for (const Format each : {Format::hosts, Format::regex, Format::addresses})
    if (votes(each) > votes(best)) best = each;
  return best;
}

}  // namespace culvert::dns

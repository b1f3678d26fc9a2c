// `automatic`, and that it does not matter where a list's text is cut.
#include "tests/dns/list_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::dns;
using culvert::dns::testing::a_list;
using culvert::dns::testing::parse;
using Format = ListSettings::Format;
using Rules = std::vector<std::string>;

namespace {

struct Sample {
  Format format;
  std::string text;
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all{
      {Format::hosts,
       "\xef\xbb\xbf# Title: Some hosts\r\n#\r\n# =====\r\n\r\n127.0.0.1 localhost\r\n"
       "255.255.255.255 broadcasthost\r\n::1 localhost\r\nfe80::1%lo0 localhost\r\n"
       "0.0.0.0 0.0.0.0\r\n\r\n# Start\r\n0.0.0.0 ads.example\r\n0.0.0.0 track.example # x\r\n"},
      {Format::domains,
       "# Title: Domains\n# Syntax: Domains (without subdomains)\n#\n#####\nads.example\n"
       "track.example\nx.y.z.example\n"},
      {Format::domains, "# Syntax: Domains (wildcards)\n*.ads.example\n*.track.example\n"},
      {Format::adblock,
       "[Adblock Plus]\n! Title: Filter\n! Expires: 1 day\nads.example\n||track.example^\n"},
      {Format::adblock,
       "! Title: AdGuard DNS filter\n!\n! -----\n||a.example^\n||b.example^\n@@||c.example^|\n"
       "/^ads[0-9]/\n||d.example^$dnstype=AAAA\n"},
      {Format::adblock, "! Mixed\n0.0.0.0 a.example\nb.example\n||c.example^$important\n"},
      {Format::dnsmasq, "# dnsmasq\naddress=/ads.example/\naddress=/track.example/0.0.0.0\n"},
      {Format::dnsmasq, "local=/ads.example/\nlocal=/track.example/\n"},
      {Format::adblock,
       "! Title: for browsers\n*$removeparam=a_b\n*$removeparam=c(d)\n(x|y)$\n||track.example^\n"},
      {Format::dnsmasq, "# addresses\nbogus-nxdomain=192.0.2.1\n"},
      {Format::rpz,
       "$TTL 30\n@ SOA localhost. root.localhost. (\n 1 ; serial\n 43200 3600 259200 300 )\n"
       "  NS localhost.\n; a comment\nads.example CNAME .\n*.ads.example CNAME .\n"},
      {Format::rpz, "; no header\nads.example CNAME .\n*.ads.example CNAME .\n"},
      {Format::regex,
       "# Expressions\n^ads?[0-9]+\\.\n(\\.|^)track\\.example$\n^(.+[_.-])?telemetry[_.-]\n"},
      {Format::addresses, "# address\thow often\n192.0.2.1\t10\n198.51.100.7\t9\n"},
      {Format::addresses, "; drop list\n192.0.2.0/24 ; SBL1\n198.51.100.7\n2001:db8::/32\n"}};
  return all;
}

}  // namespace

TEST_CASE("the format of a list is seen from its first lines") {
  for (const Sample& sample : samples()) {
    CAPTURE(sample.text);
    const auto automatic = parse(a_list(Format::automatic, true), sample.text);
    CHECK(automatic.report.format == sample.format);
    const auto told = parse(a_list(sample.format, true), sample.text);
    CHECK(automatic.rules == told.rules);
    CHECK_FALSE(told.rules.empty());
    CHECK(automatic.report.faults == told.report.faults);
    CHECK(automatic.report.lines == told.report.lines);
  }
  CHECK(parse(a_list(Format::automatic), "").report.format == Format::domains);
  CHECK(parse(a_list(Format::automatic), "# nothing\n").report.lines == 1);
}

TEST_CASE("a header of any length does not hide the format") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "# a licence that goes on and on\n";
  const auto parsed = parse(a_list(Format::automatic), text + "||a.example^\n");
  CHECK(parsed.report.format == Format::adblock);
  CHECK(parsed.rules == Rules{"block a.example"});
}

TEST_CASE("a page or a document that comes instead of a list gives no rules") {
  for (const char* const text :
       {"\n<!DOCTYPE html>\n<html>\n<head>\n<script>\nlogin()\n(x)\n</script>\n</head>\n",
        "<?xml version=\"1.0\"?>\n<Error>\n<Code>(NoSuchKey)</Code>\n</Error>\n",
        "{\n  \"errors\": [\n    \"(missing)\"\n  ]\n}\n"}) {
    CAPTURE(text);
    const auto parsed = parse(a_list(Format::automatic), text);
    CHECK(parsed.rules.empty());
    CHECK(parsed.report.format == Format::domains);
    CHECK(parsed.all_faults() > 0);
  }
}

TEST_CASE("a few stray lines do not change the format of a long list") {
  std::string text;
  for (int i = 0; i < 90; ++i) text += "host" + std::to_string(i) + ".example\n";
  CHECK(parse(a_list(Format::automatic), "(stray\n" + text).report.format == Format::domains);
  CHECK(parse(a_list(Format::automatic), "192.0.2.1\n" + text).report.format == Format::domains);
}

TEST_CASE("it does not matter where the text is cut") {
  std::string everything;
  for (const Sample& sample : samples()) everything += sample.text;
  everything += std::string("x\0y.example\n\r\r\n\n\xff\xfe\n", 20) + std::string(5000, 'z') +
                "\rend.example";
  for (const Format format : {Format::automatic, Format::hosts, Format::domains, Format::adblock,
                              Format::dnsmasq, Format::rpz, Format::regex, Format::addresses}) {
    const auto whole = parse(a_list(format, true), everything);
    for (const std::size_t step : {1u, 2u, 3u, 7u, 64u, 4096u}) {
      const auto cut = parse(a_list(format, true), everything, step);
      CHECK(cut.rules == whole.rules);
      CHECK(cut.report.faults == whole.report.faults);
      CHECK(cut.report.first == whole.report.first);
      CHECK(cut.report.lines == whole.report.lines);
    }
  }
}

TEST_CASE("every fault has a name of its own") {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < std::size_t(LineFault::count_); ++i)
    names.push_back(to_string(LineFault(i)));
  std::sort(names.begin(), names.end());
  CHECK(std::unique(names.begin(), names.end()) == names.end());
  CHECK(to_string(LineFault::count_) == "unknown");
}

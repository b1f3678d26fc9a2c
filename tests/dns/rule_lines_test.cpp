// Where a list says something about a name.
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/file_descriptor.hpp"
#include "dns/rule_compiler.hpp"
#include "tests/dns/list_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using Format = ListSettings::Format;

namespace {

struct TextFile {
  explicit TextFile(const std::string& text) {
    base::FileDescriptor file(::mkstemp(path.data()));
    REQUIRE(file);
    REQUIRE(::write(file.get(), text.data(), text.size()) == ssize_t(text.size()));
  }
  ~TextFile() { ::unlink(path.c_str()); }

  std::string path = "/tmp/culvert-rule-lines-XXXXXX";
};

std::vector<std::string> lines_of(Format format, const std::string& text, const std::string& name,
                                  std::size_t most = 10) {
  const TextFile file(text);
  std::vector<std::string> out;
  for (const RuleLine& line :
       find_lines({dns::testing::a_list(format, true), file.path}, *Name::parse(name), most))
    out.push_back(std::to_string(line.line) + ": " + line.text);
  return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("the lines that reach a name are found in every format") {
  CHECK(lines_of(Format::hosts, "# x\n0.0.0.0 a.example b.example\r\n0.0.0.0 c.example\n",
                 "b.example") == Lines{"2: 0.0.0.0 a.example b.example"});
  CHECK(lines_of(Format::domains, "*.d.example\n.d.example\nd.example\nx.d.example\n",
                 "x.d.example") == Lines{"1: *.d.example", "2: .d.example", "4: x.d.example"});
  CHECK(lines_of(
            Format::adblock,
            "! t\n||ads.example^$important\n@@||www.ads.example^\n/^www\\.ads/\n||other.example^\n"
            "||ads.example^$denyallow=www.ads.example\n||ads.example^$badfilter\n",
            "www.ads.example") ==
        Lines{"2: ||ads.example^$important", "3: @@||www.ads.example^", "4: /^www\\.ads/"});
  CHECK(lines_of(Format::dnsmasq, "address=/a.example/b.example/\nserver=/x.b.example/9.9.9.9\n",
                 "x.b.example") ==
        Lines{"1: address=/a.example/b.example/", "2: server=/x.b.example/9.9.9.9"});
  CHECK(lines_of(Format::rpz, "$TTL 60\n@ SOA a. b. ( 1 2\n 3 4 5 )\nbad.example CNAME (\n . )\n",
                 "bad.example") == Lines{"4: bad.example CNAME ("});
  CHECK(lines_of(Format::regex, "^ads[0-9]\nTrack\n", "track.example") == Lines{"2: Track"});
  CHECK(lines_of(Format::automatic, "||a.example^\n||b.example^\n", "x.b.example") ==
        Lines{"2: ||b.example^"});
  CHECK(lines_of(Format::addresses, "192.0.2.1\n", "x.example").empty());
}

TEST_CASE("a line that is shown is bounded and has no control characters") {
  const std::string text =
      "x.example #\x1b[31m red\t\xc2\x9b"
      "2J " +
      std::string(1000, 'y') + "\n";
  const Lines lines = lines_of(Format::domains, text, "x.example");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("1: x.example #[31m red2J yyy"));
  CHECK(lines[0].size() == 500 + 3);
}

TEST_CASE("no more lines are found than asked for, and none in a file that is missing") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "a.example\n";
  CHECK(lines_of(Format::domains, text, "a.example", 3) ==
        Lines{"1: a.example", "2: a.example", "3: a.example"});
  CHECK(lines_of(Format::domains, text + "last.example", "last.example") ==
        Lines{"20001: last.example"});
  const ListSource missing{dns::testing::a_list(Format::domains), "/nonexistent/list"};
  CHECK(find_lines(missing, *Name::parse("a.example"), 3).empty());
  const ListSource none{dns::testing::a_list(Format::domains), ""};
  CHECK(find_lines(none, *Name::parse("a.example"), 3).empty());
}

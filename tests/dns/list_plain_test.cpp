// Lists of names: hosts files and domain lists, and what all formats share.
#include "tests/dns/list_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::dns;
using culvert::dns::testing::a_list;
using culvert::dns::testing::parse;
using Format = ListSettings::Format;
using Rules = std::vector<std::string>;

TEST_CASE("a hosts file blocks the names of null addresses, each alone") {
  const auto parsed = parse(a_list(Format::hosts),
                            "# a comment\n"
                            "0.0.0.0 ads.example.com track.example.net # both\n"
                            "127.0.0.1\tloop.example\n"
                            ":: six.example\n"
                            "::1 one.example\n"
                            "0 zero.example\n"
                            "  0.0.0.0   Upper.EXAMPLE.  \n");
  CHECK(parsed.rules == Rules{"block =ads.example.com", "block =track.example.net",
                              "block =loop.example", "block =six.example", "block =one.example",
                              "block =zero.example", "block =upper.example"});
  CHECK(parsed.report.lines == 7);
  CHECK(parsed.report.rules == 7);
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("what a hosts file says of its own machine is left alone") {
  const auto parsed = parse(a_list(Format::hosts),
                            "127.0.0.1 localhost localhost.localdomain local\n"
                            "255.255.255.255 broadcasthost\n"
                            "::1 localhost ip6-localhost ip6-loopback\n"
                            "fe80::1%lo0 localhost\n"
                            "fe00::0 ip6-localnet\nff02::1 ip6-allnodes\n"
                            "0.0.0.0 0.0.0.0\n");
  CHECK(parsed.rules.empty());
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("an address of a hosts file is a rewrite only if the list is trusted, else nothing") {
  const std::string text = "0.0.0.0 a.example\n203.0.113.7 bank.example\n2001:db8::1 six.example\n";
  const auto strange = parse(a_list(Format::hosts), text);
  CHECK(strange.rules == Rules{"block =a.example"});
  CHECK(strange.faults(LineFault::not_trusted) == 2);
  CHECK(strange.first(LineFault::not_trusted) == 2);
  const auto trusted = parse(a_list(Format::hosts, true), text);
  CHECK(trusted.rules == Rules{"block =a.example", "rewrite =bank.example to=203.0.113.7",
                               "rewrite =six.example to=2001:db8::1"});
}

TEST_CASE("lines of a hosts file that are none are counted, and the others hold") {
  const auto parsed = parse(a_list(Format::hosts),
                            "example.com\n0.0.0.0\n0.0.0.0 bad..name good.example\n"
                            "0.0.0.0 1.2.3.4\n0.0.0.0 b\xc3\xbc"
                            "cher.example\n");
  CHECK(parsed.rules == Rules{"block =good.example"});
  CHECK(parsed.faults(LineFault::not_understood) == 2);
  CHECK(parsed.first(LineFault::not_understood) == 1);
  CHECK(parsed.faults(LineFault::bad_name) == 3);
  CHECK(parsed.first(LineFault::bad_name) == 3);
}

TEST_CASE("a domain list has names alone, and with all below them") {
  const std::string text =
      "example.com\n*.starred.example\n.both.example\n_dmarc.under_score.example.  # why\n"
      "! comment\nxn--bcher-kva.example#here\n";
  CHECK(parse(a_list(Format::domains), text).rules ==
        Rules{"block =example.com", "block starred.example", "block both.example",
              "block =_dmarc.under_score.example", "block =xn--bcher-kva.example"});
  auto with_subdomains = a_list(Format::domains);
  with_subdomains.subdomains = true;
  CHECK(parse(with_subdomains, text).rules.front() == "block example.com");
  auto allowing = a_list(Format::domains);
  allowing.allows = true;
  CHECK(parse(allowing, text).rules.front() == "allow =example.com");
}

TEST_CASE("what is no name in ASCII is counted as a bad name") {
  const std::string label(64, 'a');
  const std::string longest = std::string(63, 'a') + '.' + std::string(63, 'b') + '.' +
                              std::string(63, 'c') + '.' + std::string(61, 'd');
  for (const std::string& bad :
       {std::string("b\xc3\xbc"
                    "cher.example"),
        std::string("a..b"), std::string("a b"), std::string("ex*mple.com"), label + ".example",
        std::string("1.2.3.4"), longest + "d", std::string("a\0b.example", 11),
        std::string("caf\xe9.example"), std::string("http://a.b/"), std::string("\\097.example"),
        std::string("*"), std::string("..")}) {
    CAPTURE(bad);
    const auto parsed = parse(a_list(Format::domains), bad + "\n");
    CHECK(parsed.rules.empty());
    CHECK(parsed.all_faults() == 1);
  }
  CHECK(parse(a_list(Format::domains), longest).rules == Rules{"block =" + longest});
}

TEST_CASE("lines end with LF, CR or both, and a byte order mark is no part of the first") {
  const auto parsed = parse(a_list(Format::domains),
                            "\xef\xbb\xbf"
                            "a.example\r\nb.example\rc.example\n\nd.example");
  CHECK(parsed.rules ==
        Rules{"block =a.example", "block =b.example", "block =c.example", "block =d.example"});
  CHECK(parsed.report.lines == 5);
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("a line over 4 KiB is skipped and counted, wherever it is cut") {
  const std::string comment = "a.example #" + std::string(4096 - 11, 'x');
  const std::string text = comment + "\n" + comment + "x\nb.example\n" + std::string(100000, 'y');
  for (const std::size_t step : {std::size_t(0), std::size_t(1), std::size_t(1000)}) {
    const auto parsed = parse(a_list(Format::domains), text, step);
    CHECK(parsed.rules == Rules{"block =a.example", "block =b.example"});
    CHECK(parsed.faults(LineFault::too_long) == 2);
    CHECK(parsed.first(LineFault::too_long) == 2);
    CHECK(parsed.report.lines == 4);
  }
}

TEST_CASE("a public suffix or top-level domain is not blocked with all below it unless forced") {
  const std::string text = ".com\n*.co.uk\n.kawasaki.jp\nco.uk\ncom\n.example.co.uk\n.lan\n";
  const auto parsed = parse(a_list(Format::domains), text);
  CHECK(parsed.rules == Rules{"block =co.uk", "block =com", "block example.co.uk", "block lan"});
  CHECK(parsed.faults(LineFault::public_suffix) == 3);
  CHECK(parsed.first(LineFault::public_suffix) == 1);
  auto forced = a_list(Format::domains);
  forced.force = true;
  CHECK(parse(forced, text).rules.size() == 7);
  auto allowing = a_list(Format::domains);
  allowing.allows = true;
  CHECK(parse(allowing, text).faults(LineFault::public_suffix) == 3);
}

TEST_CASE("what one owner lets others have names below is a domain like any other") {
  const auto parsed = parse(a_list(Format::domains),
                            ".duckdns.org\n*.github.io\n.s3.amazonaws.com\n"
                            "*.ec2-192-0-2-1.compute-1.amazonaws.com\n.blogspot.co.uk\n");
  CHECK(parsed.rules == Rules{"block duckdns.org", "block github.io", "block s3.amazonaws.com",
                              "block ec2-192-0-2-1.compute-1.amazonaws.com",
                              "block blogspot.co.uk"});
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("an address may have a number behind it, and nothing else") {
  const auto parsed =
      parse(a_list(Format::addresses),
            "192.0.2.1\t10\n198.51.100.0/24 3 # x\n192.0.2.2 name\n192.0.2.3 4 5\n");
  CHECK(parsed.rules == Rules{"block 192.0.2.1/32", "block 198.51.100.0/24"});
  CHECK(parsed.faults(LineFault::not_understood) == 2);
}

TEST_CASE("an address list has three signs for comments") {
  const auto parsed =
      parse(a_list(Format::addresses), "! Title: addresses\n# more\n; more\n192.0.2.1 ! why\n");
  CHECK(parsed.rules == Rules{"block 192.0.2.1/32"});
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("an address list blocks answers, but not half the Internet") {
  const std::string text =
      "192.0.2.1\n198.51.100.0/24 ; SBL1\n2001:db8::/32 # note\n10.1.2.3/8\n"
      "0.0.0.0/0\n::/0\n128.0.0.0/1\nexample.com\n1.2.3.4/33\n1.2.3.4/\n";
  const auto parsed = parse(a_list(Format::addresses), text);
  CHECK(parsed.rules == Rules{"block 192.0.2.1/32", "block 198.51.100.0/24", "block 2001:db8::/32",
                              "block 10.0.0.0/8"});
  CHECK(parsed.faults(LineFault::public_suffix) == 3);
  CHECK(parsed.faults(LineFault::not_understood) == 3);
  auto allowing = a_list(Format::addresses);
  allowing.allows = true;
  CHECK(parse(allowing, text).rules.front() == "allow 192.0.2.1/32");
}

TEST_CASE("an expression list has what RE2 takes in bounds, and none of every name") {
  const auto parsed = parse(a_list(Format::regex),
                            "# comment\n(\\.|^)ads[0-9]+\\.\n^Track\\.\n(?=look)\n(unclosed\n"
                            "((a{1000}){1000}){1000}\n.*\n\\.com$\n(a{900}b{900}c{900})\n");
  CHECK(parsed.rules == Rules{"block /(?i)(\\.|^)ads[0-9]+\\./", "block /(?i)^Track\\./"});
  CHECK(parsed.faults(LineFault::bad_pattern) == 4);
  CHECK(parsed.first(LineFault::bad_pattern) == 4);
  CHECK(parsed.faults(LineFault::public_suffix) == 2);
}

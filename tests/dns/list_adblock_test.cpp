// Adblock rules as AdGuard's DNS filtering syntax documents them.
#include "tests/dns/list_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::dns;
using culvert::dns::testing::a_list;
using culvert::dns::testing::parse;
using Format = ListSettings::Format;
using Rules = std::vector<std::string>;

namespace {

// The rule of one line in a trusted list; "" = none.
std::string rule_of(const std::string& line, bool trusted = true) {
  const auto parsed = parse(a_list(Format::adblock, trusted), line + "\n");
  REQUIRE(parsed.rules.size() <= 1);
  return parsed.rules.empty() ? "" : parsed.rules[0];
}

LineFault fault_of(const std::string& line, bool trusted = true) {
  const auto parsed = parse(a_list(Format::adblock, trusted), line + "\n");
  REQUIRE(parsed.rules.empty());
  REQUIRE(parsed.all_faults() == 1);
  for (std::size_t i = 0; i < parsed.report.faults.size(); ++i)
    if (parsed.report.faults[i] != 0) return LineFault(i);
  return LineFault::count_;
}

}  // namespace

TEST_CASE("Adblock masks that are a domain are anchored to it") {
  CHECK(rule_of("||example.org^") == "block example.org");
  CHECK(rule_of("||Example.ORG^|") == "block example.org");
  CHECK(rule_of("||example.org") == "block example.org");
  CHECK(rule_of("||example.org|") == "block example.org");
  CHECK(rule_of("|example.org^") == "block =example.org");
  CHECK(rule_of("|example.org|") == "block =example.org");
  CHECK(rule_of("example.org") == "block =example.org");
  CHECK(rule_of("example.org # comment") == "block =example.org");
  CHECK(rule_of("||*.example.org^") == "block *.example.org");
  CHECK(rule_of("*.example.org") == "block *.example.org");
  CHECK(rule_of(".example.org^") == "block *.example.org");
  CHECK(rule_of("@@||example.org^") == "allow example.org");
  CHECK(rule_of("@@|example.org^|") == "allow =example.org");
  CHECK(rule_of("||_sip._tcp.example.org^") == "block _sip._tcp.example.org");
  auto with_subdomains = a_list(Format::adblock);
  with_subdomains.subdomains = true;
  CHECK(parse(with_subdomains, "example.org").rules == Rules{"block example.org"});
}

TEST_CASE("other Adblock masks are expressions") {
  CHECK(rule_of("example.org^") == "block /example\\.org$/");
  CHECK(rule_of("ample.org|") == "block /ample\\.org$/");
  CHECK(rule_of("|example") == "block /^example/");
  CHECK(rule_of("|ads.example.org") == "block /^ads\\.example\\.org/");
  CHECK(rule_of("||ads*.example.org^") == "block /(?:^|\\.)ads.*\\.example\\.org$/");
  CHECK(rule_of("||adserv.") == "block /(?:^|\\.)adserv\\./");
  CHECK(rule_of("||doubleclick") == "block /(?:^|\\.)doubleclick/");
  CHECK(rule_of("||Example.*^") == "block /(?:^|\\.)example\\./");
  CHECK(rule_of("*banner*") == "block /banner/");
  CHECK(rule_of("||*ads**x.example^") == "block /ads.*x\\.example$/");
  CHECK(rule_of("-ad-server.") == "block /-ad-server\\./");
}

TEST_CASE("the end of a page's scheme is the beginning of a name") {
  CHECK(rule_of("://example.org^") == "block =example.org");
  CHECK(rule_of("@@://cdn.*.example.org^") == "allow /^cdn\\..*\\.example\\.org$/");
  CHECK(rule_of("://tracker.") == "block /^tracker\\./");
  CHECK(rule_of("://ads.$denyallow=ads.example.org") == "block /^ads\\./ but=ads.example.org");
  CHECK(rule_of("://*.example.org^") == "block *.example.org");
}

TEST_CASE("Adblock rules for addresses are about answers") {
  CHECK(rule_of("||192.0.2.1^") == "block 192.0.2.1/32");
  CHECK(rule_of("192.0.2.1") == "block 192.0.2.1/32");
  CHECK(rule_of("||2001:db8::1^") == "block 2001:db8::1/128");
  CHECK(rule_of("2001:db8::1") == "block 2001:db8::1/128");
  CHECK(rule_of("@@||2001:db8::1^") == "allow 2001:db8::1/128");
  CHECK(rule_of("://192.0.2.") == "block 192.0.2.0/24");
  CHECK(rule_of("://192.0.2.*") == "block 192.0.2.0/24");
  CHECK(rule_of("|192.0.") == "block 192.0.0.0/16");
  CHECK(rule_of("://192.") == "block /^192\\./");
  CHECK(rule_of("://192.0.300.") == "block /^192\\.0\\.300\\./");
}

TEST_CASE("an Adblock expression is between slashes, with modifiers behind") {
  CHECK(rule_of("/example[0-9]+/") == "block /(?i)example[0-9]+/");
  CHECK(rule_of("@@/example[0-9]+/$important") == "important allow /(?i)example[0-9]+/");
  CHECK(rule_of("/^ads$/$dnstype=A") == "block /(?i)^ads$/ type=A");
  CHECK(fault_of("/(unclosed/") == LineFault::bad_pattern);
  CHECK(fault_of("/.*/") == LineFault::public_suffix);
  CHECK(rule_of("@@/.*/") == "allow /(?i).*/");
  CHECK(fault_of("/banner/img.gif") == LineFault::not_understood);
}

TEST_CASE("Adblock comments, headers and empty lines say nothing") {
  const auto parsed = parse(a_list(Format::adblock),
                            "[Adblock Plus 2.0]\n! Title: x\n# comment\n#\n\n   \n"
                            "## heading\n#### banner ####\n!||example.org^\n");
  CHECK(parsed.rules.empty());
  CHECK(parsed.all_faults() == 0);
  CHECK(parsed.report.lines == 9);
}

TEST_CASE("rules for pages are counted, not taken for names") {
  for (const char* const line :
       {"example.org##.ad", "##.banner", "###ad-top", "example.org#@#.ad",
        "example.org#?#div:has(a)", "example.org#$#body { color: red }",
        "example.org#%#//scriptlet('x')", "example.org#@%#x",
        "example.org$$script[tag-content=\"x\"]", "example.org$@$script"}) {
    CAPTURE(line);
    CHECK(fault_of(line) == LineFault::cosmetic);
  }
  for (const char* const line : {"||example.org/ads/*", "|https://example.org^", "://", "/ads/*",
                                 "?ad=", "|", "^", "||", "||^"}) {
    CAPTURE(line);
    CHECK(fault_of(line) == LineFault::not_understood);
  }
}

TEST_CASE("an Adblock rule with a modifier that is not known is dropped and counted") {
  for (const char* const line :
       {"||example.org^$third-party", "||example.org^$script,important",
        "||example.org^$important,popup", "||example.org^$domain=a.example",
        "@@||example.org^$elemhide", "||example.org^$Important"}) {
    CAPTURE(line);
    CHECK(fault_of(line) == LineFault::unknown_modifier);
  }
  CHECK(fault_of("||example.org^$") == LineFault::not_understood);
  CHECK(fault_of("||example.org^$important=1") == LineFault::not_understood);
}

TEST_CASE("$important and $badfilter") {
  CHECK(rule_of("||example.org^$important") == "important block example.org");
  CHECK(rule_of("@@||example.org^$important") == "important allow example.org");
  CHECK(rule_of("||example.org^$badfilter") == "bad block example.org");
  CHECK(rule_of("||example.org$badfilter") == "bad block example.org");
  CHECK(rule_of("@@||example.org^$important,badfilter") == "bad important allow example.org");
  const auto parsed = parse(a_list(Format::adblock), "||a.example^\n||a.example^$badfilter\n");
  CHECK(parsed.report.rules == 1);
}

TEST_CASE("$client takes names in quotes, addresses and prefixes, and what is excluded") {
  CHECK(rule_of("@@||*^$client=127.0.0.1") == "allow . client=127.0.0.1");
  CHECK(rule_of("||example.org^$client='Frank\\'s laptop'") ==
        "block example.org client=Frank's laptop");
  CHECK(rule_of("||example.org^$client=~'Mary\\'s\\, John\\'s\\, and Boris\\'s laptops'") ==
        "block example.org client~Mary's, John's, and Boris's laptops");
  CHECK(rule_of("||example.org^$client=~Mom|~Dad|Kids") ==
        "block example.org client=Kids client~Mom client~Dad");
  CHECK(rule_of("||example.org^$client=192.168.0.0/24") ==
        "block example.org client=192.168.0.0/24");
  CHECK(rule_of("||example.org^$client=\"a\\|b # c\"|fd00::1") ==
        "block example.org client=a|b # c client=fd00::1");
  CHECK(fault_of("||example.org^$client=") == LineFault::not_understood);
  CHECK(fault_of("||example.org^$client=a||b") == LineFault::not_understood);
}

TEST_CASE("$denyallow may hold a remark that is too long for a name") {
  const std::string remark(64, 'x');
  CHECK(rule_of("||example.org^$denyallow=a.example.org|" + remark) ==
        "block example.org but=a.example.org");
  CHECK(fault_of("||example.org^$denyallow=" + remark) == LineFault::not_understood);
  CHECK(fault_of("||example.org^$denyallow=a.example.org|a*") == LineFault::not_understood);
  CHECK(rule_of("||example.org^$denyallow=a.example.org|" + remark + ".*") ==
        "block example.org but=a.example.org");
}

TEST_CASE("$ctag, $dnstype and $denyallow") {
  CHECK(rule_of("||example.org^$ctag=device_pc|~device_phone") ==
        "block example.org tag=device_pc tag~device_phone");
  CHECK(rule_of("||example.org^$dnstype=AAAA") == "block example.org type=AAAA");
  CHECK(rule_of("||example.org^$dnstype=a|Txt|TYPE65280") ==
        "block example.org type=A type=TXT type=TYPE65280");
  CHECK(rule_of("||example.org^$dnstype=~A|~CNAME") == "block example.org type~A type~CNAME");
  CHECK(rule_of("||example.org^$dnstype=~A|AAAA") == "block example.org type=AAAA");
  CHECK(rule_of("||example.org^$denyallow=sub.example.org|x.example.org") ==
        "block example.org but=sub.example.org but=x.example.org");
  CHECK(rule_of("||example.org^$dnstype=A,client=kid,important") ==
        "important block example.org type=A client=kid");
  CHECK(rule_of("@@*$denyallow=com|net") == "allow . but=com but=net");
  CHECK(fault_of("||example.org^$dnstype=NOTYPE") == LineFault::not_understood);
  CHECK(fault_of("||example.org^$denyallow=*.example.org") == LineFault::not_understood);
  CHECK(fault_of("||example.org^$ctag=") == LineFault::not_understood);
  // Everything but two top-level domains: only a list that is forced may say so.
  CHECK(fault_of("*$denyallow=com|net") == LineFault::public_suffix);
  auto forced = a_list(Format::adblock);
  forced.force = true;
  CHECK(parse(forced, "*$denyallow=com|net").rules == Rules{"block . but=com but=net"});
  CHECK(parse(forced, "$dnstype=AAAA,denyallow=example.org,dnsrewrite=NOERROR;;").rules ==
        Rules{"nodata . type=AAAA but=example.org"});
  CHECK(parse(forced, "||*^$dnstype=HTTPS,dnsrewrite=REFUSED").rules ==
        Rules{"refused . type=HTTPS"});
}

TEST_CASE("$dnsrewrite in its short forms") {
  CHECK(rule_of("||a.example^$dnsrewrite=1.2.3.4") == "rewrite a.example to=1.2.3.4");
  CHECK(rule_of("||a.example^$dnsrewrite=abcd::1234") == "rewrite a.example to=abcd::1234");
  CHECK(rule_of("||a.example^$dnsrewrite=example.net") == "rewrite a.example to=example.net");
  CHECK(rule_of("||a.example^$dnsrewrite=REFUSED") == "refused a.example");
  CHECK(rule_of("||a.example^$dnsrewrite=NXDOMAIN") == "nxdomain a.example");
  CHECK(rule_of("||a.example^$dnsrewrite=NOERROR") == "nodata a.example");
  CHECK(rule_of("||a.example^$dnsrewrite=SERVFAIL") == "servfail a.example");
  CHECK(rule_of("||a.example^$dnsrewrite=0.0.0.0") == "block a.example");
  CHECK(rule_of("|a.example^$dnsrewrite=1.2.3.4") == "rewrite =a.example to=1.2.3.4");
  for (const char* const value : {"", "refused!", "A:NOERROR:127.0.0.1", "1.2.3.4.5"})
    CHECK(fault_of(std::string("||a.example^$dnsrewrite=") + value) == LineFault::not_understood);
}

TEST_CASE("$dnsrewrite in full: code, type and value") {
  const auto rewrite = [](const std::string& value) {
    return rule_of("||a.example^$dnsrewrite=" + value);
  };
  CHECK(rewrite("NOERROR;A;1.2.3.4") == "rewrite a.example to=1.2.3.4");
  CHECK(rewrite("NOERROR;AAAA;abcd::1234") == "rewrite a.example to=abcd::1234");
  CHECK(rewrite("NOERROR;CNAME;example.net.") == "rewrite a.example to=example.net");
  CHECK(rewrite("NOERROR;PTR;example.net.") == "rewrite a.example to=PTR example.net.");
  CHECK(rewrite("NOERROR;MX;32 example.mail") == "rewrite a.example to=MX 32 example.mail");
  CHECK(rewrite("NOERROR;TXT;hello_world") == "rewrite a.example to=TXT hello_world");
  CHECK(rewrite("NOERROR;SRV;10 60 8080 example.com") ==
        "rewrite a.example to=SRV 10 60 8080 example.com");
  CHECK(rewrite("NOERROR;HTTPS;32 example.com alpn=h3") ==
        "rewrite a.example to=HTTPS 32 example.com alpn=h3");
  CHECK(rewrite("NOERROR;SVCB;32 example.com alpn=h3") ==
        "rewrite a.example to=SVCB 32 example.com alpn=h3");
  CHECK(rewrite("NXDOMAIN;;") == "nxdomain a.example");
  CHECK(rewrite("REFUSED;;") == "refused a.example");
  CHECK(rewrite("SERVFAIL;;") == "servfail a.example");
  CHECK(rewrite("nxdomain;;") == "nxdomain a.example");
  CHECK(rewrite("noerror;a;1.2.3.4") == "rewrite a.example to=1.2.3.4");
  CHECK(rewrite("NOERROR;;") == "nodata a.example");
  for (const char* const value :
       {"NOERROR;A;abcd::1", "NOERROR;AAAA;1.2.3.4", "NOERROR;A;", "NOERROR;SOA;x", "YXDOMAIN;;",
        "NXDOMAIN;A;1.2.3.4", "NOERROR;MX;mail", "NOERROR;SRV;1 2 x", "NOERROR;HTTPS;x",
        "NOERROR;;x", ";;", "NOERROR;CNAME;a..b"})
    CHECK(fault_of(std::string("||a.example^$dnsrewrite=") + value) == LineFault::not_understood);
}

TEST_CASE("an exception from a rewrite takes that rewrite of its list away") {
  CHECK(rule_of("@@||a.example^$dnsrewrite=1.2.3.4") == "bad rewrite a.example to=1.2.3.4");
  CHECK(fault_of("@@||a.example^$dnsrewrite") == LineFault::not_understood);
}

TEST_CASE("Adblock lists hold lines of hosts files and addresses of answers too") {
  CHECK(rule_of("0.0.0.0 a.example") == "block =a.example");
  CHECK(rule_of("1.2.3.4 a.example") == "rewrite =a.example to=1.2.3.4");
  CHECK(fault_of("1.2.3.4 a.example", false) == LineFault::not_trusted);
  CHECK(rule_of("||192.0.2.1^") == "block 192.0.2.1/32");
  CHECK(rule_of("192.0.2.1") == "block 192.0.2.1/32");
}

TEST_CASE("an Adblock list that is not trusted neither redirects nor overrides") {
  for (const char* const line :
       {"||bank.example^$dnsrewrite=203.0.113.1", "||bank.example^$dnsrewrite=evil.example",
        "||bank.example^$dnsrewrite=NOERROR;TXT;x", "@@||evil.example^$important"}) {
    CAPTURE(line);
    CHECK(fault_of(line, false) == LineFault::not_trusted);
    CHECK_FALSE(rule_of(line, true).empty());
  }
  // What stays inside the list, or only says how to block, it may.
  CHECK(rule_of("@@||a.example^", false) == "allow a.example");
  CHECK(rule_of("||a.example^$important", false) == "block a.example");
  CHECK(rule_of("||a.example^$dnsrewrite=NXDOMAIN", false) == "nxdomain a.example");
}

TEST_CASE("a list of kind allow makes exceptions of its rules") {
  auto list = a_list(Format::adblock);
  list.allows = true;
  CHECK(parse(list, "||a.example^\n@@||b.example^\n/^c/\n||d.example^$dnstype=A\n").rules ==
        Rules{"allow a.example", "allow b.example", "allow /(?i)^c/", "allow d.example type=A"});
  CHECK(parse(list, "||com^").faults(LineFault::public_suffix) == 1);
  CHECK(parse(list, "/.*/").faults(LineFault::public_suffix) == 1);
}

TEST_CASE("an Adblock rule for a public suffix is refused unless forced") {
  for (const char* const line : {"||com^", "||co.uk^", "||*.com^", "||kawasaki.jp^", "*", "||*^",
                                 "com^", "||*com^", ".com^", "||com^$dnstype=A"}) {
    CAPTURE(line);
    CHECK(fault_of(line) == LineFault::public_suffix);
  }
  CHECK(rule_of("|com^") == "block =com");
  CHECK(rule_of("@@||com^") == "allow com");
  auto forced = a_list(Format::adblock);
  forced.force = true;
  CHECK(parse(forced, "||zip^\n||*^\n").rules == Rules{"block zip", "block ."});
}

TEST_CASE("lines that give one name several records are one rule") {
  const auto parsed = parse(a_list(Format::adblock, true),
                            "||a.example^$dnsrewrite=1.2.3.4\n"
                            "||a.example^$dnsrewrite=NOERROR;A;1.2.3.5\n"
                            "||a.example^$dnsrewrite=NOERROR;AAAA;abcd::1\n"
                            "||a.example^$dnsrewrite=NOERROR;TXT;hello\n"
                            "|a.example^$dnsrewrite=1.2.3.6\n"
                            "|a.example^$dnsrewrite=1.2.3.7,client=kid\n"
                            "||b.example^\n"
                            "|a.example^$dnsrewrite=1.2.3.8,client=kid\n"
                            "|a.example^$dnsrewrite=b.example,client=kid\n");
  CHECK(parsed.rules == Rules{"rewrite a.example to=1.2.3.4 to=1.2.3.5 to=abcd::1 to=TXT hello",
                              "rewrite =a.example to=1.2.3.6",
                              "rewrite =a.example client=kid to=1.2.3.7", "block b.example",
                              "rewrite =a.example client=kid to=1.2.3.8",
                              "rewrite =a.example client=kid to=b.example"});
  CHECK(parsed.report.rules == 6);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "||a.example^$dnsrewrite=1.2.3.4\n";
  CHECK(parse(a_list(Format::adblock, true), many).rules.size() == 4);
}

TEST_CASE("no more expressions are read than can be used") {
  std::string many;
  for (int i = 0; i < 21'000; ++i) many += "/(/\n";
  const auto parsed = parse(a_list(Format::adblock), many + "/good/\n||a.example^\n");
  CHECK(parsed.rules == Rules{"block a.example"});
  CHECK(parsed.faults(LineFault::bad_pattern) == 21'001);
}

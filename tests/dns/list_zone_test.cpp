// dnsmasq lines and RPZ zone files.
#include "tests/dns/list_support.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::dns;
using culvert::dns::testing::a_list;
using culvert::dns::testing::parse;
using Format = ListSettings::Format;
using Rules = std::vector<std::string>;

TEST_CASE("dnsmasq: address=, server= and local= for domains and all below") {
  const auto parsed = parse(a_list(Format::dnsmasq, true),
                            "# comment\n"
                            "address=/ads.example/track.example/0.0.0.0\n"
                            "address=/six.example/::\n"
                            "address=/null.example/#\n"
                            "address=/gone.example/\n"
                            "address=/home.example/192.168.1.1  # mine\n"
                            "local=/corp.example/\n"
                            "server=/lan.example/\n"
                            "server=/work.example/10.0.0.53\n"
                            "server=/port.example/10.0.0.53#5353@eth0\n"
                            "server=/six.example/fd00::53#54\n"
                            "server=/www.lan.example/#\n"
                            "--address=/.dot.example/0.0.0.0\n"
                            "address=/*.star.example/0.0.0.0\n");
  CHECK(parsed.rules ==
        Rules{"block ads.example", "block track.example", "block six.example", "block null.example",
              "nxdomain gone.example", "rewrite home.example to=192.168.1.1",
              "nxdomain corp.example", "nxdomain lan.example", "forward work.example at=10.0.0.53",
              "forward port.example at=10.0.0.53:5353", "forward six.example at=[fd00::53]:54",
              "allow www.lan.example", "block dot.example", "block *.star.example"});
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("dnsmasq: a comment follows any white space") {
  const auto parsed = parse(a_list(Format::dnsmasq),
                            "local=/a.example/\t# tab\nlocal=/b.example/  # blanks\n"
                            "address=/c.example/#\t# one sign is no comment\n");
  CHECK(parsed.rules == Rules{"nxdomain a.example", "nxdomain b.example", "block c.example"});
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("dnsmasq: bogus-nxdomain= is about answers") {
  const auto parsed = parse(a_list(Format::dnsmasq),
                            "bogus-nxdomain=192.0.2.1\nbogus-nxdomain=2001:db8::/48 # range\n"
                            "bogus-nxdomain=example.com\nbogus-nxdomain=0.0.0.0/0\n");
  CHECK(parsed.rules == Rules{"nxdomain 192.0.2.1/32", "nxdomain 2001:db8::/48"});
  CHECK(parsed.faults(LineFault::not_understood) == 1);
  CHECK(parsed.faults(LineFault::public_suffix) == 1);
}

TEST_CASE("dnsmasq: what is not about domains, or not to be read, is counted") {
  const auto parsed = parse(a_list(Format::dnsmasq, true),
                            "server=8.8.8.8\nno-resolv\ncache-size=100\naddress=/x.example/1.2.3\n"
                            "server=/x.example/dns.example\nserver=/x.example/1.1.1.1#99999\n"
                            "address=//1.2.3.4\naddress=/a..b/0.0.0.0\naddress=x\naddress=/\n"
                            "ipset=/x.example/set\naddress=/\xff/0.0.0.0\n");
  CHECK(parsed.rules.empty());
  CHECK(parsed.faults(LineFault::not_understood) == 9);
  CHECK(parsed.faults(LineFault::bad_name) == 3);
}

TEST_CASE("dnsmasq: a list that is not trusted neither redirects nor forwards, nor blocks all") {
  const auto parsed = parse(a_list(Format::dnsmasq),
                            "address=/bank.example/203.0.113.1\nserver=/bank.example/203.0.113.1\n"
                            "address=/com/0.0.0.0\naddress=/#/0.0.0.0\naddress=/ok.example/\n");
  CHECK(parsed.rules == Rules{"nxdomain ok.example"});
  CHECK(parsed.faults(LineFault::not_trusted) == 2);
  CHECK(parsed.faults(LineFault::public_suffix) == 2);
}

TEST_CASE("RPZ: every policy by name, with owners relative to the zone or absolute") {
  const auto parsed = parse(a_list(Format::rpz, true),
                            "$TTL 1h ; default\n"
                            "$ORIGIN rpz.example.\n"
                            "@ IN SOA ns.example. root.example. (\n"
                            "    1 ; serial\n    3600 600 86400 60 )\n"
                            "  IN NS ns.example.\n"
                            "nx.example.com            CNAME .\n"
                            "*.nx.example.com 300 IN   CNAME .\n"
                            "nodata.example.com        IN 300 CNAME *.\n"
                            "pass.example.com          CNAME rpz-passthru.\n"
                            "drop.example.com.rpz.example. CNAME rpz-drop.\n"
                            "tcp.example.com.RPZ.Example.  cname rpz-tcp-only.\n"
                            "garden.example.com        CNAME walled.example.net.\n"
                            "old.example.com           CNAME old.example.com.\n"
                            "data.example.com          A 192.0.2.1\n"
                            "                          AAAA 2001:db8::1\n"
                            "null.example.com          A 0.0.0.0\n"
                            "mail.example.com          MX 10 mx.example.net.\n"
                            "text.example.com          TXT \"a;b (c)\" ; comment\n"
                            "$ORIGIN sub.rpz.example.\n"
                            "deep                      CNAME .\n");
  CHECK(parsed.rules ==
        Rules{"nxdomain =nx.example.com", "nxdomain *.nx.example.com", "nodata =nodata.example.com",
              "allow =pass.example.com", "drop =drop.example.com", "tcp =tcp.example.com",
              "rewrite =garden.example.com to=walled.example.net", "allow =old.example.com",
              "rewrite =data.example.com to=192.0.2.1 to=2001:db8::1", "block =null.example.com",
              "rewrite =mail.example.com to=MX 10 mx.example.net.",
              "rewrite =text.example.com to=TXT \"a;b (c)\"", "nxdomain =deep.sub"});
  CHECK(parsed.all_faults() == 0);
}

TEST_CASE("RPZ: a zone that says nowhere what it is called has its triggers as they stand") {
  CHECK(parse(a_list(Format::rpz), "a.example CNAME .\nb.example. CNAME .\n").rules ==
        Rules{"nxdomain =a.example", "nxdomain =b.example"});
  CHECK(parse(a_list(Format::rpz), "@ SOA a. b. 1 2 3 4 5\na.example CNAME .\n").rules ==
        Rules{"nxdomain =a.example"});
}

TEST_CASE("RPZ: answers are triggered on by address, IPv6 with zz for its gap") {
  const auto parsed = parse(a_list(Format::rpz),
                            "$ORIGIN rpz.\n"
                            "32.1.2.0.192.rpz-ip CNAME .\n"
                            "24.0.2.0.192.rpz-ip.rpz. CNAME *.\n"
                            "48.zz.101.db8.2001.rpz-ip CNAME .\n"
                            "128.1.zz.db8.2001.rpz-ip CNAME rpz-passthru.\n"
                            "128.57.zz.101.db8.2001.rpz-ip CNAME rpz-drop.\n"
                            "128.8.7.6.5.4.3.2.1.rpz-ip CNAME .\n"
                            "128.1.zz.rpz-ip CNAME .\n"
                            "8.0.0.0.10.rpz-ip CNAME rpz-tcp-only.\n");
  CHECK(parsed.rules == Rules{"nxdomain 192.0.2.1/32", "nodata 192.0.2.0/24",
                              "nxdomain 2001:db8:101::/48", "allow 2001:db8::1/128",
                              "drop 2001:db8:101::57/128", "nxdomain 1:2:3:4:5:6:7:8/128",
                              "nxdomain ::1/128", "tcp 10.0.0.0/8"});
  CHECK(parsed.all_faults() == 0);
  const auto bad = parse(a_list(Format::rpz),
                         "33.1.2.0.192.rpz-ip CNAME .\n0.0.0.0.0.rpz-ip CNAME .\n"
                         "24.0.2.192.rpz-ip CNAME .\n128.zz.zz.1.rpz-ip CNAME .\n"
                         "129.1.zz.rpz-ip CNAME .\n.rpz-ip CNAME .\n");
  CHECK(bad.rules.empty());
  CHECK(bad.faults(LineFault::bad_name) == 5);
  CHECK(bad.faults(LineFault::public_suffix) == 1);
}

TEST_CASE("RPZ: triggers and actions that are not known are counted, signatures are not") {
  const auto parsed = parse(a_list(Format::rpz, true),
                            "ns.example.rpz-nsdname CNAME .\n24.0.2.0.192.rpz-nsip CNAME .\n"
                            "x.example CNAME rpz-unknown.\n"
                            "x.example CNAME *.garden.example.\nx.example A 1.2.3\n"
                            "x.example AAAA 1.2.3.4\nx.example LOC 1\nx.example\n"
                            "$INCLUDE /etc/passwd\n"
                            "x.example RRSIG CNAME 8 2 60 x\nx.example NSEC y.example CNAME\n");
  CHECK(parsed.rules.empty());
  CHECK(parsed.faults(LineFault::not_understood) == 7);
  CHECK(parsed.faults(LineFault::name_servers) == 2);
  const auto outside = parse(a_list(Format::rpz, true), "$ORIGIN rpz.\nx.example. CNAME .\n");
  CHECK(outside.faults(LineFault::bad_name) == 1);
}

TEST_CASE("RPZ: clients are triggered on by address, in a zone that is trusted") {
  constexpr std::string_view zone =
      "$ORIGIN rpz.\n"
      "24.0.8.8.10.rpz-client-ip CNAME .\n"
      "32.2.0.8.10.rpz-client-ip.rpz. CNAME rpz-passthru.\n"
      "128.2.zz.fd08.rpz-client-ip A 192.0.2.9\n"
      "33.2.0.8.10.rpz-client-ip CNAME .\n";
  const auto parsed = parse(a_list(Format::rpz, true), zone);
  CHECK(parsed.rules == Rules{"important nxdomain . client=10.8.8.0/24",
                              "important allow . client=10.8.0.2/32",
                              "important rewrite . client=fd08::2/128 to=192.0.2.9"});
  CHECK(parsed.faults(LineFault::bad_name) == 1);
  const auto feed = parse(a_list(Format::rpz), zone);
  CHECK(feed.rules.empty());
  CHECK(feed.faults(LineFault::not_trusted) == 3);
}

TEST_CASE("RPZ: a zone that is not trusted does not redirect") {
  const auto parsed = parse(a_list(Format::rpz),
                            "a.example CNAME evil.example.\nb.example A 203.0.113.1\n"
                            "c.example TXT x\nd.example CNAME .\n*.com CNAME .\n* CNAME .\n");
  CHECK(parsed.rules.size() == 1);
  CHECK(parsed.faults(LineFault::not_trusted) >= 2);
  CHECK(parsed.faults(LineFault::public_suffix) == 2);
}

TEST_CASE("RPZ: a parenthesis that nobody closes does not eat the list") {
  std::string text = "x.example CNAME (\n";
  for (int i = 0; i < 3000; ++i) text += "pad.example\n";
  const auto parsed = parse(a_list(Format::rpz), text + "y.example CNAME .\n");
  CHECK(parsed.faults(LineFault::too_long) == 1);
  CHECK(parsed.rules == Rules{"nxdomain =y.example"});
  CHECK(parse(a_list(Format::rpz), "x.example CNAME (\n.\n").faults(LineFault::not_understood) ==
        1);
}

#include "dns/record_text.hpp"

#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;

namespace {

// The RDATA as hexadecimal digits, or the error.
std::string rdata(const char* type, std::string_view value) {
  const auto parsed = parse_rdata(parse_type(type).value(), value);
  return parsed ? test::hex(*parsed) : parsed.error();
}

std::string hex_of(std::string_view octets) {
  return test::hex(test::octets(octets));
}

}  // namespace

TEST_CASE("addresses and names are read") {
  CHECK(rdata("A", " 192.0.2.1 ") == "c0000201");
  CHECK(rdata("AAAA", "2001:db8::1") == "20010db8000000000000000000000001");
  CHECK(rdata("CNAME", "Www.Example.COM.") == hex_of("03 'www 07 'example 03 'com 00"));
  CHECK(rdata("PTR", ".") == "00");
  CHECK(rdata("NS", "a\\.b.c") == hex_of("03 'a.b 01 'c 00"));
  CHECK(rdata("MX", "10 mail.lan") == hex_of("000a 04 'mail 03 'lan 00"));
  CHECK(rdata("SRV", "1 2 443 s.lan") == hex_of("0001 0002 01bb 01 's 03 'lan 00"));
  CHECK(rdata("CAA", "128 issue \"ca.example\"") == hex_of("80 05 'issue 'ca.example"));
  CHECK(rdata("HINFO", "\"my cpu\" os") == hex_of("06 'my 20 'cpu 02 'os"));
}

TEST_CASE("text is one string without quotes, several with, and cut at 255 octets") {
  CHECK(rdata("TXT", "v=spf1 -all") == hex_of("0b 'v=spf1 20 '-all"));
  CHECK(rdata("TXT", "\"a b\" \"c\"") == hex_of("03 'a 20 'b 01 'c"));
  CHECK(rdata("TXT", "\"\"") == "00");
  CHECK(rdata("TXT", "a\\\"b\\092\\010") == "05" + hex_of("'a 22 'b 5c 0a"));
  CHECK(rdata("TXT", "\"a\\\"b\"") == hex_of("03 'a\"b"));
  const std::string text(300, 'x');
  CHECK(rdata("TXT", text) == "ff" + test::hex(test::Octets(255, std::byte('x'))) + "2d" +
                                  test::hex(test::Octets(45, std::byte('x'))));
}

TEST_CASE("services are read with their parameters in order") {
  CHECK(rdata("HTTPS", "1 . alpn=h2") == hex_of("0001 00 0001 0003 02 'h2"));
  CHECK(rdata("HTTPS", "0 svc.lan") == hex_of("0000 03 'svc 03 'lan 00"));
  CHECK(rdata("SVCB",
              "1 a.lan port=8443 alpn=\"h2,h3\" ipv6hint=2001:db8::1 ipv4hint=192.0.2.1,192.0.2.2 "
              "ech=AEX+DQ== no-default-alpn mandatory=port,alpn") ==
        hex_of("0001 01 'a 03 'lan 00 0000 0004 0001 0003 0001 0006 02 'h2 02 'h3 0002 0000"
               "0003 0002 20fb 0004 0008 c0000201 c0000202 0005 0004 0045fe0d"
               "0006 0010 20010db8000000000000000000000001"));
  CHECK(rdata("HTTPS", "1 . dohpath=/q{?dns} key65280=\"a b\"") ==
        hex_of("0001 00 0007 0008 '/q{?dns} ff00 0003 'a 20 'b"));
  CHECK(rdata("HTTPS", "1 . alpn=f\\\\\\092oo\\\\,bar,h2") ==  // RFC 9460 figure 10
        hex_of("0001 00 0001 000c 08 'f\\oo,bar 02 'h2"));
}

TEST_CASE("the RFC 3597 form is read for every type, and checked for known ones") {
  CHECK(rdata("TYPE65300", "\\# 3 0102 03") == "010203");
  CHECK(rdata("TYPE65300", "\\# 0") == "");
  CHECK(rdata("A", "\\# 4 C0000201") == "c0000201");
  CHECK(rdata("A", "\\# 3 c00002") == "these octets are no A");
  CHECK(rdata("CNAME", "\\# 2 c00c") == "these octets are no CNAME");
  CHECK(rdata("TYPE65300", "\\# 3 0102") == "\\# says 3 octets, the digits are of 2");
  CHECK(rdata("TYPE65300", "\\# 1 012").starts_with("\\# says 1 octets"));
  CHECK(rdata("TYPE65300", "\\# 1 0g") == "\"0g\" is not hexadecimal");
  CHECK(rdata("TYPE65300", "\\# x") == "\\# has to be followed by a length from 0 to 65535");
}

TEST_CASE("wrong values say what is wrong") {
  CHECK(rdata("A", "192.0.2.1 192.0.2.2") == "\"192.0.2.1\" found, an IPv4 address expected");
  CHECK(rdata("MX", "mail.lan") == "1 words found, PREFERENCE NAME expected");
  CHECK(rdata("MX", "70000 mail.lan") == "preference \"70000\" is no number from 0 to 65535");
  CHECK(rdata("SRV", "1 2 3 a..b") == "\"a..b\" is no domain name");
  CHECK(rdata("CAA", "0 is-sue x") == "the tag \"is-sue\" has to be of letters and digits");
  CHECK(rdata("TXT", "\"open") == "a quote is opened in \"\"open\" and not closed");
  CHECK(rdata("TXT", "\"a\"b") == "\"\"a\"b\" goes on behind its quotes");
  CHECK(rdata("TXT", "\\300") == "\"\\300\" has a \\ that no number from 000 to 255 follows");
  CHECK(rdata("TXT", "x\\").ends_with("ends with a backslash"));
  CHECK(rdata("HTTPS", "1") == "PRIORITY TARGET key=value... expected, such as 1 . alpn=h2");
  CHECK(rdata("HTTPS", "1 . colour=red").starts_with("\"colour\" is no parameter of a service"));
  CHECK(rdata("HTTPS", "1 . port=1 port=2") == "the parameter \"port\" is there twice");
  CHECK(rdata("HTTPS", "1 . ipv4hint=::1") == "\"::1\" is no IPv4 address");
  CHECK(rdata("HTTPS", "1 . ech=abc") == "ech has to be base64, with its padding");
  CHECK(rdata("HTTPS", "1 . mandatory=alpn") == "mandatory names a key that is not there");
  CHECK(rdata("HTTPS", "0 . alpn=h2") == "priority 0 is an alias, which has no parameters");
  CHECK(rdata("TYPE65300", "abc") == "the value of TYPE65300 has to be written as \\# LENGTH HEX");
  for (const char* const meta : {"OPT", "AXFR", "ANY", "SOA", "TYPE0", "TSIG"})
    CHECK(rdata(meta, "\\# 0").ends_with("is no type that a record may have"));
  CHECK(rdata("A", std::string("\x1b[31m") + std::string(100, 'x')) ==
        "\"?[31m" + std::string(59, 'x') + "...\" found, an IPv4 address expected");
}

// How upstreams are written in the configuration.
#include "dns/upstreams.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using culvert::dns::UpstreamAddress;
using Kind = culvert::dns::UpstreamAddress::Kind;

namespace {

const std::string pin = "l/vDrVmBrUDIiuAlYsCvvNYVmQ/RRR3w3yDkXxhIYQI=";

UpstreamAddress read(const std::string& text) {
  const auto address = UpstreamAddress::parse(text);
  INFO(text << ": " << (address ? "" : address.error()));
  REQUIRE(address);
  return *address;
}

}  // namespace

TEST_CASE("an address alone is asked over UDP on port 53") {
  const UpstreamAddress address = read("9.9.9.9");
  CHECK(address.kind == Kind::udp);
  CHECK(address.host == "9.9.9.9");
  CHECK(address.port == 53);
  REQUIRE(address.addresses.size() == 1);
  CHECK_FALSE(address.encrypted());
  CHECK(read("2620:fe::fe").port == 53);
  CHECK(read("[2620:fe::fe]:5353").port == 5353);
}

TEST_CASE("schemes choose transport and port") {
  CHECK(read("tcp://9.9.9.9").kind == Kind::tcp);
  CHECK(read("tls://dns.quad9.net").port == 853);
  CHECK(read("tls://dns.quad9.net").addresses.empty());
  CHECK(read("TLS://DNS.Quad9.NET.").host == "dns.quad9.net");
  const UpstreamAddress https = read("https://dns.example:8443/q#192.0.2.1,2001:db8::1");
  CHECK(https.kind == Kind::https);
  CHECK(https.port == 8443);
  CHECK(https.path == "/q");
  CHECK(https.addresses.size() == 2);
  CHECK(read("https://dns.example").path == "/dns-query");
  CHECK(read("https://dns.example/q{?dns}").path == "/q");
}

TEST_CASE("behind # stand the certificate's name, its pin and addresses") {
  CHECK(read("tls://9.9.9.9#dns.quad9.net").name == "dns.quad9.net");
  CHECK(read("tls://9.9.9.9#sha256/" + pin).pin == pin);
  CHECK(read("tls://dns.example#192.0.2.1,sha256/" + pin).addresses.size() == 1);
  CHECK(read("tls://dns.example#dns.example").name.empty());
}

TEST_CASE("an upstream that is written out is read back the same") {
  const std::string texts[] = {"9.9.9.9",
                               "2620:fe::fe",
                               "[2620:fe::fe]:5353",
                               "tcp://[2620:fe::fe]",
                               "tls://9.9.9.9#dns.quad9.net",
                               "tls://192.0.2.1:8853#dns.example,sha256/" + pin,
                               "https://dns.example/dns-query#192.0.2.1,2001:db8::1",
                               "https://[2001:db8::1]:444/x?y"};
  for (const std::string& text : texts) {
    CHECK(read(text).to_string() == text);
    CHECK(read(read(text).to_string()) == read(text));
  }
  CHECK(read("udp://9.9.9.9:53").to_string() == "9.9.9.9");
}

TEST_CASE("a misspelt upstream is refused with what was expected") {
  const std::string texts[] = {"",
                               "9.9.9",
                               "300.1.1.1",
                               "9.9.9.9:0",
                               "9.9.9.9:65536",
                               "9.9.9.9:",
                               "[9.9.9.9]:53",
                               "[2620:fe::fe",
                               "[2620:fe::fe]53",
                               "quic://9.9.9.9",
                               "tls://",
                               "tls://a b",
                               "tls://9.9.9.9#",
                               "tls://9.9.9.9#sha256/short",
                               "9.9.9.9#name",
                               "tls://-bad-.example",
                               "0.0.0.0",
                               "https://dns.example/{x}",
                               "a\nb",
                               "tls://" + std::string(64, 'a') + ".example",
                               std::string(2000, 'a')};
  for (const std::string& text : texts) {
    const auto address = UpstreamAddress::parse(text);
    INFO(text);
    REQUIRE_FALSE(address);
    CHECK(address.error().find("expected") != std::string::npos);
    CHECK(address.error().find('\n') == std::string::npos);
  }
  CHECK_FALSE(UpstreamAddress::parse("tls://9.9.9.9/path"));
  CHECK_FALSE(UpstreamAddress::parse("tls://9.9.9.9#9.9.9.10"));
  CHECK_FALSE(UpstreamAddress::parse("9.9.9.9#sha256/" + pin));
}

#include "dns/message_writer.hpp"

#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using test::name;
using test::octets;
using test::operator+;
using test::Octets;
using Section = Record::Section;

namespace {

struct Asked {
  explicit Asked(Octets bytes) : message(std::move(bytes)) {
    REQUIRE(read_query(message, query) == QueryFault::none);
  }
  AnswerWriter writer(std::size_t room = 1232) { return {buffer, room, query}; }

  Octets message;
  Query query;
  std::array<std::byte, 65535> buffer;
};

std::string hex_of(const Octets& bytes) {
  return test::hex(bytes);
}
const base::IpAddress address = *base::IpAddress::parse("192.0.2.1");

// Octets of OPT's RDATA of an answer; "none" without OPT.
std::string opt_of(base::Bytes message) {
  MessageReader reader(message);
  Record record;
  while (reader.next(record))
    if (record.type == type::opt) return test::hex(record.rdata);
  return "none";
}

}  // namespace

TEST_CASE("an answer has the query's ID, flags and question in the sender's case") {
  Asked asked(octets("abcd 0110 0001 0000 0000 0000 03 'wWw 00 0001 0001"));
  auto writer = asked.writer();
  writer.add_address(name("www"), address, 60);
  CHECK(test::hex(writer.finish()) ==
        hex_of(octets("abcd 8190 0001 0001 0000 0000 03 'wWw 00 0001 0001"
                      "c00c 0001 0001 0000003c 0004 c0000201")));
}

TEST_CASE("flags and rcode are set") {
  Asked asked(test::query("a", 1));
  auto writer = asked.writer();
  writer.set_authoritative();
  writer.set_authentic();
  writer.set_rcode(rcode::nxdomain);
  const Header header = MessageReader(writer.finish()).header();
  CHECK((header.response && header.authoritative && header.authentic_data));
  CHECK((header.recursion_available && header.recursion_desired && !header.checking_disabled));
  CHECK(header.rcode == rcode::nxdomain);
}

TEST_CASE("owners are compressed against the question as far as they share labels with it") {
  Asked asked(test::query("www.example.com", 1));
  const auto owner_of = [&](const char* text) {
    auto writer = asked.writer();
    writer.add(Section::answer, name(text), 10, 0, {});
    const base::Bytes message = writer.finish();
    return test::hex(message.subspan(33, message.size() - 33 - 10));
  };
  CHECK(owner_of("www.example.com") == "c00c");
  CHECK(owner_of("example.com") == "c010");
  CHECK(owner_of("com") == "c018");
  CHECK(owner_of(".") == "00");
  CHECK(owner_of("x.y.example.com") == hex_of(octets("01 'x 01 'y c010")));
  CHECK(owner_of("x.www.example.com") == hex_of(octets("01 'x c00c")));
  CHECK(owner_of("xample.com") == hex_of(octets("06 'xample c018")));
  CHECK(owner_of("example.net") == hex_of(octets("07 'example 03 'net 00")));
  CHECK(owner_of("com.example") == hex_of(octets("03 'com 07 'example 00")));
}

TEST_CASE("a question for the root has nothing to point to") {
  Asked asked(octets("0001 0000 0001 0000 0000 0000 00 0002 0001"));
  auto writer = asked.writer();
  writer.add(Section::answer, Name(), type::ns, 1, octets("01 'a 00"));
  CHECK(test::hex(writer.finish()) == hex_of(octets("0001 8080 0001 0001 0000 0000 00 0002 0001"
                                                    "00 0002 0001 00000001 0003 01 'a 00")));
}

TEST_CASE("a negative answer has an SOA whose TTL and MINIMUM are the same") {
  Asked asked(test::query("a.example", 1));
  auto writer = asked.writer();
  writer.add_soa(name("example"), 30);
  CHECK(test::hex(writer.finish()) ==
        hex_of(octets("1234 8180 0001 0000 0001 0000 01 'a 07 'example 00 0001 0001"
                      "c00e 0006 0001 0000001e 0026 c00e 06 'nobody 07 'invalid 00"
                      "00000001 00000e10 000004b0 00093a80 0000001e")));
}

TEST_CASE("records have the class of the question, and IN where it is ANY") {
  for (const unsigned asked_class : {1u, 3u, 255u}) {
    Octets message = test::query("a", type::txt);
    message.back() = std::byte(asked_class);
    Asked asked(message);
    auto writer = asked.writer();
    writer.add(Section::answer, name("a"), type::txt, 0, octets("00"));
    MessageReader reader(writer.finish());
    Record record;
    REQUIRE(reader.next(record));
    CHECK(record.class_ == (asked_class == 255 ? 1 : asked_class));
  }
}

TEST_CASE("OPT is there only if the query had it, with DO as it came") {
  Asked without(test::query("a", 1));
  CHECK(opt_of(without.writer().finish()) == "none");
  Asked with(
      octets("1234 0100 0001 0000 0000 0001 01 'a 00 0001 0001 00 0029 1000 00008000 0008 000a "
             "0004 01020304"));
  CHECK(test::hex(with.writer().finish()) ==
        hex_of(
            octets("1234 8180 0001 0000 0000 0001 01 'a 00 0001 0001 00 0029 04d0 00008000 0000")));
}

TEST_CASE("an extended rcode is written where there is OPT, else SERVFAIL") {
  Asked with(test::query("a", 1, 1232));
  auto writer = with.writer();
  writer.set_rcode(rcode::badvers);
  const base::Bytes message = writer.finish();
  CHECK(MessageReader(message).header().rcode == 0);
  CHECK(test::hex(message.last(6)) == "010000000000");
  Asked without(test::query("a", 1));
  auto plain = without.writer();
  plain.set_rcode(rcode::badvers);
  CHECK(MessageReader(plain.finish()).header().rcode == rcode::servfail);
}

TEST_CASE("an Extended DNS Error is written with its text, only where there is OPT") {
  Asked with(test::query("a", 1, 1232));
  auto writer = with.writer();
  writer.set_error(ede::blocked, "ads");
  CHECK(opt_of(writer.finish()) == hex_of(octets("000f 0005 000f 'ads")));
  auto bare = with.writer();
  bare.set_error(ede::stale_answer, "");
  CHECK(opt_of(bare.finish()) == hex_of(octets("000f 0002 0003")));
  Asked without(test::query("a", 1));
  auto none = without.writer();
  none.set_error(ede::blocked, "ads");
  CHECK(opt_of(none.finish()) == "none");
}

TEST_CASE("an error's text is cut at 200 octets, not within a character") {
  Asked asked(test::query("a", 1, 1232));
  auto writer = asked.writer();
  writer.set_error(ede::other, std::string(199, 'x') + "\xc3\xa4");
  const std::string rdata = opt_of(writer.finish());
  CHECK(rdata.size() == 2 * (4 + 2 + 199));
  auto fits = asked.writer();
  fits.set_error(ede::other, std::string(198, 'x') + "\xc3\xa4" + "y");
  CHECK(opt_of(fits.finish()).ends_with("c3a4"));
}

TEST_CASE("an error's text gives way to records, and takes no room that is not there") {
  Asked asked(test::query("a", 1, 512));
  for (std::size_t size = 440; size < 500; ++size) {
    auto writer = asked.writer(512);
    writer.add(Section::answer, name("a"), 10, 0, Octets(size - 50));
    writer.set_error(ede::blocked, std::string(150, 'x'));
    const base::Bytes message = writer.finish();
    CHECK(message.size() <= 512);
    CHECK_FALSE(MessageReader(message).header().truncated);
    MessageReader reader(message);
    Record record;
    REQUIRE(reader.next(record));
    REQUIRE(reader.next(record));
    CHECK(read_edns(record));
    CHECK(reader.at_end());
  }
}

TEST_CASE("what does not fit sets TC and leaves the question and OPT") {
  for (const std::uint16_t edns : {std::uint16_t{0}, std::uint16_t{1232}}) {
    Asked asked(test::query("www.example.com", 1, edns));
    auto writer = asked.writer(512);
    for (int i = 0; i < 100; ++i) writer.add_address(name("www.example.com"), address, 60);
    writer.add_soa(name("example.com"), 60);
    const base::Bytes message = writer.finish();
    CHECK(test::in_words(message) == "NOERROR tc");
    CHECK(message.size() == 33u + (edns ? 11 : 0));
  }
}

TEST_CASE("the room is used to the last octet") {
  for (const std::uint16_t edns : {std::uint16_t{0}, std::uint16_t{1232}}) {
    const std::size_t opt = edns ? 11 : 0;
    for (std::size_t extra : {0, 1}) {
      Asked asked(test::query("a", 1, edns));
      auto writer = asked.writer(600);
      writer.add(Section::answer, name("a"), 10, 0, Octets(600 - 19 - 12 - opt + extra));
      const base::Bytes message = writer.finish();
      CHECK(MessageReader(message).header().truncated == (extra == 1));
      CHECK(message.size() == (extra ? 19 + opt : 600));
    }
  }
}

TEST_CASE("the largest message is 65,535 octets") {
  Asked asked(test::query("a", 1));
  auto writer = asked.writer(1'000'000);
  writer.add(Section::answer, name("a"), 10, 0, Octets(65535 - 19 - 12));
  CHECK(writer.finish().size() == 65535);
  auto more = asked.writer(1'000'000);
  more.add(Section::answer, name("a"), 10, 0, Octets(65535 - 19 - 12 + 1));
  CHECK(MessageReader(more.finish()).header().truncated);
  auto absurd = asked.writer(1'000'000);
  absurd.add(Section::answer, name("a"), 10, 0, Octets(70'000));
  CHECK(MessageReader(absurd.finish()).header().truncated);
}

TEST_CASE("a client's room is its payload size, at least 512 and at most ours") {
  const auto room = [](std::uint16_t edns, std::size_t most) {
    Asked asked(test::query("a", 1, edns));
    return udp_room(asked.query, most);
  };
  CHECK(room(0, 1232) == 512);
  CHECK(room(100, 1232) == 512);
  CHECK(room(1000, 1232) == 1000);
  CHECK(room(4096, 1232) == 1232);
  CHECK(room(4096, 200) == 512);
}

// --- queries for upstreams ---

namespace {

Octets written(std::string_view qname, bool dnssec_ok, bool checking_disabled, std::size_t pad) {
  Octets out(512);
  const Octets wire = octets(qname);
  out.resize(
      write_query(out, 0x4321, wire, type::aaaa, class_::in, dnssec_ok, checking_disabled, pad));
  return out;
}

}  // namespace

TEST_CASE("a query for an upstream has RD, our payload and the name as it was given") {
  CHECK(test::hex(written("03 'wWw 00", false, false, 0)) ==
        hex_of(octets(
            "4321 0100 0001 0000 0000 0001 03 'wWw 00 001c 0001 00 0029 04d0 00000000 0000")));
  CHECK(test::hex(written("00", true, true, 0)) ==
        hex_of(octets("4321 0110 0001 0000 0000 0001 00 001c 0001 00 0029 04d0 00008000 0000")));
}

TEST_CASE("a padded query is a multiple of the block (RFC 8467)") {
  for (std::size_t label = 1; label <= 63; ++label) {
    Octets qname{std::byte(label)};
    for (int part = 0; part < 3; ++part) {
      Octets whole;
      for (int i = 0; i <= part; ++i) {
        whole.push_back(std::byte(label));
        whole.insert(whole.end(), label, std::byte('a'));
      }
      whole.push_back(std::byte(0));
      Octets out(512);
      out.resize(write_query(out, 1, whole, 1, 1, false, false, 128));
      REQUIRE(out.size() % 128 == 0);
      Query query;
      REQUIRE(read_query(out, query) == QueryFault::none);
      Option option;
      base::Bytes rest = query.edns->options;
      REQUIRE(next_option(rest, option));
      REQUIRE(option.code == option::padding);
      for (const std::byte b : option.data) REQUIRE(b == std::byte{0});
    }
  }
}

TEST_CASE("padding never goes beyond the buffer") {
  CHECK(written("01 'a 00", false, false, 468).size() == 468);
  CHECK(written("01 'a 00", false, false, 4000).size() == 512);
}

#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using test::name;
using test::octets;
using test::operator+;
using test::Octets;

namespace {

QueryFault fault_of(const Octets& message) {
  Query query;
  return read_query(message, query);
}

const Octets question = octets("01 'a 00 0001 0001");
Octets header(const char* counts, const char* flags = "0100") {
  return octets("1234") + octets(flags) + octets(counts);
}
const Octets opt = octets("00 0029 04d0 00000000 0000");

}  // namespace

TEST_CASE("a query is read with its flags, in the sender's case and in lower case") {
  const Octets message =
      header("0001 0000 0000 0000", "0130") + octets("03 'wWw 07 'eXample 03 'COM 00 001c 0001");
  Query query;
  REQUIRE(read_query(message, query) == QueryFault::none);
  CHECK(query.header.id == 0x1234);
  CHECK(query.header.recursion_desired);
  CHECK(query.header.authentic_data);
  CHECK(query.header.checking_disabled);
  CHECK(query.question.name == name("www.example.com"));
  CHECK(test::hex(query.question.name_sent) == test::hex(octets("03 'wWw 07 'eXample 03 'COM 00")));
  CHECK(query.question.type == type::aaaa);
  CHECK(query.question.class_ == class_::in);
  CHECK_FALSE(query.edns);
}

TEST_CASE("OPT is read with its payload, DO and options") {
  const Octets message = header("0001 0000 0000 0001") + question +
                         octets("00 0029 1000 00008000 000c 000a 0008 0102030405060708");
  Query query;
  REQUIRE(read_query(message, query) == QueryFault::none);
  REQUIRE(query.edns);
  CHECK(query.edns->payload == 4096);
  CHECK(query.edns->dnssec_ok);
  CHECK(query.edns->version == 0);
  Option option;
  base::Bytes rest = query.edns->options;
  REQUIRE(next_option(rest, option));
  CHECK(option.code == option::cookie);
  CHECK(option.data.size() == 8);
  CHECK_FALSE(next_option(rest, option));
}

TEST_CASE("a payload below 512 counts as 512 (RFC 6891 section 6.2.5)") {
  Query query;
  REQUIRE(read_query(test::query("a", 1, 100), query) == QueryFault::none);
  CHECK(query.edns->payload == 512);
}

TEST_CASE("what is no query is met with silence") {
  CHECK(fault_of({}) == QueryFault::silent);
  CHECK(fault_of(octets("1234 0100 0001 0000 0000 00")) == QueryFault::silent);
  CHECK(fault_of(header("0001 0000 0000 0000", "8100") + question) == QueryFault::silent);
  CHECK(fault_of(header("0001 0000 0000 0000", "f900")) == QueryFault::silent);
}

TEST_CASE("only QUERY is implemented") {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    Octets message = header("0001 0000 0000 0000") + question;
    message[2] = std::byte(opcode << 3);
    CHECK(fault_of(message) == QueryFault::opcode);
  }
}

TEST_CASE("a query has one question (RFC 9619)") {
  CHECK(fault_of(header("0000 0000 0000 0000")) == QueryFault::malformed);
  CHECK(fault_of(header("0002 0000 0000 0000") + question + question) == QueryFault::malformed);
  CHECK(fault_of(header("ffff 0000 0000 0000") + question) == QueryFault::malformed);
}

TEST_CASE("a question that is cut, compressed or too long is malformed") {
  const Octets whole = header("0001 0000 0000 0000") + question;
  REQUIRE(fault_of(whole) == QueryFault::none);
  for (std::size_t size = 12; size < whole.size(); ++size)
    CHECK(fault_of(Octets(whole.begin(), whole.begin() + std::ptrdiff_t(size))) ==
          QueryFault::malformed);
  const auto with = [](const Octets& qname) {
    return fault_of(header("0001 0000 0000 0000") + qname + octets("0001 0001"));
  };
  CHECK(with(octets("c00c")) == QueryFault::malformed);  // points to itself
  CHECK(with(octets("01 'a c00c")) == QueryFault::malformed);
  CHECK(with(octets("c004")) == QueryFault::malformed);      // into the header
  CHECK(with(octets("41 'a 00")) == QueryFault::malformed);  // RFC 6891 section 5: 01 is no more
  CHECK(with(octets("80 00")) == QueryFault::malformed);
  Octets labels;
  for (int i = 0; i < 127; ++i) labels = labels + octets("01 'a");
  CHECK(with(labels + octets("00")) == QueryFault::none);
  CHECK(with(labels + octets("01 'a 00")) == QueryFault::malformed);
  CHECK(with(octets("00")) == QueryFault::none);
}

TEST_CASE("octets behind the last record are malformed") {
  CHECK(fault_of(header("0001 0000 0000 0000") + question + octets("00")) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0000 0001") + question + opt + octets("00")) ==
        QueryFault::malformed);
}

TEST_CASE("counts that are not met are malformed") {
  CHECK(fault_of(header("0001 0000 0000 0001") + question) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0000 0002") + question + opt) == QueryFault::malformed);
  CHECK(fault_of(header("0001 ffff ffff ffff") + question + opt) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0000 0000") + question + opt) == QueryFault::malformed);
}

TEST_CASE("OPT is there once, in the additional section, with the root as its owner") {
  CHECK(fault_of(header("0001 0000 0000 0001") + question + opt) == QueryFault::none);
  CHECK(fault_of(header("0001 0000 0000 0002") + question + opt + opt) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0001 0000 0000") + question + opt) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0001 0000") + question + opt) == QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0000 0001") + question +
                 octets("01 'x 00 0029 04d0 00000000 0000")) == QueryFault::malformed);
  CHECK(
      fault_of(header("0001 0000 0000 0001") + question + octets("c00e 0029 04d0 00000000 0000")) ==
      QueryFault::none);  // a root all the same
}

TEST_CASE("options have to fill OPT exactly") {
  const auto with = [](const char* rdata) {
    Octets options = octets(rdata);
    Octets record = octets("00 0029 04d0 00000000");
    record.push_back(std::byte(0)), record.push_back(std::byte(options.size()));
    return fault_of(header("0001 0000 0000 0001") + question + record + options);
  };
  CHECK(with("000a 0000") == QueryFault::none);
  CHECK(with("000a 0001 ff 000a 0000") == QueryFault::none);
  CHECK(with("000a") == QueryFault::malformed);
  CHECK(with("000a 0001") == QueryFault::malformed);
  CHECK(with("000a 0000 00") == QueryFault::malformed);
  CHECK(with("000a ffff 00") == QueryFault::malformed);
}

TEST_CASE("RDLENGTH that lies is malformed") {
  CHECK(fault_of(header("0001 0000 0000 0001") + question + octets("00 0029 04d0 00000000 0001")) ==
        QueryFault::malformed);
  CHECK(fault_of(header("0001 0000 0000 0001") + question +
                 octets("00 0029 04d0 00000000 ffff 000a 0000")) == QueryFault::malformed);
}

TEST_CASE("an EDNS version that is not 0 is told apart, whatever its options look like") {
  Query query;
  const Octets message =
      header("0001 0000 0000 0001") + question + octets("00 0029 04d0 00010000 0003 010203");
  REQUIRE(read_query(message, query) == QueryFault::version);
  CHECK(query.edns->version == 1);
}

TEST_CASE("other records of a query are walked and not looked at") {
  CHECK(fault_of(header("0001 0000 0000 0002") + question + opt +
                 octets("00 00fa 00ff 00000000 0002 ffff")) == QueryFault::none);
  CHECK(fault_of(header("0001 0000 0001 0000") + question +
                 octets("c00c 0006 0001 00000000 0001 00")) == QueryFault::none);
}

TEST_CASE("other classes are read, and type and class are any number") {
  Query query;
  REQUIRE(read_query(header("0001 0000 0000 0000") + octets("07 'version 04 'bind 00 0010 0003"),
                     query) == QueryFault::none);
  CHECK(query.question.class_ == class_::chaos);
  REQUIRE(read_query(header("0001 0000 0000 0000") + octets("00 ffff fffe"), query) ==
          QueryFault::none);
  CHECK(query.question.type == 0xffff);
}

TEST_CASE("a query that is read leaves nothing of the one before") {
  Query query;
  REQUIRE(read_query(test::query("www.example.com", 1, 4096), query) == QueryFault::none);
  REQUIRE(read_query(header("0000 0000 0000 0000"), query) == QueryFault::malformed);
  CHECK(query.question.name_sent.empty());
  CHECK(query.question.name.is_root());
  CHECK_FALSE(query.edns);
}

TEST_CASE("a malformed query keeps its question where that was read") {
  Query query;
  REQUIRE(read_query(header("0001 0000 0000 0000") + question + octets("ff"), query) ==
          QueryFault::malformed);
  CHECK(query.question.name == name("a"));
  REQUIRE(read_query(header("0001 0000 0000 0002") + question + opt + opt, query) ==
          QueryFault::malformed);
  CHECK_FALSE(query.edns);
}

// --- what is said about a fault ---

namespace {

std::string fault_answer(const Octets& message) {
  Query query;
  std::array<std::byte, 512> buffer;
  const QueryFault fault = read_query(message, query);
  return test::hex(write_fault(buffer, query, fault));
}
std::string hex_of(const Octets& bytes) {
  return test::hex(bytes);
}

}  // namespace

TEST_CASE("faults are answered with their rcode, silence with nothing") {
  CHECK(fault_answer(header("0000 0000 0000 0000")) ==
        hex_of(octets("1234 8181 0000 0000 0000 0000")));
  CHECK(fault_answer(header("0001 0000 0000 0000") + question + octets("ff")) ==
        hex_of(octets("1234 8181 0001 0000 0000 0000") + question));
  CHECK(fault_answer(header("0001 0000 0000 0000", "2900") + question) ==
        hex_of(octets("1234 a984 0000 0000 0000 0000")));
  CHECK(fault_answer(header("0001 0000 0000 0001") + question +
                     octets("00 0029 04d0 00ff8000 0000")) ==
        hex_of(octets("1234 8180 0001 0000 0000 0001") + question +
               octets("00 0029 04d0 01008000 0000")));
  CHECK(fault_answer({}).empty());
  CHECK(fault_answer(header("0001 0000 0000 0000", "8100") + question).empty());
}

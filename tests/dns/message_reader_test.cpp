#include <chrono>

#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::dns;
using test::name;
using test::octets;
using test::operator+;
using test::Octets;

namespace {

const Octets question = octets("03 'www 07 'example 03 'com 00 0001 0001");  // at 12; example at 16

Octets response(const char* counts) {
  return octets("1234 8180") + octets(counts) + question;
}

// Reads all there is; the records that were read.
int walk(const Octets& message) {
  MessageReader reader(message);
  Record record;
  int records = 0;
  while (reader.next(record)) ++records;
  return reader.failed() ? -1 : records;
}

}  // namespace

TEST_CASE("a response is walked section by section") {
  const Octets message =
      response("0001 0002 0001 0001") + octets("c00c 0005 0001 0000003c 0004 01 'x c010") +
      octets("01 'x c010 0001 0001 00000e10 0004 c0000201") +
      octets("c010 0002 0001 00000001 0002 c00c") + octets("00 0029 04d0 01008000 0000");
  MessageReader reader(message);
  Question asked;
  REQUIRE(reader.question(asked));
  CHECK(asked.name == name("www.example.com"));
  CHECK_FALSE(reader.question(asked));
  Record record;
  REQUIRE(reader.next(record));
  CHECK(record.section == Record::Section::answer);
  CHECK(record.owner == name("www.example.com"));
  CHECK(record.type == type::cname);
  CHECK(record.ttl == 60);
  CHECK(record.ttl_offset == 33 + 6);
  CHECK(record.rdata_offset == 33 + 12);
  Name target;
  std::size_t end = 0;
  REQUIRE(reader.read_name(record.rdata_offset, record.rdata_offset + record.rdata.size(), target,
                           &end));
  CHECK(target == name("x.example.com"));
  CHECK(end == record.rdata_offset + 4);
  REQUIRE(reader.next(record));
  CHECK(record.owner == name("x.example.com"));
  REQUIRE(reader.next(record));
  CHECK(record.section == Record::Section::authority);
  CHECK_FALSE(reader.at_end());
  REQUIRE(reader.next(record));
  CHECK(record.section == Record::Section::additional);
  const auto edns = read_edns(record);
  REQUIRE(edns);
  CHECK(edns->extended_rcode == 1);
  CHECK(edns->dnssec_ok);
  CHECK_FALSE(reader.next(record));
  CHECK_FALSE(reader.failed());
  CHECK(reader.at_end());
}

TEST_CASE("the header's flags and rcode are read") {
  const Header h = MessageReader(octets("ffff 86b3 0000 0000 0000 0000")).header();
  CHECK((h.response && h.authoritative && h.truncated && !h.recursion_desired));
  CHECK((h.recursion_available && h.authentic_data && h.checking_disabled));
  CHECK(h.rcode == rcode::nxdomain);
  CHECK(h.opcode == 0);
}

TEST_CASE("a TTL with the top bit set is 0 (RFC 2181 section 8), but not that of OPT") {
  const Octets message = response("0001 0001 0000 0001") +
                         octets("c00c 0001 0001 80000001 0004 c0000201") +
                         octets("00 0029 04d0 ff000000 0000");
  MessageReader reader(message);
  Record record;
  REQUIRE(reader.next(record));
  CHECK(record.ttl == 0);
  REQUIRE(reader.next(record));
  CHECK(read_edns(record)->extended_rcode == 0xff);
}

TEST_CASE("pointers that lead forward, to themselves, in circles or into the header are refused") {
  const auto owner = [](const char* text) {
    return walk(response("0001 0001 0000 0000") + octets(text) + octets("0001 0001 00000000 0000"));
  };
  CHECK(owner("c00c") == 1);
  CHECK(owner("c021") == -1);        // itself: the record starts at 33
  CHECK(owner("01 'a c021") == -1);  // its own first label
  CHECK(owner("01 'a c023") == -1);  // itself again
  CHECK(owner("c025") == -1);        // forward
  CHECK(owner("ffff") == -1);        // beyond the end
  CHECK(owner("c000") == -1);
  CHECK(owner("c00b") == -1);
  CHECK(owner("40 'a 00") == -1);
  CHECK(owner("80 00") == -1);
  CHECK(owner("c0") == -1);
}

TEST_CASE("a loop of two names that point to each other is refused") {
  const Octets message = response("0001 0002 0000 0000") +
                         octets("00 0005 0001 00000000 0004 01 'a c034") +  // to 52
                         octets("00 0005 0001 00000000 0004 01 'b c02c");   // back to 44
  MessageReader reader(message);
  Record record;
  Name out;
  std::array<std::byte, 600> room;
  REQUIRE(reader.next(record));
  CHECK_FALSE(reader.read_name(record.rdata_offset, message.size(), out));
  CHECK_FALSE(read_rdata(reader, record, room));
  REQUIRE(reader.next(record));
  CHECK_FALSE(reader.read_name(record.rdata_offset, message.size(), out));
}

TEST_CASE("a name that pointers make longer than 255 octets is refused") {
  // Each of 15-octet labels and a pointer to the one before.
  Octets message = octets("1234 8180 0000 0011 0000 0000");
  std::size_t last = 0;
  int good = 0;
  for (int i = 0; i < 17; ++i) {
    const std::size_t at = message.size();
    message = message + octets("0f 'aaaaaaaaaaaaaaa");
    if (i == 0) {
      message.push_back(std::byte(0));
    } else {
      message.push_back(std::byte(0xc0 | last >> 8));
      message.push_back(std::byte(last & 0xff));
    }
    last = at;
    message = message + octets("0001 0001 00000000 0000");
  }
  MessageReader reader(message);
  Record record;
  while (reader.next(record)) ++good;
  CHECK(good == 15);  // 15 * 16 + 1 = 241 octets
  CHECK(reader.failed());
}

TEST_CASE("long chains of bare pointers are cut, so that a message costs linear work") {
  Octets message = octets("1234 8180 0000 0001 0000 0000") + octets("00 0010 0001 00000000 0000");
  const std::size_t chain = message.size();
  message[chain - 1] = std::byte(0), message[chain - 2] = std::byte(0);
  const auto length = [&](std::size_t size) {
    message[21] = std::byte(size >> 8), message[22] = std::byte(size & 0xff);
  };
  length(2 * 200);
  message = message + octets("c00c");  // a root's octet
  for (std::size_t i = 1; i < 200; ++i) {
    const std::size_t to = chain + 2 * (i - 1);
    message.push_back(std::byte(0xc0 | to >> 8));
    message.push_back(std::byte(to & 0xff));
  }
  MessageReader reader(message);
  Name out;
  CHECK(reader.read_name(chain + 2 * 126, message.size(), out));
  CHECK_FALSE(reader.read_name(chain + 2 * 127, message.size(), out));
}

TEST_CASE("the worst message of 64 KiB is walked in little time") {
  // Records whose owners are as many pointers away as is allowed.
  Octets message = octets("1234 8180 0000 ffff 0000 0000") + octets("00 000a 0001 00000000 00fe");
  const std::size_t chain = message.size();
  message = message + octets("c00c");
  for (std::size_t i = 1; i < 127; ++i) {
    const std::size_t to = chain + 2 * (i - 1);
    message.push_back(std::byte(0xc0 | to >> 8));
    message.push_back(std::byte(to & 0xff));
  }
  const std::size_t to = chain + 2 * 125;
  while (message.size() + 12 <= max_message) {
    message.push_back(std::byte(0xc0 | to >> 8));
    message.push_back(std::byte(to & 0xff));
    message = message + octets("000a 0001 00000000 0000");
  }
  const auto start = std::chrono::steady_clock::now();
  CHECK(walk(message) == -1);  // fewer than it says
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(250));
}

TEST_CASE(
    "a name does not go beyond the limit it is given, its pointers may lead anywhere before") {
  const Octets message =
      response("0001 0001 0000 0000") + octets("00 0005 0001 00000000 0004 01 'a c010");
  MessageReader reader(message);
  Name out;
  CHECK(reader.read_name(44, 48, out));
  CHECK_FALSE(reader.read_name(44, 47, out));
  CHECK_FALSE(reader.read_name(44, 45, out));
  CHECK_FALSE(reader.read_name(44, 44, out));
  CHECK_FALSE(reader.read_name(44, message.size() + 1, out));
  CHECK_FALSE(reader.read_name(message.size(), message.size(), out));
}

TEST_CASE("records that are cut anywhere are refused") {
  const Octets whole =
      response("0001 0001 0000 0000") + octets("c00c 0001 0001 00000001 0004 c0000201");
  REQUIRE(walk(whole) == 1);
  for (std::size_t size = 12; size < whole.size(); ++size)
    CHECK(walk(Octets(whole.begin(), whole.begin() + std::ptrdiff_t(size))) == -1);
  for (std::size_t size = 0; size < 12; ++size)
    CHECK(MessageReader(base::Bytes(whole).first(size)).failed());
}

TEST_CASE("RDLENGTH that says more than there is is refused, and less leaves octets over") {
  CHECK(walk(response("0001 0001 0000 0000") + octets("c00c 0001 0001 00000001 0005 c0000201")) ==
        -1);
  const Octets less =
      response("0001 0001 0000 0000") + octets("c00c 0001 0001 00000001 0003 c0000201");
  MessageReader reader(less);
  Record record;
  CHECK(reader.next(record));
  CHECK_FALSE(reader.next(record));
  CHECK_FALSE(reader.failed());
  CHECK_FALSE(reader.at_end());
}

TEST_CASE("questions that are not asked for are skipped, more than there are fail") {
  CHECK(walk(octets("1234 8180 0002 0000 0000 0000") + question + question) == 0);
  CHECK(walk(octets("1234 8180 0003 0000 0000 0000") + question + question) == -1);
  CHECK(walk(octets("1234 8180 0000 0000 0000 0000")) == 0);
  CHECK(MessageReader(octets("1234 8180 0000 0000 0000 0000")).at_end());
  CHECK_FALSE(MessageReader(octets("1234 8180 0000 0000 0000 0001")).at_end());
}

TEST_CASE("a message above 65,535 octets is none") {
  Octets large(65536);
  CHECK(MessageReader(large).failed());
  CHECK_FALSE(MessageReader(base::Bytes(large).first(65535)).failed());
}

// --- RDATA ---

namespace {

// The RDATA of the one record, read out; "malformed".
std::string rdata_of(const char* type_and_rdata, std::size_t length) {
  Octets rest = octets(type_and_rdata);
  Octets message = response("0001 0001 0000 0000") + octets("c00c");
  message.insert(message.end(), rest.begin(), rest.begin() + 2);
  message = message + octets("0001 00000000");
  message.push_back(std::byte(length >> 8)), message.push_back(std::byte(length & 0xff));
  message.insert(message.end(), rest.begin() + 2, rest.end());
  MessageReader reader(message);
  Record record;
  REQUIRE(reader.next(record));
  std::vector<std::byte> room(2000);
  const auto rdata = read_rdata(reader, record, room);
  return rdata ? test::hex(*rdata) : "malformed";
}
std::string rdata_of(const char* type_and_rdata) {
  return rdata_of(type_and_rdata, octets(type_and_rdata).size() - 2);
}
std::string hex_of(const char* text) {
  return test::hex(octets(text));
}

}  // namespace

TEST_CASE("names in RDATA of the old types are written out, in the case they have") {
  const char* const target = "01 'X 07 'example 03 'com 00";
  for (const char* const type : {"0002 ", "0005 ", "000c ", "0027 "})
    CHECK(rdata_of((std::string(type) + "01 'X c010").c_str()) == hex_of(target));
  CHECK(rdata_of("000f 000a 01 'X c010") == "000a" + hex_of(target));
  CHECK(rdata_of("0021 0001 0002 0003 01 'X c010") == "000100020003" + hex_of(target));
  CHECK(rdata_of("0006 01 'X c010 c01c 00000001 00000002 00000003 00000004 00000005") ==
        hex_of(target) + "00" + "0000000100000002000000030000000400000005");
  CHECK(rdata_of("0023 0001 0002 01 'u 01 'x 00 c010") ==
        hex_of("0001 0002 01 'u 01 'x 00 07 'example 03 'com 00"));
}

TEST_CASE("RDATA of unknown types is left alone (RFC 3597)") {
  CHECK(rdata_of("ff10 c00c ffff") == "c00cffff");
  CHECK(rdata_of("ff10") == "");
  CHECK(rdata_of("002e c00c ff") == "c00cff");
}

TEST_CASE("RDATA that is not what its type says is malformed") {
  for (const char* const wrong : {"0001 c00002",
                                  "0001 c000020101",
                                  "0001",
                                  "001c c0000201",
                                  "0005",
                                  "0005 c010 00",
                                  "0005 01 'X",
                                  "0002 ffff",
                                  "000f 000a",
                                  "000f 00",
                                  "0021 0001 0002 0003",
                                  "0006 c010 c010",
                                  "0006 c010 c010 00000001 00000002 00000003 00000004 00000005 00",
                                  "0010",
                                  "0010 02 'a",
                                  "0010 01 'a 05",
                                  "000d 01 'a",
                                  "0041 0001",
                                  "0041 0001 c010",
                                  "0041 0001 00 0001",
                                  "0041 0001 00 0004 0003 c00002",
                                  "0041 0001 00 0004 0000",
                                  "0041 0001 00 0006 0004 c0000201",
                                  "0041 0001 00 0003 0002 01bb 0001 0000",
                                  "0041 0001 00 0003 0002 01bb 0003 0002 01bb"})
    CHECK(rdata_of(wrong) == "malformed");
  CHECK(rdata_of("0010 01 'a 00") == "016100");
}

TEST_CASE("a name in RDATA ends within RDLENGTH") {
  CHECK(rdata_of("0005 01 'X c010", 4) != "malformed");
  CHECK(rdata_of("0005 01 'X c010", 3) == "malformed");
  CHECK(rdata_of("0005 01 'X c010", 2) == "malformed");
}

TEST_CASE("what does not fit is refused") {
  const Octets message =
      response("0001 0001 0000 0000") + octets("c00c 0005 0001 00000000 0002 c00c");
  MessageReader reader(message);
  Record record;
  REQUIRE(reader.next(record));
  std::array<std::byte, 17> room;
  CHECK(read_rdata(reader, record, room));
  CHECK_FALSE(read_rdata(reader, record, base::MutableBytes(room).first(16)));
  CHECK_FALSE(read_rdata(reader, record, {}));
}

TEST_CASE("RDATA by itself has no compression") {
  CHECK(well_formed_rdata(type::cname, octets("01 'a 00")));
  CHECK_FALSE(well_formed_rdata(type::cname, octets("c00c")));
  CHECK_FALSE(well_formed_rdata(type::cname, octets("01 'a 00 00")));
  CHECK_FALSE(well_formed_rdata(type::cname, {}));
  CHECK(well_formed_rdata(type::txt, octets("00")));
  CHECK_FALSE(well_formed_rdata(type::txt, {}));
  CHECK(well_formed_rdata(65300, octets("c00c")));
}

TEST_CASE("a service binding is read with its parameters") {
  const Octets rdata =
      octets("0001 03 'Svc 00 0001 0003 02 'h2 0004 0008 c0000201 c0000202 ff00 0000");
  const auto binding = read_service_binding(rdata);
  REQUIRE(binding);
  CHECK(binding->priority == 1);
  CHECK(binding->target == name("svc"));
  base::Bytes rest = binding->parameters;
  Option parameter;
  REQUIRE(next_parameter(rest, parameter));
  CHECK(parameter.code == 1);
  REQUIRE(next_parameter(rest, parameter));
  CHECK(parameter.code == svc_param::ipv4hint);
  CHECK(parameter.data.size() == 8);
  REQUIRE(next_parameter(rest, parameter));
  CHECK(parameter.data.empty());
  CHECK_FALSE(next_parameter(rest, parameter));
  CHECK(read_service_binding(octets("0000 00"))->target.is_root());
}

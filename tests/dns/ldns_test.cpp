// A second opinion: what this codec accepts, ldns accepts with the same content, and what it
// writes, ldns reads the same. Messages are made at random and then bent, each from a seed that is
// told.
#include <algorithm>
#include <optional>
#include <random>

#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

// Last: it makes true and false macros.
#include <ldns/ldns.h>
#undef true
#undef false

using namespace culvert;
using namespace culvert::dns;
using test::Octets;

namespace {

using Random = std::mt19937;
unsigned below(Random& random, unsigned bound) {
  return unsigned(random() % bound);
}

// Types whose RDATA both sides know, and some that neither does.
constexpr std::uint16_t compared[] = {type::a,     type::ns,    type::cname, type::soa, type::ptr,
                                      type::hinfo, type::mx,    type::txt,   type::srv, type::aaaa,
                                      type::naptr, type::dname, 17,          18,        type::svcb,
                                      type::https, 65280,       65300};
bool is_compared(std::uint16_t type) {
  return std::find(std::begin(compared), std::end(compared), type) != std::end(compared);
}

// --- messages at random ---

struct Maker {
  Random& random;
  Octets out{};
  std::vector<std::size_t> names{};  // where labels start

  void put16(std::size_t value) {
    out.push_back(std::byte(value >> 8 & 0xff));
    out.push_back(std::byte(value & 0xff));
  }
  void put32(std::uint32_t value) { put16(value >> 16), put16(value & 0xffff); }
  void bytes(std::size_t count) {
    while (count-- > 0) out.push_back(std::byte(below(random, 256)));
  }

  void name(bool may_compress) {
    const auto earlier = unsigned(names.size());
    for (unsigned labels = below(random, 4); labels > 0; --labels) {
      if (out.size() < 0x3fff) names.push_back(out.size());
      const unsigned size = 1 + below(random, below(random, 8) ? 8 : 63);
      out.push_back(std::byte(size));
      for (unsigned i = 0; i < size; ++i)
        out.push_back(
            std::byte(below(random, 9) ? "aBcDe-z0"[below(random, 8)] : below(random, 256)));
    }
    if (may_compress && earlier != 0 && below(random, 3) != 0)
      return put16(0xc000 | names[below(random, earlier)]);
    out.push_back(std::byte{0});
  }
  void string() {
    const unsigned size = below(random, 12);
    out.push_back(std::byte(size));
    bytes(size);
  }

  void rdata(std::uint16_t type) {
    switch (type) {
      case type::a:
        return bytes(4);
      case type::aaaa:
        return bytes(16);
      case type::ns:
      case type::cname:
      case type::ptr:
        return name(true);
      case type::dname:
        return name(false);
      case type::soa:
        name(true), name(true);
        return bytes(20);
      case type::mx:
      case 18:
        bytes(2);
        return name(true);
      case 17:
        name(true);
        return name(true);
      case type::srv:
        bytes(6);
        return name(false);
      case type::hinfo:
        string();
        return string();
      case type::naptr:
        bytes(4), string(), string(), string();
        return name(false);
      case type::txt:
        string();
        if (below(random, 2)) string();
        return;
      case type::svcb:
      case type::https:
        return service();
      default:
        return bytes(below(random, 20));
    }
  }
  void service() {
    put16(1 + below(random, 3)), name(false);
    for (unsigned key = 1; key < 7; ++key) {
      if (below(random, 2)) continue;
      const unsigned size = key == 4 ? 4 : key == 6 ? 16 : key == 3 ? 2 : key == 2 ? 0 : 3;
      put16(key), put16(size);
      if (key == 1) {
        out.push_back(std::byte{2}), bytes(2);  // one protocol
      } else {
        bytes(size);
      }
    }
  }

  void record() {
    const std::uint16_t type = compared[below(random, std::size(compared))];
    name(true);
    put16(type), put16(1), put32(std::uint32_t(random() >> below(random, 2)));
    const std::size_t length_at = out.size();
    put16(0);
    rdata(type);
    const std::size_t length = out.size() - length_at - 2;
    out[length_at] = std::byte(length >> 8), out[length_at + 1] = std::byte(length & 0xff);
  }

  Octets message() {
    const unsigned counts[] = {below(random, 8) ? 1u : 0u, below(random, 5), below(random, 3),
                               below(random, 3)};
    const bool edns = below(random, 2);
    put16(random() & 0xffff), put16(random() & 0x87ff);
    for (const unsigned& count : counts) put16(count + (&count == &counts[3] && edns ? 1 : 0));
    if (counts[0]) name(false), put16(1 + below(random, 60)), put16(1);
    for (unsigned i = 0; i < counts[1] + counts[2] + counts[3]; ++i) record();
    if (edns) {
      out.push_back(std::byte{0}), put16(type::opt), put16(512 + below(random, 4000));
      bytes(1), out.push_back(std::byte{0}), put16(below(random, 2) << 15);
      const unsigned size = below(random, 9);
      put16(4 + size), put16(below(random, 20)), put16(size), bytes(size);
    }
    return std::move(out);
  }
};

Octets bent(Octets message, Random& random) {
  for (unsigned times = 1 + below(random, 3); times > 0 && !message.empty(); --times) {
    const unsigned at = below(random, unsigned(message.size()));
    switch (below(random, 5)) {
      case 0:
        message[at] ^= std::byte(1 << below(random, 8));
        break;
      case 1:
        message[at] = std::byte(below(random, 256));
        break;
      case 2:
        message.resize(at);
        break;
      case 3:
        message.insert(message.begin() + at, std::byte(below(random, 256)));
        break;
      default:
        message[at] = std::byte(0xc0);
        break;
    }
  }
  return message;
}

// --- a message in words, by each of the two ---

std::string lowered(const Octets& name) {
  const auto parsed = Name::from_wire(name);
  return parsed ? parsed->to_string() : "no name";
}

// RDATA in words: octets, but letters in lower case, as ldns and this codec both keep them.
struct Words {
  std::string text;
  bool comparable = true;
};

void header_words(std::string& text, const Header& h, unsigned additionals) {
  for (const unsigned value :
       {unsigned(h.id), unsigned(h.response), unsigned(h.opcode), unsigned(h.authoritative),
        unsigned(h.truncated), unsigned(h.recursion_desired), unsigned(h.recursion_available),
        unsigned(h.authentic_data), unsigned(h.checking_disabled), unsigned(h.rcode),
        unsigned(h.questions), unsigned(h.answers), unsigned(h.authorities), additionals})
    text += std::to_string(value) + " ";
}

void edns_words(std::string& text, const Edns& edns) {
  text += "\nedns " + std::to_string(edns.payload) + " " + std::to_string(edns.extended_rcode) +
          " " + std::to_string(edns.version) + " " + std::to_string(edns.dnssec_ok) + " " +
          test::hex(edns.options);
}

void record_words(std::string& text, unsigned section, const std::string& owner, unsigned type,
                  unsigned class_number, unsigned ttl, base::Bytes rdata) {
  text += "\n" + std::to_string(section) + " " + owner + " " + std::to_string(type) + " " +
          std::to_string(class_number) + " " + std::to_string(ttl) + " " + test::hex(rdata);
}

std::optional<Words> by_culvert(const Octets& message) {
  MessageReader reader(message);
  Words words;
  std::string rest;
  Question question;
  unsigned opts = 0;
  while (reader.question(question))
    rest += "\nq " + question.name.to_string() + " " + std::to_string(question.type) + " " +
            std::to_string(question.class_);
  Record record;
  Octets room(70'000);
  std::string edns_text;
  while (reader.next(record)) {
    const auto edns = read_edns(record);
    if (edns) {
      // ldns reads no options and takes the payload as it stands.
      words.comparable &= ++opts == 1 && record.class_ >= 512;
      edns_words(edns_text, *edns);
      continue;
    }
    words.comparable &= is_compared(record.type) && record.type != type::opt;
    const auto rdata = read_rdata(reader, record, room);
    if (!rdata) return std::nullopt;
    record_words(rest, static_cast<unsigned>(record.section), record.owner.to_string(), record.type,
                 record.class_, record.ttl, *rdata);
  }
  if (!reader.at_end()) return std::nullopt;
  header_words(words.text, reader.header(), reader.header().additionals - opts);
  words.text += rest + edns_text;
  return words;
}

void ldns_section(std::string& text, unsigned section, const ldns_rr_list* list) {
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* const rr = ldns_rr_list_rr(list, i);
    const ldns_rdf* const owner = ldns_rr_owner(rr);
    const auto* const first = reinterpret_cast<const std::byte*>(ldns_rdf_data(owner));
    const std::string name = lowered(Octets(first, first + ldns_rdf_size(owner)));
    if (section == 3) {
      text += "\nq " + name + " " + std::to_string(ldns_rr_get_type(rr)) + " " +
              std::to_string(ldns_rr_get_class(rr));
      continue;
    }
    Octets rdata;
    for (std::size_t k = 0; k < ldns_rr_rd_count(rr); ++k) {
      const ldns_rdf* const field = ldns_rr_rdf(rr, k);
      const auto* const data = reinterpret_cast<const std::byte*>(ldns_rdf_data(field));
      rdata.insert(rdata.end(), data, data + ldns_rdf_size(field));
    }
    const std::uint32_t ttl = ldns_rr_ttl(rr) > 0x7fffffff ? 0 : ldns_rr_ttl(rr);
    record_words(text, section, name, ldns_rr_get_type(rr), ldns_rr_get_class(rr), ttl, rdata);
  }
}

std::optional<std::string> by_ldns(const Octets& message) {
  ldns_pkt* packet = nullptr;
  const auto* const data = reinterpret_cast<const std::uint8_t*>(message.data());
  if (ldns_wire2pkt(&packet, data, message.size()) != LDNS_STATUS_OK) return std::nullopt;
  Header h;
  h.id = ldns_pkt_id(packet);
  h.response = ldns_pkt_qr(packet);
  h.opcode = static_cast<std::uint8_t>(ldns_pkt_get_opcode(packet));
  h.authoritative = ldns_pkt_aa(packet);
  h.truncated = ldns_pkt_tc(packet);
  h.recursion_desired = ldns_pkt_rd(packet);
  h.recursion_available = ldns_pkt_ra(packet);
  h.authentic_data = ldns_pkt_ad(packet);
  h.checking_disabled = ldns_pkt_cd(packet);
  h.rcode = static_cast<std::uint8_t>(ldns_pkt_get_rcode(packet));
  h.questions = ldns_pkt_qdcount(packet);
  h.answers = ldns_pkt_ancount(packet);
  h.authorities = ldns_pkt_nscount(packet);
  std::string text;
  header_words(text, h, ldns_pkt_arcount(packet));
  ldns_section(text, 3, ldns_pkt_question(packet));
  ldns_section(text, 0, ldns_pkt_answer(packet));
  ldns_section(text, 1, ldns_pkt_authority(packet));
  ldns_section(text, 2, ldns_pkt_additional(packet));
  if (ldns_pkt_edns(packet)) {
    Edns edns;
    edns.payload = ldns_pkt_edns_udp_size(packet);
    edns.extended_rcode = ldns_pkt_edns_extended_rcode(packet);
    edns.version = ldns_pkt_edns_version(packet);
    edns.dnssec_ok = ldns_pkt_edns_do(packet);
    if (const ldns_rdf* const options = ldns_pkt_edns_data(packet))
      edns.options = {reinterpret_cast<const std::byte*>(ldns_rdf_data(options)),
                      ldns_rdf_size(options)};
    edns_words(text, edns);
  }
  ldns_pkt_free(packet);
  return text;
}

// True if it was accepted and compared.
bool agree(const Octets& message) {
  const auto ours = by_culvert(message);
  if (!ours || !ours->comparable) return false;
  const auto theirs = by_ldns(message);
  INFO(test::hex(message));
  REQUIRE(theirs.has_value());
  REQUIRE(ours->text == *theirs);
  return true;
}

}  // namespace

TEST_CASE("messages that are well formed are read as ldns reads them") {
  unsigned compared_messages = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Random random(seed);
    const Octets message = Maker{random}.message();
    INFO("seed " << seed);
    if (by_ldns(message)) {
      INFO(test::hex(message));
      REQUIRE(by_culvert(message).has_value());
    }
    compared_messages += agree(message);
  }
  CHECK(compared_messages > 3000);
}

TEST_CASE("bent messages that are accepted are accepted by ldns with the same content") {
  unsigned compared_messages = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    const Octets message = bent(Maker{random}.message(), random);
    INFO("seed " << seed);
    compared_messages += agree(message);
  }
  CHECK(compared_messages > 1000);
}

TEST_CASE("queries that are accepted are queries for ldns too") {
  unsigned accepted = 0;
  for (unsigned seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    Maker maker{random};
    Octets message = test::query("Www.Example.com", type::aaaa, seed % 2 ? 1232 : 0);
    if (seed % 8) message = bent(std::move(message), random);
    Query query;
    if (read_query(message, query) != QueryFault::none) continue;
    INFO("seed " << seed << " " << test::hex(message));
    REQUIRE(by_ldns(message).has_value());
    accepted += agree(message);
  }
  CHECK(accepted > 3000);
}

TEST_CASE("answers that are written are read the same by ldns") {
  std::vector<std::byte> buffer(65535);
  unsigned compared_messages = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    Random random(seed);
    const Octets message = Maker{random}.message();
    Query query;
    const Octets asked = test::query("aBc.De.z0", type::a, seed % 2 ? 1232 : 0);
    REQUIRE(read_query(asked, query) == QueryFault::none);
    AnswerWriter writer(buffer, seed % 5 ? 65535 : 512, query);
    MessageReader reader(message);
    Record record;
    Octets room(70'000);
    while (reader.next(record)) {
      const auto rdata = read_rdata(reader, record, room);
      if (!rdata || record.type == type::opt) continue;
      Name owner = record.owner;
      if (below(random, 2)) owner.append_labels(query.question.name.wire().subspan(0, 4));
      writer.add(record.section, owner, record.type, record.ttl, *rdata);
    }
    if (below(random, 2)) writer.add_soa(test::name("de.z0"), 60, Record::Section::additional);
    const base::Bytes answer = writer.finish();
    INFO("seed " << seed);
    const Octets written(answer.begin(), answer.end());
    REQUIRE(by_culvert(written).has_value());
    compared_messages += agree(written);
  }
  CHECK(compared_messages > 3000);
}

// A Resolver in virtual time, with an upstream that answers when the test says so.
#pragma once

#include <boost/asio/io_context.hpp>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "dns/message_writer.hpp"
#include "dns/resolver.hpp"

namespace culvert::test {

using namespace std::chrono_literals;

class CountingRandom final : public base::Random {
 public:
  void fill(base::MutableBytes out) noexcept override {
    for (std::byte& b : out) {
      next_ = next_ * 1103515245 + 12345;
      b = std::byte(next_ >> 16 & 0xff);
    }
  }

 private:
  std::uint32_t next_ = 1;
};

inline dns::Name name_of(std::string_view text) {
  return dns::Name::parse(text).value();
}

struct Said {  // a record
  std::string owner;
  std::uint16_t type;
  std::uint32_t ttl;
  std::vector<std::byte> rdata;
  dns::Record::Section section = dns::Record::Section::answer;
};
inline Said address(const std::string& owner, const std::string& text, std::uint32_t ttl = 300) {
  const auto parsed = base::IpAddress::parse(text).value();
  return {owner,
          parsed.is_v4() ? dns::type::a : dns::type::aaaa,
          ttl,
          {parsed.bytes().begin(), parsed.bytes().end()}};
}
inline Said cname(const std::string& owner, const std::string& target, std::uint32_t ttl = 300) {
  const dns::Name name = name_of(target);
  return {owner, dns::type::cname, ttl, {name.wire().begin(), name.wire().end()}};
}
inline Said soa(const std::string& owner, std::uint32_t ttl, std::uint32_t minimum) {
  std::vector<std::byte> rdata(2 + 20);
  for (int i = 0; i < 4; ++i)
    rdata[18 + std::size_t(i)] = std::byte(minimum >> (24 - 8 * i) & 0xff);
  return {owner, dns::type::soa, ttl, rdata, dns::Record::Section::authority};
}

// As a client or the resolver writes it: with OPT.
inline std::vector<std::byte> query(std::string_view name, std::uint16_t type, std::uint16_t id = 1,
                                    bool dnssec_ok = false) {
  std::vector<std::byte> out(512);
  out.resize(
      dns::write_query(out, id, name_of(name).wire(), type, dns::class_::in, dnssec_ok, false, 0));
  return out;
}
// The same without OPT.
inline std::vector<std::byte> plain_query(std::string_view name, std::uint16_t type,
                                          std::uint16_t id = 1) {
  std::vector<std::byte> out = query(name, type, id);
  out.resize(dns::header_size + name_of(name).size() + 4);
  out[11] = std::byte{0};
  return out;
}

inline std::vector<std::byte> upstream_answer(const dns::Name& name, std::uint16_t type,
                                              const std::vector<Said>& records,
                                              std::uint16_t rcode = dns::rcode::noerror) {
  const auto asked = query(name.to_string(), type);
  dns::Query read;
  if (dns::read_query(asked, read) != dns::QueryFault::none) std::abort();
  std::vector<std::byte> buffer(dns::max_message);
  dns::AnswerWriter writer(buffer, buffer.size(), read);
  for (const Said& said : records)
    writer.add(said.section, name_of(said.owner), said.type, said.ttl, said.rdata);
  writer.set_rcode(rcode);
  const base::Bytes message = writer.finish();
  return {message.begin(), message.end()};
}

class FakeUpstream final : public dns::Asking {
 public:
  struct Asked {
    dns::Name name;
    std::uint16_t type;
    bool dnssec_ok, checking_disabled;
    std::uint32_t set;
    Done done;
  };
  std::deque<Asked> open;  // not answered yet
  std::size_t count = 0;   // ever asked
  std::vector<std::vector<std::string>> sets{{}};

  void ask(const Ask& what, Done done) override {
    ++count;
    open.push_back(
        {*what.name, what.type, what.dnssec_ok, what.checking_disabled, what.set, std::move(done)});
  }
  void set_settings(const dns::Settings&) override { sets = {{}}; }
  std::uint32_t set_of(const std::vector<std::string>& upstream) override {
    for (std::size_t i = 0; i < sets.size(); ++i)
      if (sets[i] == upstream) return std::uint32_t(i);
    sets.push_back(upstream);
    return std::uint32_t(sets.size() - 1);
  }
  void tick(base::Time) noexcept override {}
  base::Time next_deadline() const noexcept override { return base::never; }
  void flush() noexcept override {}

  // The oldest question gets these records.
  void answer(const std::vector<Said>& records, std::uint16_t rcode = dns::rcode::noerror,
              bool authenticated = false) {
    const Asked asked = take();
    const auto message = upstream_answer(asked.name, asked.type, records, rcode);
    reply(asked, message, authenticated);
  }
  void answer_bytes(base::Bytes message) { reply(take(), message, false); }
  void fail(std::uint16_t error = dns::ede::no_reachable_authority) {
    const Asked asked = take();
    Reply nothing;
    nothing.error = error;
    asked.done(nothing);
  }
  Asked take() {
    Asked first = std::move(open.front());
    open.pop_front();
    return first;
  }
  static void reply(const Asked& asked, base::Bytes message, bool authenticated) {
    Reply said;
    said.message = message;
    said.authenticated = authenticated;
    asked.done(said);
  }
};

// An answer as a client reads it.
struct Answer {
  std::vector<std::byte> bytes;
  dns::Header header;
  std::uint16_t rcode = 0;
  std::vector<dns::Record> records;  // without OPT; RDATA points into `bytes`
  std::vector<std::string> lines;    // "owner TYPE ttl address-or-name"
  int error = -1;                    // EDE
  bool has_opt = false;

  explicit Answer(std::vector<std::byte> message) : bytes(std::move(message)) {
    dns::MessageReader reader(bytes);
    header = reader.header();
    rcode = header.rcode;
    for (dns::Record record; reader.next(record);) {
      if (record.type == dns::type::opt) {
        read_opt(record);
        continue;
      }
      records.push_back(record);
      lines.push_back(line_of(reader, record));
    }
    valid = !reader.failed() && reader.at_end();
  }
  bool valid = false;

 private:
  void read_opt(const dns::Record& record) {
    const auto edns = dns::read_edns(record);
    has_opt = true;
    rcode = std::uint16_t(rcode | edns->extended_rcode << 4);
    base::Bytes rest = edns->options;
    for (dns::Option option; dns::next_option(rest, option);)
      if (option.code == dns::option::ede)
        error = std::to_integer<int>(option.data[0]) << 8 | std::to_integer<int>(option.data[1]);
  }
  static std::string line_of(const dns::MessageReader& reader, const dns::Record& record) {
    std::string line = record.owner.to_string() + " " + dns::type_text(record.type) + " " +
                       std::to_string(record.ttl);
    dns::Name target;
    if (record.type == dns::type::a)
      line += " " + base::IpAddress::v4(record.rdata.first<4>()).to_string();
    if (record.type == dns::type::aaaa)
      line += " " + base::IpAddress::v6(record.rdata.first<16>()).to_string();
    if (record.type == dns::type::cname &&
        reader.read_name(record.rdata_offset, record.rdata_offset + record.rdata.size(), target))
      line += " " + target.to_string();
    return line;
  }
};

class Bed final : public dns::Resolver::Events {
 public:
  base::Time now{1000s};
  base::WallTime wall{1'700'000'000s};
  boost::asio::io_context io;
  base::SocketPoller poller{io};
  CountingRandom random;
  std::unique_ptr<dns::DnsCounters> counters = std::make_unique<dns::DnsCounters>();
  std::unique_ptr<dns::QueryRing> ring = std::make_unique<dns::QueryRing>();
  std::deque<base::PeerCounters> peers;
  FakeUpstream upstream;
  std::deque<std::pair<dns::Asker, std::vector<std::byte>>> got;
  std::unique_ptr<dns::Resolver> resolver;
  dns::Client* client = nullptr;

  explicit Bed(dns::Settings settings = {}, dns::Policy policy = {}) {
    dns::Resolver::Parts parts{.io = io,
                               .poller = poller,
                               .random = random,
                               .counters = *counters,
                               .records = ring.get(),
                               .own = {base::IpAddress::parse("10.9.0.1").value()},
                               .source4 = {},
                               .source6 = {},
                               .now = [this] { return now; },
                               .wall = [this] { return wall; },
                               .upstreams = &upstream};
    resolver = std::make_unique<dns::Resolver>(std::move(parts), std::move(settings), *this);
    client = &add(std::move(policy));
  }

  dns::Client& add(dns::Policy policy, const base::PeerControls* controls = nullptr) {
    peers.emplace_back();
    dns::ClientConfig config;
    config.slot = std::uint32_t(peers.size());
    config.name = "peer" + std::to_string(peers.size());
    config.policy = std::make_shared<const dns::Policy>(std::move(policy));
    config.controls = controls;
    return resolver->add_client(std::move(config), peers.back(), now);
  }

  bool only_count = false;  // answers; else they are kept in `got`
  std::size_t answered = 0;
  void answer(const dns::Asker& asker, base::Bytes message) noexcept override {
    ++answered;
    if (only_count) return;
    got.emplace_back(asker, std::vector<std::byte>(message.begin(), message.end()));
  }

  static dns::Asker asker(bool tcp = false) {
    dns::Asker asker;
    asker.key.protocol = tcp ? base::Protocol::tcp : base::Protocol::udp;
    asker.stream = tcp ? 7 : 0;
    return asker;
  }
  void ask(base::Bytes message, bool tcp = false) { resolver->ask(*client, asker(tcp), message); }
  void ask(std::string_view name, std::uint16_t type = dns::type::a, std::uint16_t id = 1) {
    ask(query(name, type, id));
  }
  // The oldest answer; there must be one.
  Answer take() {
    if (got.empty()) throw std::runtime_error("nothing was answered");
    Answer first(std::move(got.front().second));
    got.pop_front();
    return first;
  }
  void pass(base::Duration time) {
    now += time;
    wall += time;
    resolver->tick(now);
  }
  // The question is asked, goes upstream and is answered by these records.
  Answer learn(std::string_view name, const std::vector<Said>& records,
               std::uint16_t rcode = dns::rcode::noerror, std::uint16_t type = dns::type::a) {
    ask(name, type);
    upstream.answer(records, rcode);
    return take();
  }
};

using Lines = std::vector<std::string>;

}  // namespace culvert::test

// A LocalZone that is asked, and what it answers in words.
#pragma once

#include "dns/local_zone.hpp"
#include "tests/dns/messages.hpp"
#include "tests/support/catch.hpp"

namespace culvert::test {

inline std::vector<base::IpAddress> addresses(std::initializer_list<const char*> texts) {
  std::vector<base::IpAddress> out;
  for (const char* const text : texts) out.push_back(base::IpAddress::parse(text).value());
  return out;
}

struct LocalWorld {
  explicit LocalWorld(std::vector<dns::LocalRecord> records = {},
                      std::vector<dns::Route> routes = {}) {
    settings.records = std::move(records);
    settings.routes = std::move(routes);
    zone.emplace(settings, addresses({"10.8.0.1", "fd00::1"}));
  }

  std::string ask(std::string_view qname, std::uint16_t type) {
    const Octets asked = query(qname, type, 1232);
    dns::Query read;
    REQUIRE(dns::read_query(asked, read) == dns::QueryFault::none);
    dns::AnswerWriter writer(buffer, buffer.size(), read);
    zone->answer(writer, read.question.name, type, outside);
    return in_words(writer.finish());
  }
  dns::LocalZone::Kind holds(std::string_view qname) const { return zone->holds(name(qname)); }

  dns::Settings settings;
  std::optional<dns::LocalZone> zone;
  dns::Name outside;
  std::array<std::byte, 4096> buffer;
};

}  // namespace culvert::test

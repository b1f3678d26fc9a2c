#include "dns/bootstrap.hpp"

#include <algorithm>
#include <utility>

#include "dns/message.hpp"

namespace culvert::dns {
namespace {

constexpr std::size_t most_addresses = 8;

std::optional<base::IpAddress> address_of(const Record& record) {
  if (record.type == type::a && record.rdata.size() == 4)
    return base::IpAddress::v4(record.rdata.first<4>());
  if (record.type == type::aaaa && record.rdata.size() == 16)
    return base::IpAddress::v6(record.rdata.first<16>());
  return {};
}

}  // namespace

struct Bootstrap::LookUp {
  std::shared_ptr<Server> server;
  unsigned left = 2;  // A and AAAA
  std::vector<base::IpAddress> found;
  std::uint32_t ttl = ~std::uint32_t{0};
};

void Bootstrap::look_up(const std::shared_ptr<Server>& server) {
  server->look_up_begun();
  const auto look_up = std::make_shared<LookUp>();
  look_up->server = server;
  // The configuration has checked it; one that is no name is found not to exist.
  const Name name = Name::parse(server->address().host).value_or(Name());
  for (const std::uint16_t wanted : {type::a, type::aaaa})
    ask_(name, wanted, [this, look_up](const Asking::Reply& reply) { take(*look_up, reply); });
}

void Bootstrap::take(LookUp& look_up, const Asking::Reply& reply) {
  read_addresses(reply.message, most_addresses, look_up.found, look_up.ttl);
  if (--look_up.left > 0) return;
  // IPv4 first: where there is no way to IPv6 that costs a failed attempt.
  std::stable_sort(look_up.found.begin(), look_up.found.end(),
                   [](const auto& a, const auto& b) { return a.is_v4() && !b.is_v4(); });
  const base::Duration good =
      std::clamp<base::Duration>(std::chrono::seconds(look_up.ttl), least, most);
  look_up.server->look_up_ended(std::move(look_up.found), now_() + good);
  ended_(*look_up.server);
}

void read_addresses(base::Bytes message, std::size_t most, std::vector<base::IpAddress>& out,
                    std::uint32_t& ttl) {
  if (message.empty()) return;
  MessageReader reader(message);
  Record record;
  while (reader.next(record)) {
    if (record.section != Record::Section::answer || out.size() == most) continue;
    const auto address = address_of(record);
    if (!address || address->is_unspecified()) continue;
    out.push_back(*address);
    ttl = std::min(ttl, record.ttl);
  }
}

}  // namespace culvert::dns

// A reply as it may come from anyone: the first octets say what was asked, the rest is the reply.
#include <cstdlib>

#include "base/assert.hpp"
#include "dns/bootstrap.hpp"
#include "dns/upstream_https.hpp"
#include "dns/upstream_query.hpp"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  dns::SentQuestion sent;
  const dns::Name name = *dns::Name::parse("www.example.com");
  std::copy(name.wire().begin(), name.wire().end(), sent.name.begin());
  sent.name_size = std::uint8_t(name.size());
  sent.id = 0x1234, sent.type = 1, sent.class_ = 1;
  sent.mixed_case = (data[0] & 1) != 0;
  std::vector<std::byte> reply(reinterpret_cast<const std::byte*>(data + 1),
                               reinterpret_cast<const std::byte*>(data + size));
  const dns::Fit found = dns::fit(reply, sent, (data[0] & 2) != 0);
  // What fits has our ID, is a response, and is at least as long as the question.
  if (found == dns::Fit::yes || found == dns::Fit::truncated)
    BASE_ASSERT(reply.size() >= 33 && reply[0] == std::byte{0x12} && reply[1] == std::byte{0x34} &&
                (reply[2] & std::byte{0x80}) != std::byte{0});
  const std::size_t before = reply.size();
  dns::age_message(reply, 30);
  BASE_ASSERT(reply.size() == before);
  std::vector<base::IpAddress> addresses;
  std::uint32_t ttl = ~std::uint32_t{0};
  dns::read_addresses(reply, 8, addresses, ttl);
  BASE_ASSERT(addresses.size() <= 8);
  return 0;
}

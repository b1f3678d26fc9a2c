// The queries that a stopped client's resolver sends.
#include <cstdlib>

#include "base/headers.hpp"
#include "proxy/portal_dns.hpp"

using namespace culvert;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  proxy::DnsNotice dns(*base::IpAddress::parse("10.8.0.1"), *base::IpAddress::parse("fd08::1"));
  const base::Bytes query(reinterpret_cast<const std::byte*>(data), size);
  const base::Bytes answer = dns.answer(query);
  if (answer.empty()) return 0;
  // An answer has the query's number, is a response, and is little larger than what was asked.
  if (answer.size() < 12 || answer.size() > size + 28) std::abort();
  if (answer[0] != query[0] || answer[1] != query[1]) std::abort();
  if (!(base::load_be16(&answer[2]) & 0x8000)) std::abort();
  if (base::load_be16(&answer[6]) > 1) std::abort();
  return 0;
}

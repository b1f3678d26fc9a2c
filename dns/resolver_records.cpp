// What is counted, written down and handed out.
#include <algorithm>
#include <cstring>

#include "base/headers.hpp"
#include "dns/resolver_impl.hpp"

namespace culvert::dns {
namespace {

using How = QueryRecord::How;

constexpr base::Duration least_handed_out = std::chrono::minutes(10);

bool is_written(LogPrivacy privacy, How how) noexcept {
  return privacy == LogPrivacy::full ||
         (privacy == LogPrivacy::blocked && (how == How::blocked || how == How::rewritten));
}

base::IpAddress address_of(base::Bytes rdata) noexcept {
  if (rdata.size() == 4) return base::IpAddress::v4(rdata.first<4>());
  if (rdata.size() == 16) return base::IpAddress::v6(rdata.first<16>());
  return {};
}

// The hints of an SVCB or HTTPS record (RFC 9460 section 7.3): clients may connect to them.
template <class Each>
void each_hint(base::Bytes rdata, Each each) {
  const std::optional<ServiceBinding> binding = read_service_binding(rdata);
  if (!binding) return;
  base::Bytes rest = binding->parameters;
  for (Option parameter; next_parameter(rest, parameter);) {
    const std::size_t size = parameter.code == svc_param::ipv4hint   ? 4u
                             : parameter.code == svc_param::ipv6hint ? 16u
                                                                     : 0u;
    for (base::Bytes left = parameter.data; size != 0 && left.size() >= size;
         left = left.subspan(size))
      each(address_of(left.first(size)));
  }
}

}  // namespace

void Resolver::Impl::send(const Call& call, base::Bytes message, const Outcome& outcome) {
  if (call.now != call.asked)
    parts_.counters.latency.add(std::uint64_t((call.now - call.asked).count()));
  const bool written =
      parts_.records != nullptr && is_written(call.client.config.policy->log, outcome.how);
  if (written || call.client.handed_out) {
    const base::IpAddress address = note_addresses(call, message);
    if (written)
      record(call, outcome, std::to_integer<std::uint16_t>(message[3] & std::byte{0x0f}), address);
  }
  events_.answer(call.asker, message);
}

void Resolver::Impl::count_verdict(const Call& call, const Verdict& verdict) noexcept {
  if (call.client.config.policy->log == LogPrivacy::off) return;
  call.client.counters.dns_blocked.add();
  (verdict.is_block() ? parts_.counters.blocked : parts_.counters.rewritten).add();
}

// Notes what the answer hands out; gives its first address.
base::IpAddress Resolver::Impl::note_addresses(const Call& call, base::Bytes message) {
  base::IpAddress first;
  const Name* const name =
      call.client.config.policy->log == LogPrivacy::full ? &call.name() : nullptr;
  MessageReader reader(message);
  Record record;
  while (reader.next(record) && record.section == Record::Section::answer) {
    const base::Time until =
        call.now + std::max<base::Duration>(std::chrono::seconds(record.ttl), least_handed_out);
    const auto note = [&](const base::IpAddress& address) {
      if (address.is_unspecified()) return;
      if (!first) first = address;
      if (call.client.handed_out) call.client.handed_out->note(address, name, until);
    };
    if (record.type == type::a || record.type == type::aaaa) note(address_of(record.rdata));
    if (record.type == type::https || record.type == type::svcb) each_hint(record.rdata, note);
  }
  return first;
}

void Resolver::Impl::record(const Call& call, const Outcome& outcome, std::uint16_t rcode,
                            const base::IpAddress& address) noexcept {
  if (parts_.records == nullptr || !is_written(call.client.config.policy->log, outcome.how)) return;
  QueryRecord written;
  written.time = call.wall.time_since_epoch().count();
  written.peer = call.client.config.slot;
  written.took = std::uint32_t(std::min<std::int64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(call.now - call.asked).count(),
      0xffffffff));
  written.type = call.type();
  written.rcode = rcode;
  written.how = outcome.how;
  written.reason = outcome.verdict.reason;
  written.list = outcome.verdict.list;
  written.upstream = outcome.upstream;
  written.tcp = call.tcp();
  written.by_chain = outcome.verdict.by_chain;
  written.address = address;
  const base::Bytes name = call.name().wire();
  written.name_size = std::uint8_t(name.size());
  std::memcpy(written.name.data(), name.data(), name.size());
  if (!parts_.records->push(written)) parts_.counters.dropped_records.add();
}

void Resolver::Impl::show_cache() noexcept {
  parts_.counters.cache_entries.set(cache_.entries());
  parts_.counters.cache_bytes.set(cache_.bytes());
}

}  // namespace culvert::dns

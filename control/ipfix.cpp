#include "control/ipfix.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/assert.hpp"
#include "base/log.hpp"

namespace culvert::control {
namespace {

constexpr std::uint16_t template_set = 2;            // RFC 7011 section 3.3.2
constexpr std::uint16_t enterprise = 0x8000;         // section 3.2
constexpr std::uint32_t reverse_enterprise = 29305;  // RFC 5103 section 6.1
// IANA's registry has no element for a name that was looked up; the CERT program's, which yaf sends
// and collectors know, has.
constexpr std::uint32_t cert_enterprise = 6871;
constexpr std::uint16_t variable_length = 0xffff;  // section 7
constexpr std::uint8_t initiator = 1;              // biflowDirection
constexpr std::size_t longest_name = 64;
constexpr auto longest_wait = std::chrono::seconds(1);

struct Element {
  std::uint16_t id;
  std::uint16_t length;
  std::uint32_t of_enterprise = 0;  // 0 = IANA's
};

// The IANA registry of IPFIX Information Elements. In the order in which put_record() writes.
constexpr Element flow_start{152, 8}, flow_end{153, 8}, protocol{4, 1}, end_reason{136, 1},
    biflow_direction{239, 1}, octets{1, 8}, packets{2, 8}, reverse_octets{1, 8, reverse_enterprise},
    reverse_packets{2, 8, reverse_enterprise}, user_name{371, variable_length},
    dns_qname{179, variable_length, cert_enterprise};
constexpr Element source4{8, 4}, destination4{12, 4}, source6{27, 16}, destination6{28, 16};
constexpr Element source_port{7, 2}, destination_port{11, 2}, icmp4{32, 2}, icmp6{139, 2};

std::vector<Element> elements_of(IpfixEncoder::Template id) {
  const bool v4 = id == IpfixEncoder::transport4 || id == IpfixEncoder::echo4;
  const bool ports = id == IpfixEncoder::transport4 || id == IpfixEncoder::transport6;
  std::vector<Element> all;
  for (const Element& each :
       {flow_start, flow_end, v4 ? source4 : source6, v4 ? destination4 : destination6})
    all.push_back(each);
  if (ports) {
    all.push_back(source_port);
    all.push_back(destination_port);
  } else {
    all.push_back(v4 ? icmp4 : icmp6);
  }
  for (const Element& each : {protocol, end_reason, biflow_direction, octets, packets,
                              reverse_octets, reverse_packets, user_name, dns_qname})
    all.push_back(each);
  return all;
}

bool is_echo(const base::FlowKey& key) noexcept {
  return key.protocol == base::Protocol::icmp || key.protocol == base::Protocol::icmp6;
}

std::uint64_t milliseconds(std::int64_t nanoseconds) noexcept {
  return std::uint64_t(std::max<std::int64_t>(nanoseconds, 0)) / 1'000'000;
}

}  // namespace

void IpfixEncoder::put(std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) bytes_.push_back(std::uint8_t(value >> (8 * i)));
}

void IpfixEncoder::put_at(std::size_t place, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    bytes_[place + i] = std::uint8_t(value >> (8 * (size - 1 - i)));
}

void IpfixEncoder::put(const base::IpAddress& address) {
  for (const std::byte byte : address.bytes()) bytes_.push_back(std::uint8_t(byte));
}

// Of variable length, below 255 octets (RFC 7011 section 7).
void IpfixEncoder::put(std::string_view text) {
  put(text.size(), 1);
  bytes_.insert(bytes_.end(), text.begin(), text.end());
}

void IpfixEncoder::begin() {
  bytes_.assign(header_size, 0);
  set_ = 0, set_id_ = 0, records_ = 0;
}

void IpfixEncoder::open_set(std::uint16_t id) {
  if (set_ != 0 && set_id_ == id) return;
  close_set();
  set_ = bytes_.size(), set_id_ = id;
  put(id, 2), put(0, 2);
}

void IpfixEncoder::close_set() {
  if (set_ != 0) put_at(set_ + 2, bytes_.size() - set_, 2);
  set_ = 0;
}

void IpfixEncoder::put_template(Template id) {
  const std::vector<Element> elements = elements_of(id);
  put(id, 2), put(elements.size(), 2);
  for (const Element& each : elements) {
    put(each.of_enterprise != 0 ? each.id | enterprise : each.id, 2), put(each.length, 2);
    if (each.of_enterprise != 0) put(each.of_enterprise, 4);
  }
}

void IpfixEncoder::add_templates() {
  open_set(template_set);
  for (const Template id : {transport4, transport6, echo4, echo6}) put_template(id);
}

bool IpfixEncoder::add(const FlowChange& change) {
  constexpr std::size_t longest_record = 4 + 16 + 2 * 16 + 4 + 3 + 4 * 8 + 1 + longest_name + 1 +
                                         sizeof(proxy::FlowRecord::domain_text);
  if (bytes_.size() + longest_record > max_message) return false;
  const base::FlowKey& key = change.record.key;
  const bool echo = is_echo(key), v4 = key.server.address.is_v4();
  open_set(echo ? (v4 ? echo4 : echo6) : (v4 ? transport4 : transport6));
  put_record(change, echo);
  ++records_;
  return true;
}

void IpfixEncoder::put_record(const FlowChange& change, bool echo) {
  const proxy::FlowRecord& record = change.record;
  const bool from_outside = record.forward;
  const base::Endpoint& source = from_outside ? record.key.server : record.key.client;
  const base::Endpoint& destination = from_outside ? record.key.client : record.key.server;
  const proxy::FlowTraffic& ahead = from_outside ? change.down : change.up;
  const proxy::FlowTraffic& back = from_outside ? change.up : change.down;
  put(milliseconds(record.started), 8), put(milliseconds(record.last), 8);
  put(source.address), put(destination.address);
  if (echo)
    put(record.key.protocol == base::Protocol::icmp ? 8u << 8 : 128u << 8, 2);  // echo request
  else
    put(source.port, 2), put(destination.port, 2);
  put(std::uint8_t(record.key.protocol), 1), put(std::uint8_t(record.end), 1), put(initiator, 1);
  put(ahead.bytes, 8), put(ahead.packets, 8), put(back.bytes, 8), put(back.packets, 8);
  put(std::string_view(change.peer).substr(0, longest_name));
  put(record.domain());
}

std::span<const std::uint8_t> IpfixEncoder::finish(base::WallTime when) {
  close_set();
  constexpr std::uint16_t version = 10;
  put_at(0, version, 2), put_at(2, bytes_.size(), 2);
  put_at(4,
         std::uint64_t(std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count()),
         4);
  put_at(8, sequence_, 4), put_at(12, domain_, 4);
  sequence_ += std::uint32_t(records_);
  BASE_ASSERT(bytes_.size() <= max_message);
  return bytes_;
}

IpfixExporter::IpfixExporter(const IpfixSettings& settings)
    : settings_(settings), encoder_(settings.observation_domain) {}

IpfixExporter::~IpfixExporter() {
  if (fd_ >= 0) ::close(fd_);
}

bool IpfixExporter::open() noexcept {
  if (fd_ >= 0) return true;
  sockaddr_storage to{};
  const socklen_t length = settings_.collector->to_sockaddr(to);
  fd_ = ::socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&to), length) == 0) return true;
  const int error = errno;
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  errno = error;
  return false;
}

int IpfixExporter::send(std::span<const std::uint8_t> message) noexcept {
  if (!open()) return errno;
  if (::send(fd_, message.data(), message.size(), MSG_NOSIGNAL) >= 0) return 0;
  return errno;
}

void IpfixExporter::failed(std::size_t records, int error) {
  ++stats_.failed, stats_.lost += records;
  const bool said = !trouble_.empty();
  trouble_ =
      fmt::format("IPFIX collector {}: {}", settings_.collector->to_string(), std::strerror(error));
  if (!said) base::log::warn("{}; flow records are lost", trouble_);
}

void IpfixExporter::send_templates(base::Time now, base::WallTime wall) {
  flush(wall);
  encoder_.add_templates();
  next_templates_ = now + settings_.template_interval;
  flush(wall);
}

void IpfixExporter::flush(base::WallTime wall) {
  due_ = base::never;
  if (encoder_.empty()) return;
  const std::size_t records = encoder_.records();
  const auto message = encoder_.finish(wall);
  int error = send(message);
  const bool refused = error == ECONNREFUSED;
  if (refused) {
    // That is the answer to the message before. The collector may have started since, without our
    // templates.
    --stats_.messages, stats_.records -= last_records_;
    failed(last_records_, error);
    next_templates_ = {};
    error = send(message);
  }
  if (error == 0)
    ++stats_.messages, stats_.records += records, last_records_ = records;
  else
    failed(records, error);
  if (error == 0 && !refused && !std::exchange(trouble_, "").empty())
    base::log::info("IPFIX: the collector takes messages again");
  encoder_.begin();
}

void IpfixExporter::add(const FlowChange& change, base::Time now, base::WallTime wall) {
  if (now >= next_templates_) send_templates(now, wall);
  if (!encoder_.add(change)) {
    flush(wall);
    encoder_.add(change);
  }
  due_ = std::min(due_, now + longest_wait);
}

void IpfixExporter::tick(base::Time now, base::WallTime wall) {
  if (now >= due_) flush(wall);
  if (now >= next_templates_) send_templates(now, wall);
}

}  // namespace culvert::control

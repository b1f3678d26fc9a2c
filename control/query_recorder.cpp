#include "control/query_recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/clean_text.hpp"
#include "control/timestamp.hpp"
#include "dns/types.hpp"

namespace culvert::control {
namespace {

using How = dns::QueryRecord::How;

bool names_a_list(dns::Reason reason) noexcept {
  return reason == dns::Reason::list || reason == dns::Reason::answer_address;
}

// The octets are a worker's, who reads hostile packets: what is no name has none.
std::string name_of(const dns::QueryRecord& record) {
  const base::Bytes wire(record.name.data(),
                         std::min<std::size_t>(record.name_size, record.name.size()));
  const auto name = dns::Name::from_wire(wire);
  return name ? name->to_string() : std::string();
}

}  // namespace

std::string rcode_words(std::uint16_t rcode) {
  const std::string_view known = dns::rcode_text(rcode);
  return known.empty() ? fmt::format("RCODE{}", rcode) : std::string(known);
}

std::string query_line(const QueryEntry& entry) {
  const dns::QueryRecord& r = entry.record;
  return fmt::format(
      R"({{"time":"{}","peer":{},"group":{},"name":{},"type":"{}","transport":"{}","rcode":"{}",)"
      R"("how":"{}","reason":"{}","list":{},"by_chain":{},"upstream":{},"address":"{}",)"
      R"("milliseconds":{:.3f}}})"
      "\n",
      timestamp(base::WallTime(std::chrono::nanoseconds(r.time))), json_string(entry.peer),
      json_string(entry.group), json_string(entry.name), dns::type_text(r.type),
      r.tcp ? "tcp" : "udp", rcode_words(r.rcode), to_string(r.how), to_string(r.reason),
      json_string(entry.list), r.by_chain, json_string(entry.upstream),
      r.address ? r.address.to_string() : "", double(r.took) / 1000);
}

QueryRecorder::QueryRecorder(const dns::Settings& settings) {
  configure(settings);
}

void QueryRecorder::configure(const dns::Settings& settings) {
  lists_.clear();
  for (const dns::ListSettings& list : settings.lists) lists_.push_back(list.name);
  if (std::exchange(settings_, settings.log) != settings.log || !log_) open_log();
}

void QueryRecorder::open_log() {
  log_.reset();
  if (!settings_.path.empty())
    log_ = std::make_unique<RotatingLog>(
        "query log", RotatingLog::Settings{settings_.path, settings_.rotate_at, settings_.keep});
}

void QueryRecorder::tick(Server& server, base::Time now, base::WallTime wall) {
  take(server);
  if (log_) log_->tick(now, wall);
}

void QueryRecorder::flush(Server& server, base::Time now, base::WallTime wall) {
  take(server);
  if (log_) log_->flush(now, wall);
}

void QueryRecorder::take(Server& server) {
  bool named = false;
  server.take_queries([&](const dns::QueryRecord& record) {
    if (!std::exchange(named, true)) name_peers(server);
    QueryEntry entry = entry_of(server, record);
    entry.id = ++told_;
    (record.how == How::blocked ? blocked_ : asked_).add(entry.name);
    if (log_) log_->add(query_line(entry));
    if (latest_.size() == remembered) latest_.pop_front();
    latest_.push_back(std::move(entry));
  });
}

void QueryRecorder::name_peers(const Server& server) {
  for (const Peer* peer : server.peers()) {
    if (peer->slot >= labels_.size()) labels_.resize(peer->slot + 1);
    Label& label = labels_[peer->slot];
    if (label.peer != peer->entry.name) label.peer = peer->entry.name;
    if (label.group != peer->entry.group) label.group = peer->entry.group;
    label.worker = peer->worker;
  }
}

std::string QueryRecorder::upstream_of(const Server& server, const dns::QueryRecord& record) const {
  if (record.how != How::forwarded || record.peer >= labels_.size() ||
      record.upstream >= dns::max_upstreams)
    return {};
  const auto& counters = server.dns_counters(labels_[record.peer].worker);
  return clean_text(counters.upstreams[record.upstream].name.get(), 127);
}

QueryEntry QueryRecorder::entry_of(const Server& server, const dns::QueryRecord& record) const {
  QueryEntry entry;
  entry.record = record;
  if (record.peer < labels_.size()) {
    entry.peer = labels_[record.peer].peer;
    entry.group = labels_[record.peer].group;
  }
  entry.name = name_of(record);
  if (names_a_list(record.reason) && record.list < lists_.size()) entry.list = lists_[record.list];
  entry.upstream = upstream_of(server, record);
  return entry;
}

void QueryRecorder::latest(const std::function<bool(const QueryEntry&)>& each) const {
  for (auto entry = latest_.rbegin(); entry != latest_.rend(); ++entry)
    if (!each(*entry)) return;
}

}  // namespace culvert::control

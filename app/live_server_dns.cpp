// LiveServer: what it tells of DNS and changes of it.
#include <algorithm>

#include "app/live_server.hpp"
#include "app/worker_dns.hpp"
#include "base/log.hpp"
#include "dns/rule_table.hpp"

namespace culvert::app {

using control::Nothing;
using control::Problem;

namespace {

// So many names in one line: a few hundred microseconds of a worker's time.
constexpr std::size_t names_a_line = 200;

}  // namespace

const dns::DnsCounters& LiveServer::dns_counters(unsigned worker) const {
  return runtime_.shared.dns(worker);
}

// As with flow records: a worker speaks of its own peers only.
void LiveServer::take_queries(const std::function<void(const dns::QueryRecord&)>& each) {
  for (unsigned worker = 0; worker < runtime_.workers; ++worker) {
    dns::QueryRing& ring = runtime_.shared.queries(worker);
    dns::QueryRecord record;
    for (std::size_t n = 0; n < dns::QueryRing::capacity && ring.pop(record); ++n) {
      if (record.peer >= runtime_.registry.capacity()) continue;
      const control::Peer* peer = runtime_.registry.at(record.peer);
      if (peer && peer->worker != worker) continue;
      each(record);
    }
  }
}

// What the registry says of a name by now is what is told: first all that are gone.
void LiveServer::tell_names(Answers& wait) {
  SetDnsNames gone, here;
  const auto tell = [&](SetDnsNames& names) {
    if (!names.removed.empty() || !names.added.empty()) order_all(names, wait);
    names = {};
  };
  const auto touched = std::exchange(names_, {});
  for (const std::string& name : touched) {
    const control::Peer* peer = std::as_const(runtime_.registry).find(name);
    if (peer) continue;
    gone.removed.push_back(name);
    if (gone.removed.size() == names_a_line) tell(gone);
  }
  tell(gone);
  for (const std::string& name : touched) {
    const control::Peer* peer = std::as_const(runtime_.registry).find(name);
    if (!peer) continue;
    here.added.push_back({name, addresses_of(peer->entry.allowed_ips)});
    if (here.added.size() == names_a_line) tell(here);
  }
  tell(here);
}

// A worker that is forked from here on shares what was read; those that run may open no file.
void LiveServer::give_trust(Answers& wait) {
  if (load_trust(runtime_)) order_all(SetTrust{runtime_.authorities}, wait);
}

LiveServer::Promise<> LiveServer::use_rules(base::FileDescriptor table) {
  const auto turn = co_await turns_.take();
  if (table) {
    const auto mapped = dns::RuleTable::map(table.get(), true);  // who gives it has checked it
    if (!mapped) co_return Problem{422, "The rule table cannot be used", mapped.error(), {}};
  }
  runtime_.rule_table = std::move(table);
  // Before the workers are started io_ does not turn yet: there would be nobody to wait for.
  bool any = false;
  for (const control::WorkerState& worker : workers_.states()) any |= worker.pid > 0;
  if (!any) co_return control::Nothing{};
  const Wait wait = Answers::make(io_);
  order_all(UseRules{bool(runtime_.rule_table)}, *wait);
  const std::string error = co_await wait->wait();
  if (!error.empty()) co_return Problem{500, "Not carried out everywhere", error, {}};
  co_return Nothing{};
}

LiveServer::Promise<> LiveServer::flush_dns_cache() {
  const Wait wait = Answers::make(io_);
  order_all(FlushDnsCache{}, *wait);
  const std::string error = co_await wait->wait();
  if (!error.empty()) co_return Problem{500, "Not carried out everywhere", error, {}};
  co_return Nothing{};
}

}  // namespace culvert::app

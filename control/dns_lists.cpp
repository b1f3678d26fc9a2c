#include "control/dns_lists.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "control/clean_text.hpp"
#include "control/dns_lists_impl.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace log = base::log;
using std::chrono::seconds;

constexpr char no_rules_yet[] =
    "its rules are not compiled yet; until then clients that have it get SERVFAIL";

// Doubled with each failure, and up to half as much again, so that many servers do not come back at
// once.
base::Duration delay_after(unsigned failures, base::Duration most, base::Random& random) {
  const base::Duration delay =
      std::min<base::Duration>(DnsLists::first_delay * (1 << std::min(failures - 1, 16u)), most);
  return delay + delay / 2 * random.below(1001) / 1000;
}

}  // namespace

std::string_view to_string(ListUpdate::Outcome outcome) noexcept {
  switch (outcome) {
    case ListUpdate::Outcome::updated:
      return "updated";
    case ListUpdate::Outcome::unchanged:
      return "unchanged";
    default:
      return "failed";
  }
}

std::string_view to_string(dns::ListSettings::Format format) noexcept {
  constexpr std::array<std::string_view, 8> names{"auto",    "hosts", "domains", "adblock",
                                                  "dnsmasq", "rpz",   "regex",   "addresses"};
  const auto i = std::size_t(format);
  return i < names.size() ? names[i] : "unknown";
}

// What is remembered of the lists that are configured now.
void DnsLists::Impl::load() {
  const std::string text = files.read_index();
  index = read_index(text);
  if (!text.empty() && index.lists.empty() && index.compiled.made_of.empty())
    log::warn("what was known of lists cannot be read: they are downloaded anew");
  configure();
  std::vector<std::string> names;
  for (const EntryPtr& each : entries) names.push_back(each->settings.name);
  files.keep_only(names);
  const bool fetched = std::ranges::any_of(entries, [](const auto& e) { return e->fetched(); });
  if (fetched && !files.trouble().empty()) log::warn("lists: {}", files.trouble());
}

void DnsLists::Impl::configure() {
  std::vector<EntryPtr> old = std::exchange(entries, {});
  for (const dns::ListSettings& settings : parts.server.dns_settings().lists) {
    const auto same_name = [&](const EntryPtr& e) {
      return e && e->settings.name == settings.name;
    };
    const auto was = std::ranges::find_if(old, same_name);
    if (was != old.end() && (*was)->settings == settings) {
      if (!(*was)->fetched()) (*was)->next = parts.wall();  // its file may have changed
      entries.push_back(std::exchange(*was, nullptr));
      continue;
    }
    auto entry = std::make_shared<Entry>();
    entry->number = ++last_entry;
    entry->settings = settings;
    if (was != old.end())
      entry->record = (*was)->record, entry->awaited = (*was)->awaited;
    else if (const auto known = index.lists.find(settings.name); known != index.lists.end())
      entry->record = known->second;
    // Other settings may be what it wanted.
    if (was != old.end() && entry->record.failures > 0) entry->record.checked = {};
    set_next(*entry);
    entries.push_back(std::move(entry));
  }
  for (const EntryPtr& each : old)
    if (each) each->dropped = true;
  if (made_of_all() != in_force && !dirty) {
    dirty = true;
    dirty_since = parts.wall();
  }
  changed();
}

void DnsLists::Impl::set_next(Entry& entry) {
  const base::WallTime now = parts.wall();
  const ListRecord& record = entry.record;
  const base::Duration update = entry.settings.update;
  entry.next = now;
  if (!entry.fetched()) {
    if (entry.tries > 0) entry.next = now + look_at_files;
  } else if (record.checked > now) {
    return;  // the clock was set back
  } else if (record.failures > 0) {
    const base::Duration most = std::min<base::Duration>(update, longest_delay);
    entry.next = record.checked + delay_after(record.failures, most, parts.random);
  } else if (record.from == entry.settings.url && has_copy(entry)) {
    entry.next = record.checked + update + update / 20 * parts.random.below(1001) / 1000;
  }
}

bool DnsLists::Impl::is_due(const Entry& entry) const {
  const base::WallTime now = parts.wall();
  const bool set_back = entry.record.checked > now;  // the clock: `next` may be years away
  return entry.wanted || entry.next <= now || set_back;
}

void DnsLists::Impl::begin_due() {
  for (const EntryPtr& each : entries) {
    if (preparing || closed || running >= most_at_once) return;
    if (each->busy || !is_due(*each)) continue;
    claim(*each);
    asio::co_spawn(parts.executor, refresh(each), asio::detached);
  }
}

bool DnsLists::Impl::under_way() const {
  return std::ranges::any_of(entries, [this](const auto& e) { return e->busy || is_due(*e); });
}

bool DnsLists::Impl::awaits_first_copy(const Entry& entry) const {
  return entry.tries == 0 && entry.record.failures == 0 && !has_copy(entry);
}

bool DnsLists::Impl::any_awaited() const {
  return std::ranges::any_of(entries, [](const auto& each) { return each->awaited; });
}

bool DnsLists::Impl::table_knows(const std::string& list) const {
  return table && std::ranges::find(table->lists(), list) != table->lists().end();
}

DnsLists::Impl::EntryPtr DnsLists::Impl::find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(entries, [&](const auto& e) { return e->settings.name == name; });
  return found == entries.end() ? nullptr : *found;
}

void DnsLists::Impl::changed() {
  for (const auto& each : std::exchange(waiting, {}))
    if (const auto timer = each.lock()) timer->cancel();
}

DnsLists::Impl::Task DnsLists::Impl::wait_for_change() {
  const auto executor = co_await asio::this_coro::executor;
  const auto timer =
      std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  waiting.push_back(timer);
  boost::system::error_code ignored;
  co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void DnsLists::Impl::save() {
  index.lists.clear();
  for (const EntryPtr& each : entries) index.lists.emplace(each->settings.name, each->record);
  const std::string why = files.write_index(write_index(index));
  if (!why.empty() && why != save_error) log::warn("what is known of lists is not kept: {}", why);
  save_error = why;
}

ListStatus DnsLists::Impl::status_of(const Entry& entry) const {
  ListStatus status;
  const ListRecord& record = entry.record;
  status.settings = entry.settings;
  status.has_copy = has_copy(entry);
  status.in_force =
      status.has_copy && std::ranges::find(in_force, made_of(entry)) != in_force.end();
  status.updating = entry.busy;
  if (status.has_copy) status.report = record.report;
  status.bytes = status.has_copy ? record.bytes : 0;
  if (record.checked != base::WallTime{}) status.checked = record.checked;
  if (record.changed != base::WallTime{}) status.changed = record.changed;
  if (!entry.busy) status.next = entry.next;
  status.failures = entry.failures;
  status.error = record.error;
  return status;
}

DnsLists::DnsLists(Parts parts) : impl_(std::make_shared<Impl>(std::move(parts))) {}

DnsLists::~DnsLists() {
  impl_->closed = true;
  impl_->http.reset();
  impl_->changed();
}

void DnsLists::prepare(std::chrono::milliseconds limit) {
  impl_->preparing = true;
  impl_->load();
  impl_->jobs.make_haste(true);
  {
    asio::io_context io{1};
    bool done = false;
    asio::co_spawn(io, impl_->start_with(), [&done](std::exception_ptr) { done = true; });
    io.run_for(limit);
    if (!done)
      log::error("lists: not ready after {} ms{}", limit.count(),
                 impl_->table ? "; the server starts with older rules" : "");
  }
  for (const auto& each : impl_->entries) {
    each->awaited = !impl_->table_knows(each->settings.name);
    if (each->awaited) log::warn("list {}: {}", clean_text(each->settings.name), no_rules_yet);
  }
  impl_->jobs.make_haste(impl_->any_awaited());
  // What was not done in time is gone with its loop.
  impl_->compiling = impl_->preparing = false;
  impl_->running = 0;
  for (const auto& each : impl_->entries) each->busy = false;
}

void DnsLists::configure() {
  impl_->configure();
  tick();
}

void DnsLists::tick() {
  impl_->begin_due();
  impl_->compile_if_changed();
}

std::vector<ListStatus> DnsLists::lists() const {
  std::vector<ListStatus> all;
  for (const auto& each : impl_->entries) all.push_back(impl_->status_of(*each));
  return all;
}

RulesStatus DnsLists::rules() const {
  const Impl& impl = *impl_;
  RulesStatus status{.error = impl.compile_error, .trouble = impl.files.trouble()};
  for (const auto& each : impl.entries)
    if (each->awaited) status.awaited.push_back(each->settings.name);
  if (!impl.table) return status;
  status.generation = impl.table->generation();
  status.rules = impl.table->rules();
  status.bytes = impl.table->bytes();
  return status;
}

std::shared_ptr<const dns::RuleTable> DnsLists::table() const {
  return impl_->table;
}

DnsLists::Promise<std::vector<ListUpdate>> DnsLists::update(std::vector<std::string> names,
                                                            bool force) {
  const auto impl = impl_;
  std::vector<Impl::EntryPtr> chosen;
  if (names.empty()) chosen = impl->entries;
  for (std::size_t i = 0; i < names.size(); ++i) {
    chosen.push_back(impl->find(names[i]));
    if (!chosen.back())
      co_return Problem{404,
                        "List not found",
                        "no [[dns.list]] has this name",
                        {{fmt::format("lists/{}", i), clean_text(names[i], 200)}}};
  }
  for (const auto& each : chosen) {
    each->wanted = true;
    each->forced = each->forced || force;
  }
  if (impl->dirty) impl->compile_error.clear();
  impl->compile_after = {};
  impl->begin_due();
  const auto waits = [](const Impl::EntryPtr& e) { return !e->dropped && (e->wanted || e->busy); };
  while (std::ranges::any_of(chosen, waits)) co_await impl->wait_for_change();
  impl->compile_if_changed();
  while (impl->compiling || (impl->dirty && impl->compile_error.empty()))
    co_await impl->wait_for_change();
  std::vector<ListUpdate> results;
  for (const auto& each : chosen) {
    ListUpdate& result = results.emplace_back(each->last);
    result.name = each->settings.name;
    if (each->dropped) result.error = "it is not in the configuration any more";
    if (impl->compile_error.empty() || result.outcome != ListUpdate::Outcome::updated) continue;
    result.outcome = ListUpdate::Outcome::failed;
    result.error = impl->compile_error;
  }
  co_return results;
}

DnsLists::Promise<std::vector<DnsLists::Found>> DnsLists::find_lines(std::vector<std::string> lists,
                                                                     dns::Name name) {
  const auto impl = impl_;
  std::vector<Found> found;
  std::vector<dns::ListSource> sources;
  for (const std::string& each : lists) {
    const auto entry = impl->find(each);
    if (!entry) continue;
    found.push_back({each, {}});
    sources.push_back({entry->settings, impl->copy_of(*entry)});
  }
  if (sources.empty()) co_return found;
  auto lines = co_await impl->jobs.find(std::move(sources), name);
  if (!lines) co_return Problem{503, "Lists cannot be read", lines.error(), {}};
  for (std::size_t i = 0; i < found.size(); ++i) found[i].lines = std::move((*lines)[i]);
  co_return found;
}

int DnsLists::job() const noexcept {
  return impl_->jobs.pid();
}

}  // namespace culvert::control

// DnsLists: how all lists become the rules in force.
#include <fcntl.h>
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "control/clean_text.hpp"
#include "control/dns_lists_impl.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace log = base::log;

constexpr auto compile_again = std::chrono::seconds(60);

// Who gets it only reads.
base::FileDescriptor open_to_read(const std::string& path, int fd) {
  const std::string by_number = fmt::format("/proc/self/fd/{}", fd);
  base::FileDescriptor file(
      ::open(path.empty() ? by_number.c_str() : path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? std::move(file) : base::FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

}  // namespace

// All that the rules of a list depend on.
std::string DnsLists::Impl::made_of(const Entry& entry) const {
  const dns::ListSettings& list = entry.settings;
  const FileIdentity copy = identity_of(copy_of(entry));
  return fmt::format("{}\t{}\t{}{:d}{:d}{:d}{:d}\t{} {} {}", list.name, parts.server.info().version,
                     to_string(list.format), list.allows, list.trusted, list.subdomains, list.force,
                     copy.size, copy.inode, copy.changed);
}

std::vector<std::string> DnsLists::Impl::made_of_all() const {
  std::vector<std::string> all;
  for (const EntryPtr& each : entries)
    if (!awaits_first_copy(*each)) all.push_back(made_of(*each));
  return all;
}

// What was compiled before this process, if it is whole.
base::FileDescriptor DnsLists::Impl::map_compiled() {
  base::FileDescriptor file;
  if (!files.usable() || entries.empty() || index.compiled.made_of.empty()) return file;
  file = base::FileDescriptor(::open(files.table().c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return file;
  auto mapped = dns::RuleTable::map(file.get());
  if (!mapped) log::warn("compiled rules: {}", mapped.error());
  if (!mapped || (*mapped)->generation() != index.compiled.generation) return {};
  table = std::move(*mapped);
  in_force = index.compiled.made_of;
  return file;
}

// With what there is; then what changed while nobody looked.
DnsLists::Impl::Task DnsLists::Impl::start_with() {
  const auto self = shared_from_this();
  base::FileDescriptor file = map_compiled();
  if (file) {
    const auto given = co_await parts.server.use_rules(std::move(file));
    if (!given) log::error("rules: {}", given.problem().to_line());
  }
  const std::vector<EntryPtr> now = entries;
  for (const EntryPtr& each : now) {
    if (each->fetched()) continue;
    claim(*each);
    co_await refresh(each);
  }
  if (made_of_all() != in_force) co_await compile();
  dirty = made_of_all() != in_force;
}

void DnsLists::Impl::compile_if_changed() {
  if (!dirty || compiling || preparing || closed) return;
  const base::WallTime now = parts.wall();
  if (now < compile_after && compile_after - now <= compile_again) return;
  if (under_way() && now >= dirty_since && now - dirty_since < patience) return;
  if (made_of_all() == in_force) {
    dirty = false;
    return changed();
  }
  compiling = true;  // from now on, not from when the loop begins it
  asio::co_spawn(parts.executor, compile(), asio::detached);
}

DnsLists::Impl::Task DnsLists::Impl::compile() {
  const auto self = shared_from_this();
  compiling = true;
  dirty = false;
  const auto begin = std::chrono::steady_clock::now();
  try {
    compile_error = co_await compile_once();
  } catch (const std::exception& error) {
    compile_error = error.what();
  }
  compiling = false;
  if (closed) co_return;
  if (compile_error.empty()) {
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    log::info("rules: {} from {} lists are in force, {} bytes, compiled in {:.0f} ms",
              index.compiled.rules, in_force.size(), index.compiled.bytes, took.count());
    tell_updated();
  } else {
    compile_error = clean_text(compile_error, 500);
    log::error("rules: not compiled, the old ones stay: {}", compile_error);
    parts.events.publish(EventKind::list_failed, "",
                         "the rules were not compiled: " + compile_error, {}, parts.wall());
    dirty = true;
    dirty_since = parts.wall();
    compile_after = dirty_since + compile_again;
  }
  save();
  changed();
  compile_if_changed();
}

asio::awaitable<std::string> DnsLists::Impl::compile_once() {
  const std::vector<std::string> key = made_of_all();
  std::vector<EntryPtr> used = entries;
  std::erase_if(used, [this](const EntryPtr& each) { return awaits_first_copy(*each); });
  std::vector<dns::ListSource> sources;
  for (const EntryPtr& each : used)
    sources.push_back({each->settings, has_copy(*each) ? copy_of(*each) : std::string()});
  const base::FileDescriptor file = files.new_table();
  if (!file) co_return fmt::format("{}: {}", files.table(), std::strerror(errno));
  const auto report = co_await jobs.compile(std::move(sources), file.get());
  if (!report) co_return report.error();
  if (closed) co_return std::string("stopped");
  auto mapped = dns::RuleTable::map(file.get());
  if (!mapped) co_return mapped.error();
  if (std::string why = files.accept_table(); !why.empty()) co_return why;
  base::FileDescriptor given = open_to_read(files.usable() ? files.table() : "", file.get());
  const auto taken = co_await parts.server.use_rules(std::move(given));
  if (!taken) co_return taken.problem().to_line();
  table = std::move(*mapped);
  for (const EntryPtr& each : used) each->awaited = false;
  jobs.make_haste(preparing || any_awaited());
  in_force = key;
  index.compiled = {key, report->generation, report->rules, report->bytes};
  for (std::size_t i = 0; i < used.size() && i < report->lists.size(); ++i) {
    const dns::CompiledList& list = report->lists[i];
    if (list.error.empty())
      used[i]->record.report = list.report, tell_no_room(*used[i]);
    else if (has_copy(*used[i]))
      log::warn("list {}: {}", clean_text(used[i]->settings.name), clean_text(list.error));
  }
  co_return std::string();
}

void DnsLists::Impl::tell_no_room(const Entry& entry) {
  constexpr auto at = std::size_t(dns::LineFault::no_room);
  const dns::ListReport& report = entry.record.report;
  if (report.faults[at] > 0)
    log::warn(
        "list {}: {} rules from line {} on are left out: there are more than a rule table holds",
        clean_text(entry.settings.name), report.faults[at], report.first[at]);
}

void DnsLists::Impl::tell_updated() {
  for (const std::string& name : std::exchange(updated, {})) {
    const EntryPtr entry = find(name);
    if (!entry) continue;
    const std::uint64_t rules = entry->record.report.rules;
    parts.events.publish(EventKind::list_updated, "", fmt::format("{}: {} rules", name, rules),
                         fmt::format(R"("list":{},"rules":{})", json_string(name), rules),
                         parts.wall());
  }
}

}  // namespace culvert::control

// DnsLists: how one list is renewed.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/log.hpp"
#include "control/clean_text.hpp"
#include "control/dns_lists_impl.hpp"
#include "control/list_verdict.hpp"
#include "control/url.hpp"

namespace culvert::control {
namespace {

namespace asio = boost::asio;
namespace log = base::log;

constexpr auto download_limit = std::chrono::minutes(5);
constexpr std::size_t longest_error = 500, longest_validator = 512;

// What a server said comes back to it only if it is what a header field may hold.
std::string validator(const std::string& text) {
  const bool fine = text.size() <= longest_validator &&
                    std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  return fine ? text : std::string();
}

template <class Function>
struct Finally {
  Function function;
  ~Finally() { function(); }
};
template <class Function>
Finally(Function) -> Finally<Function>;

}  // namespace

std::string DnsLists::Impl::copy_of(const Entry& entry) const {
  if (files.usable()) return files.copy_of(entry.settings.name);
  return entry.settings.path;
}

bool DnsLists::Impl::has_copy(const Entry& entry) const {
  return identity_of(copy_of(entry)).exists();
}

void DnsLists::Impl::claim(Entry& entry) {
  entry.busy = true;
  entry.wanted = false;
  ++running;
}

DnsLists::Impl::Task DnsLists::Impl::refresh(EntryPtr entry) {
  const auto self = shared_from_this();
  const bool force = std::exchange(entry->forced, false);
  const ListUpdate update = co_await renew(entry, force);
  entry->busy = false;
  --running;
  if (closed) co_return;
  note(*entry, update);
  save();
  begin_due();
  compile_if_changed();
}

boost::asio::awaitable<ListUpdate> DnsLists::Impl::renew(EntryPtr entry, bool force) {
  ListUpdate update{.name = entry->settings.name,
                    .outcome = ListUpdate::Outcome::failed,
                    .rules = entry->record.report.rules,
                    .error = {}};
  ListRecord made = entry->record;
  try {
    if (entry->fetched())
      update.error = co_await fetch(entry, force, &made);
    else
      update.error = co_await take(entry, force, &made);
  } catch (const std::exception& error) {
    update.error = error.what();
  }
  if (!update.error.empty() || entry->dropped || closed) co_return update;
  made.checked = parts.wall();
  made.failures = 0;
  made.error.clear();
  const bool same = made.digest == entry->record.digest && made.from == entry->record.from;
  update.outcome = same ? ListUpdate::Outcome::unchanged : ListUpdate::Outcome::updated;
  if (!same) made.changed = made.checked;
  entry->record = std::move(made);
  update.rules = entry->record.report.rules;
  co_return update;
}

// A process that is gone with its last download.
asio::awaitable<DownloadReply> DnsLists::Impl::download(DownloadRequest request) {
  const auto executor = co_await asio::this_coro::executor;
  const auto timer =
      std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  const auto reply = std::make_shared<std::optional<DownloadReply>>();
  if (!http) http = std::make_unique<HttpProcess>(executor, parts.in_child);
  ++downloading;
  http->download(std::move(request), [timer, reply](DownloadReply got) {
    *reply = std::move(got);
    timer->cancel();
  });
  boost::system::error_code ignored;
  while (!*reply && !closed) {
    timer->expires_at(asio::steady_timer::time_point::max());
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (--downloading == 0) {
    // Not from inside its own call.
    asio::post(executor, [self = shared_from_this()] {
      if (self->downloading == 0) self->http.reset();
    });
  }
  DownloadReply got = std::move(reply->value());
  co_return got;
}

asio::awaitable<std::string> DnsLists::Impl::fetch(EntryPtr entry, bool force, ListRecord* made) {
  const dns::ListSettings& list = entry->settings;
  if (!files.usable()) co_return files.trouble();
  const std::string copy = files.copy_of(list.name);
  const bool known =
      !force && made->from == list.url && made->copy.exists() && identity_of(copy) == made->copy;
  DownloadRequest request;
  request.url = list.url;
  request.file = files.arriving(list.name, entry->number);
  request.etag = known ? validator(made->etag) : "";
  request.last_modified = known ? validator(made->last_modified) : "";
  request.ca_file = list.ca_file;
  request.max_size = list.max_size;
  request.timeout = download_limit;
  const DownloadReply reply = co_await download(std::move(request));
  if (reply.status == 0 || reply.status == 304) co_return reply.error;
  made->etag = validator(reply.etag);
  made->last_modified = validator(reply.last_modified);
  made->source = {};
  std::string why = co_await take(entry, force, made);
  co_return why;
}

// What arrived, or a file of the operator's, becomes the copy if it is good.
asio::awaitable<std::string> DnsLists::Impl::take(EntryPtr entry, bool force, ListRecord* made) {
  const dns::ListSettings& list = entry->settings;
  const std::string from = entry->fetched() ? "" : list.path;
  if (!entry->fetched()) {
    const FileIdentity now = identity_of(list.path);
    if (!now.exists()) co_return fmt::format("{}: {}", list.path, std::strerror(ENOENT));
    const bool same = now == made->source && made->from == list.path && has_copy(*entry);
    if (same && !force) co_return std::string();
    made->source = now;
  }
  const std::string arriving = files.usable() ? files.arriving(list.name, entry->number) : "";
  const auto taken = co_await jobs.take_in(list, from, arriving);
  const Finally tidy{[arriving] {
    if (!arriving.empty()) ::unlink(arriving.c_str());
  }};
  if (!taken) co_return taken.error();
  const bool same_place = made->from == entry->from() && has_copy(*entry);
  const auto before = same_place ? std::optional(made->report.rules) : std::nullopt;
  std::string why;
  if (!force && !list.force) why = refuse_list(taken->report, before, entry->fetched());
  if (!why.empty() || entry->dropped) co_return why;
  made->from = entry->from();
  made->report = taken->report;
  made->bytes = taken->bytes;
  const bool same = taken->digest == made->digest && has_copy(*entry);
  made->digest = taken->digest;
  if (!same && files.usable()) why = files.accept(list.name, entry->number);
  made->copy = identity_of(copy_of(*entry));
  co_return why;
}

// Tells of it once: a server that is down for a week is one failure.
void DnsLists::Impl::note(Entry& entry, const ListUpdate& update) {
  const std::string& name = update.name;
  ++entry.tries;
  entry.last = update;
  entry.last.error = clean_text(update.error, longest_error);
  if (entry.dropped) return changed();
  if (update.outcome != ListUpdate::Outcome::failed) {
    if (update.outcome == ListUpdate::Outcome::updated) updated.insert(name);
    const std::string faults = describe_faults(entry.record.report);
    if (update.outcome == ListUpdate::Outcome::updated && !faults.empty())
      log::info("list {}: {} lines give no rule: {}", clean_text(name),
                entry.record.report.lines - std::min(entry.record.report.lines, update.rules),
                faults);
  } else {
    const std::string& error = entry.last.error;
    if (error != entry.record.error || entry.record.failures == 0) {
      const bool kept = has_copy(entry);
      log::warn("list {}: {}{}", clean_text(name), error, kept ? "; the last good copy stays" : "");
      parts.events.publish(EventKind::list_failed, "", fmt::format("{}: {}", name, error),
                           fmt::format(R"("list":{})", json_string(name)), parts.wall());
    }
    entry.record.checked = parts.wall();
    ++entry.record.failures;
    ++entry.failures;
    entry.record.error = error;
  }
  set_next(entry);
  if (made_of_all() != in_force && !dirty) {
    dirty = true;
    dirty_since = parts.wall();
  }
  changed();
}

}  // namespace culvert::control

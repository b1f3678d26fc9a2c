#include "control/name_lookup.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace culvert::control {

namespace asio = boost::asio;

// Shared by the coroutine, which may have given up, and the thread.
struct NameLookup::Lookup {
  explicit Lookup(asio::any_io_executor on) : executor(std::move(on)), finished(executor) {}

  asio::any_io_executor executor;
  asio::steady_timer finished;  // the coroutine's alone
  std::atomic<bool> done{false};
  Result result;  // the thread's until it is done
};

namespace {

NameLookup::Result look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failed != 0) return {{}, "look up " + host + ": " + ::gai_strerror(failed)};
  NameLookup::Result result;
  for (const addrinfo* each = list; each; each = each->ai_next) {
    sockaddr_storage address{};
    std::memcpy(&address, each->ai_addr, std::min<std::size_t>(each->ai_addrlen, sizeof address));
    result.addresses.push_back(base::Endpoint::from_sockaddr(address).address);
  }
  ::freeaddrinfo(list);
  return result;
}

}  // namespace

NameLookup::~NameLookup() {
  for (Running& each : running_) each.thread.join();
}

void NameLookup::collect() {
  std::erase_if(running_, [](Running& each) {
    if (!each.lookup->done.load(std::memory_order_acquire)) return false;
    each.thread.join();
    return true;
  });
}

asio::awaitable<NameLookup::Result> NameLookup::find(std::string host, Clock::time_point until) {
  Result result;
  if (const auto address = base::IpAddress::parse(host)) {
    result.addresses.push_back(*address);
    co_return result;
  }
  collect();
  if (running_.size() >= max_threads) {
    result.error = "too many names are being looked up";
    co_return result;
  }
  const auto executor = co_await asio::this_coro::executor;
  const auto lookup = std::make_shared<Lookup>(executor);
  lookup->finished.expires_at(until);
  std::thread thread([lookup, host] {
    lookup->result = look_up(host);
    lookup->done.store(true, std::memory_order_release);
    asio::post(lookup->executor, [lookup] { lookup->finished.cancel(); });
  });
  running_.push_back({lookup, std::move(thread)});
  boost::system::error_code ignored;
  co_await lookup->finished.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  if (lookup->done.load(std::memory_order_acquire))
    result = lookup->result;
  else
    result.error = "look up " + host + ": timed out";
  co_return result;
}

}  // namespace culvert::control

#include "app/event_loop.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>

namespace culvert::app {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;

namespace {

// Enough to serve every ready socket of a busy worker once, few enough that the first packet of a
// turn does not wait long for its flush.
constexpr int max_handlers_a_turn = 64;

// A deadline that has passed already is met this much later, so that no mistake spins the loop.
constexpr base::Duration shortest_sleep = std::chrono::microseconds(100);

// Asio's timers count CLOCK_MONOTONIC, which stands still while the machine sleeps.
int open_timer() {
  const int fd = ::timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "timerfd_create");
  return fd;
}

}  // namespace

EventLoop::EventLoop() : timer_(io_, open_timer()) {
  wait_timer();
}

EventLoop::~EventLoop() {
  for (Reader& reader : readers_) reader.descriptor.release();
}

base::Time EventLoop::now() noexcept {
  if (!now_is_known_) now_ = base::BootClock::now(), now_is_known_ = true;
  return now_;
}

void EventLoop::on_readable(int fd, std::function<void()> handler) {
  readers_.push_back({boost::asio::posix::stream_descriptor(io_, fd), std::move(handler)});
  wait(readers_.back());
}

void EventLoop::wait(Reader& reader) {
  reader.descriptor.async_wait(descriptor_base::wait_read, [this, &reader](error_code error) {
    if (error) return;
    now();  // the turn begins here, not after the handler's first read
    reader.handler();
    wait(reader);
  });
}

void EventLoop::do_not_sleep() {
  boost::asio::post(io_, [] {});
}

void EventLoop::wait_timer() {
  timer_.async_wait(descriptor_base::wait_read, [this](error_code error) {
    if (error) return;
    std::uint64_t expirations;
    if (::read(timer_.native_handle(), &expirations, sizeof expirations) > 0) armed_ = base::never;
    wait_timer();
  });
}

void EventLoop::arm(base::Time deadline) noexcept {
  // A deadline that moved away is left alone: waking early once is cheaper than a call every turn.
  if (deadline >= armed_) return;
  armed_ = std::max(deadline, now() + shortest_sleep);
  const auto since_boot = armed_.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = (since_boot - seconds).count();
  ::timerfd_settime(timer_.native_handle(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void EventLoop::run(const std::function<base::Time()>& end_turn, base::WorkerCounters& counters) {
  while (true) {
    arm(std::min(end_turn(), now() + beat));
    const base::Time end = base::BootClock::now();
    counters.turns.add(std::uint64_t((end - now()).count()));
    counters.last_turn.set(std::uint64_t(end.time_since_epoch().count()));
    if (stopping_) return;
    now_is_known_ = false;
    io_.run_one();
    for (int i = 1; i < max_handlers_a_turn && !stopping_; ++i)
      if (turn_is_long() || io_.poll_one() == 0) break;
  }
}

}  // namespace culvert::app

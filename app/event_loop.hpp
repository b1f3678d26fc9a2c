// EventLoop: a worker's one thread. A turn waits until something is ready, runs handlers for a
// bounded time, and ends with one call that flushes what they gathered; so a flood on one socket
// delays the others by little, and everything a turn made leaves in one system call.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <deque>
#include <functional>

#include "base/counters.hpp"
#include "base/time.hpp"

namespace culvert::app {

class EventLoop {
 public:
  EventLoop();  // throws std::system_error
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  boost::asio::io_context& io() noexcept { return io_; }

  // CLOCK_BOOTTIME, read once a turn when first asked for.
  base::Time now() noexcept;

  // Calls `handler` in every turn in which `fd` (not owned) has something to read. The handler
  // reads a bounded amount; the rest is for later.
  void on_readable(int fd, std::function<void()> handler);

  // An idle loop turns this often, so that who watches WorkerCounters::last_turn sees that it could.
  static constexpr base::Duration beat = std::chrono::seconds(2);

  // Whether the turn has lasted so long that what is left is better done in the next one: who asked
  // last waits for two turns at the most. A short turn still has dozens of packets to batch; a
  // client that is alone gains more by a long one.
  bool turn_is_long() noexcept {
    return base::BootClock::now() - now() > (now() < short_until_ ? short_turn : long_turn);
  }
  static constexpr base::Duration short_turn = std::chrono::microseconds(100);
  static constexpr base::Duration long_turn = std::chrono::microseconds(500);
  // Clients share the worker: turns are short for a second from now.
  void shorten_turns() noexcept { short_until_ = now() + std::chrono::seconds(1); }
  // The next turn begins without waiting.
  void do_not_sleep();

  // Until stop(). `end_turn` is called once before the first wait and after every turn; it returns
  // when it wants to be called at the latest. Counts how long turns take and when the last one was.
  void run(const std::function<base::Time()>& end_turn, base::WorkerCounters& counters);
  void stop() noexcept { stopping_ = true; }

 private:
  struct Reader {
    boost::asio::posix::stream_descriptor descriptor;
    std::function<void()> handler;
  };

  void wait(Reader& reader);
  void wait_timer();
  void arm(base::Time deadline) noexcept;

  boost::asio::io_context io_{1};
  std::deque<Reader> readers_;
  boost::asio::posix::stream_descriptor timer_;
  base::Time armed_ = base::never;
  base::Time now_{};
  bool now_is_known_ = false;
  base::Time short_until_{};
  bool stopping_ = false;
};

}  // namespace culvert::app

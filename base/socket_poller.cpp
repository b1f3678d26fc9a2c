#include "base/socket_poller.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace culvert::base {
namespace {

constexpr std::uint32_t changes = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

int open_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return fd;
}

bool control(int epoll, int operation, int fd, std::uint32_t events,
             SocketPoller::Waiter& waiter) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &waiter;
  return ::epoll_ctl(epoll, operation, fd, &event) == 0;
}

}  // namespace

SocketPoller::SocketPoller(boost::asio::io_context& io) : epoll_(io, open_epoll()) {
  arm();
}

bool SocketPoller::add_for_changes(int fd, Waiter& waiter) noexcept {
  return control(epoll_.native_handle(), EPOLL_CTL_ADD, fd, changes, waiter);
}

void SocketPoller::again(int fd, Waiter& waiter) noexcept {
  control(epoll_.native_handle(), EPOLL_CTL_MOD, fd, changes, waiter);
}

bool SocketPoller::add_for_reading(int fd, Waiter& waiter) noexcept {
  return control(epoll_.native_handle(), EPOLL_CTL_ADD, fd, EPOLLIN, waiter);
}

void SocketPoller::arm() noexcept {
  if (armed_) return;
  armed_ = true;
  epoll_.async_wait(epoll_.wait_read, [this](boost::system::error_code error) {
    if (!error) dispatch();
  });
}

void SocketPoller::dispatch() noexcept {
  armed_ = false;
  std::array<epoll_event, max_events> events;
  const int count = ::epoll_wait(epoll_.native_handle(), events.data(), max_events, 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[std::size_t(i)];
    static_cast<Waiter*>(event.data.ptr)->on_ready(event.events);
  }
}

}  // namespace culvert::base

#include "app/control_channel.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/secret.hpp"

namespace culvert::app {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;

namespace {

void wipe(std::span<char> text) noexcept {
  base::wipe(std::as_writable_bytes(text));
}

}  // namespace

void WipedText::append(std::string_view more) {
  if (text_.size() + more.size() > text_.capacity()) {
    std::string larger;
    larger.reserve(2 * size() + more.size());
    larger.append(view());
    drop(size());
    text_.swap(larger);
  }
  text_.append(more);
}

void WipedText::drop(std::size_t from_front) noexcept {
  wipe(std::span(text_).subspan(begin_, from_front));
  begin_ += from_front;
  if (begin_ == text_.size()) text_.clear(), begin_ = 0;
}

std::pair<base::FileDescriptor, base::FileDescriptor> ControlChannel::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair to a worker");
  return {base::FileDescriptor(ends[0]), base::FileDescriptor(ends[1])};
}

std::shared_ptr<ControlChannel> ControlChannel::start(boost::asio::io_context& io,
                                                      base::FileDescriptor socket, Bounds bounds,
                                                      OnLine on_line, OnClosed on_closed) {
  std::shared_ptr<ControlChannel> channel(
      new ControlChannel(io, std::move(socket), bounds, std::move(on_line), std::move(on_closed)));
  channel->wait_readable();
  return channel;
}

ControlChannel::ControlChannel(boost::asio::io_context& io, base::FileDescriptor socket,
                               Bounds bounds, OnLine on_line, OnClosed on_closed)
    : socket_(io, socket.release()),
      bounds_(bounds),
      on_line_(std::move(on_line)),
      on_closed_(std::move(on_closed)) {}

bool ControlChannel::send(std::string_view line) {
  if (closed_ || unsent_.size() > bounds_.unsent) return false;
  unsent_.append(line);
  if (!writing_) write_some();
  return true;
}

void ControlChannel::hold(bool held) {
  held_ = held;
  if (!held_ && !reading_ && !closed_) wait_readable();
}

void ControlChannel::close() noexcept {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

void ControlChannel::wait_readable() {
  reading_ = true;
  socket_.async_wait(descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
    self->reading_ = false;
    if (!error && !self->closed_) self->read_some();
  });
}

void ControlChannel::wait_writable() {
  writing_ = true;
  socket_.async_wait(descriptor_base::wait_write, [self = shared_from_this()](error_code error) {
    self->writing_ = false;
    if (!error && !self->closed_) self->write_some();
  });
}

void ControlChannel::read_some() {
  if (held_) return;
  std::array<char, 16 << 10> buffer;
  const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return wait_readable();
  if (n <= 0) return fail();
  unread_.append({buffer.data(), std::size_t(n)});
  wipe(std::span(buffer).first(std::size_t(n)));
  if (!deliver_lines()) return fail();
  if (!closed_ && !held_ && !reading_) wait_readable();
}

bool ControlChannel::deliver_lines() {
  for (std::size_t end;
       !closed_ && (end = unread_.view().find('\n', searched_)) != std::string_view::npos;) {
    std::string line(unread_.view().substr(0, end));
    unread_.drop(end + 1);
    searched_ = 0;
    const bool good = on_line_(line);
    wipe(line);
    if (!good) return false;
  }
  searched_ = unread_.size();
  return unread_.size() <= bounds_.line;
}

void ControlChannel::write_some() {
  const std::string_view unsent = unsent_.view();
  const ssize_t n =
      ::send(socket_.native_handle(), unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) unsent_.drop(std::size_t(n));
  if (n < 0 && errno != EAGAIN && errno != EINTR)
    return unsent_.drop(unsent_.size());  // reading sees the end
  if (unsent_.size() != 0) wait_writable();
}

void ControlChannel::fail() {
  if (closed_) return;
  close();
  on_closed_();
}

}  // namespace culvert::app

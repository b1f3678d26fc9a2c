#include "app/control_channel.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace culvert::app {

using boost::asio::posix::descriptor_base;
using boost::system::error_code;

std::pair<Descriptor, Descriptor> ControlChannel::make_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair to a worker");
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

std::shared_ptr<ControlChannel> ControlChannel::start(boost::asio::io_context& io,
                                                      Descriptor socket, OnMessage on_message,
                                                      OnClosed on_closed) {
  std::shared_ptr<ControlChannel> channel(
      new ControlChannel(io, std::move(socket), std::move(on_message), std::move(on_closed)));
  channel->wait_readable();
  return channel;
}

ControlChannel::ControlChannel(boost::asio::io_context& io, Descriptor socket, OnMessage on_message,
                               OnClosed on_closed)
    : socket_(io, socket.release()),
      on_message_(std::move(on_message)),
      on_closed_(std::move(on_closed)) {}

bool ControlChannel::send(const ControlMessage& message) {
  if (closed_ || unsent_.size() > max_unsent) return false;
  unsent_ += to_line(message);
  if (!writing_) write_some();
  return true;
}

void ControlChannel::close() noexcept {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

void ControlChannel::wait_readable() {
  socket_.async_wait(descriptor_base::wait_read, [self = shared_from_this()](error_code error) {
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
  std::array<char, 16 << 10> buffer;
  const ssize_t n = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return wait_readable();
  if (n <= 0) return fail();
  unread_.append(buffer.data(), std::size_t(n));
  if (!deliver_lines()) return fail();
  if (!closed_) wait_readable();
}

bool ControlChannel::deliver_lines() {
  std::size_t begin = 0;
  for (std::size_t end; !closed_ && (end = unread_.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const auto message = parse_line(std::string_view(unread_).substr(begin, end - begin));
    if (!message) return false;
    on_message_(*message);
  }
  unread_.erase(0, begin);
  return unread_.size() <= max_line;
}

void ControlChannel::write_some() {
  const ssize_t n =
      ::send(socket_.native_handle(), unsent_.data(), unsent_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n > 0) unsent_.erase(0, std::size_t(n));
  if (n < 0 && errno != EAGAIN && errno != EINTR) return unsent_.clear();  // reading sees the end
  if (!unsent_.empty()) wait_writable();
}

void ControlChannel::fail() {
  if (closed_) return;
  close();
  on_closed_();
}

}  // namespace culvert::app

#include "dns/upstream_connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace culvert::dns {
namespace {

constexpr unsigned most_reads = 16;  // of one connection in one turn
constexpr std::size_t read_size = 16384;
// Unsent: far more than all questions of a connection. A server that makes us answer (HTTP/2 pings)
// and does not read is not worth more memory.
constexpr std::size_t most_unsent = 1 << 20;

void set_options(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A server that is gone is noticed when it does not acknowledge, not in a quarter of an hour.
  const unsigned unacknowledged_ms = 10'000;
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

}  // namespace

bool Connection::start(const base::Endpoint& to, const base::IpAddress& source) noexcept {
  const int family = to.address.is_v4() ? AF_INET : AF_INET6;
  fd_ = base::FileDescriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return false;
  set_options(fd_.get());
  sockaddr_storage address{};
  if (source) {
    const socklen_t size = base::Endpoint{source, 0}.to_sockaddr(address);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return false;
  }
  const socklen_t size = to.to_sockaddr(address);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
      errno != EINPROGRESS)
    return false;
  state_ = State::connecting;
  return poller_.add_for_changes(fd_.get(), *this);
}

void Connection::write(base::Bytes bytes) {
  auto& to = tls_ ? plain_ : out_;
  to.insert(to.end(), bytes.begin(), bytes.end());
}

bool Connection::flush() noexcept {
  if (state_ == State::closed) return false;
  if (state_ == State::open && tls_ && !plain_.empty()) {
    if (!tls_->write(plain_, out_)) return false;
    plain_.clear();
  }
  return state_ == State::connecting || send_out();
}

bool Connection::send_out() noexcept {
  while (sent_ < out_.size()) {
    const ssize_t n =
        ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return false;
    if (n < 0) {
      out_.erase(out_.begin(), out_.begin() + std::ptrdiff_t(std::exchange(sent_, 0)));
      return out_.size() <= most_unsent;
    }
    sent_ += std::size_t(n);
  }
  out_.clear(), sent_ = 0;
  return true;
}

void Connection::close() noexcept {
  if (state_ == State::open && tls_) {
    tls_->shut_down(out_);
    send_out();
  }
  state_ = State::closed;
  fd_.reset();
}

void Connection::break_off() noexcept {
  if (state_ == State::closed) return;
  close();
  owner_.on_closed();
}

// Linux wakes a connecting socket for an ICMP error just before it is the socket's: only one that is
// writable has its outcome.
bool Connection::connected(std::uint32_t events) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return false;
  if ((events & EPOLLOUT) == 0) return true;
  if (!tls_) return become_open(), true;
  state_ = State::handshaking;
  return tls_->start(out_) && send_out();
}

void Connection::become_open() noexcept {
  state_ = State::open;
  owner_.on_open();
}

void Connection::on_ready(std::uint32_t events) noexcept {
  if (state_ == State::closed || state_ == State::idle) return;
  if (state_ == State::connecting) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0) return;
    if (!connected(events)) return break_off();
    if (state_ == State::connecting) return;
  }
  if (!flush()) return break_off();
  for (unsigned i = 0; i < most_reads; ++i)
    if (!receive()) return;
  if (state_ != State::closed) poller_.again(fd_.get(), *this);
}

// False: nothing more is there now, or it is closed.
bool Connection::receive() noexcept {
  if (state_ == State::closed) return false;
  std::array<std::byte, read_size> buffer;
  const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EINTR) return true;
  if (n < 0 && errno == EAGAIN) return false;
  if (n > 0 && take(base::Bytes(buffer).first(std::size_t(n)))) return true;
  break_off();
  return false;
}

bool Connection::take(base::Bytes bytes) noexcept {
  if (tls_) return take_tls(bytes);
  owner_.on_bytes(bytes);
  return true;
}

bool Connection::take_tls(base::Bytes bytes) noexcept {
  if (!tls_->take(bytes, out_)) {
    send_out();  // the alert that says why
    return false;
  }
  if (state_ == State::handshaking && tls_->is_open()) become_open();
  std::array<std::byte, read_size> plain;
  while (state_ == State::open) {
    const int n = tls_->read(plain);
    if (n < 0) return false;
    if (n == 0) break;
    owner_.on_bytes(base::Bytes(plain).first(std::size_t(n)));
  }
  return state_ == State::closed || flush();
}

}  // namespace culvert::dns

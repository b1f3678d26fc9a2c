#include "proxy/tcp_flow.hpp"

#include <netinet/tcp.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "proxy/context.hpp"

namespace culvert::proxy {
namespace {

// Reading is worth a system call from here on.
constexpr std::size_t enough_space = 32 << 10;
// Of pieces below this size a packet buffer each would be waste.
constexpr std::size_t small_piece = 512;
constexpr auto handshake_time = std::chrono::seconds(30);
// Only a flow that lives so long is asked to watch for an origin that has gone.
constexpr auto keep_alive_after = std::chrono::seconds(30);

}  // namespace

TcpFlow::TcpFlow(Context& context, ClientState& client, FileDescriptor host)
    : Flow(context, client, Kind::tcp),
      started_(context.now()),
      last_progress_(context.now()),
      span_(context.reporter.begin(context.now())),
      down_(context.chunks),
      host_(std::move(host)) {}

TcpFlow::~TcpFlow() = default;

// ---- up: client to host

void TcpFlow::on_data(netstack::Chain data) noexcept {
  last_active_ = context_.now();
  if (up_failed_ || state_ != State::open) {
    if (connection_) connection_->consumed(data.size());
    return;
  }
  up_.append(std::move(data));
  mark_dirty();
}

void TcpFlow::on_fin() noexcept {
  last_active_ = context_.now();
  client_fin_ = true;
  context_.table.set_deadline(*this, on_deadline(context_.now()), context_.now());
  mark_dirty();
}

void TcpFlow::go_on_up() noexcept {
  if (up_.empty() || !context_.shaper.is_limited(client_.up, context_.now()))
    write_up(std::numeric_limits<std::size_t>::max());
  else if (writable_)
    context_.shaper.join(Shaper::Ring::up, client_.up, up_side_);
}

Moved TcpFlow::move_up(std::size_t most) noexcept {
  const std::size_t moved = write_up(most);
  if (is_done()) finish();
  return {moved, moved == most};
}

// Returns how many bytes the host took.
std::size_t TcpFlow::write_up(std::size_t most) noexcept {
  std::size_t done = 0;
  if (state_ != State::open || !writable_ || host_shut_) return done;
  while (!up_.empty() && !up_failed_) {
    if (done == most) return done;
    const base::Pieces pieces = up_.pieces();
    std::array<iovec, base::Pieces::max_count> parts;
    std::size_t count = 0, asked = 0;
    for (base::Bytes piece : pieces) {
      const std::size_t size = std::min(piece.size(), most - done - asked);
      if (size == 0) break;
      parts[count++] = {const_cast<std::byte*>(piece.data()), size};
      asked += size;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    // Nagle's algorithm never holds the first write back, and many flows have no other.
    if (wrote_ && !std::exchange(no_delay_, true)) set_option(fd(), IPPROTO_TCP, TCP_NODELAY, 1);
    const ssize_t sent = ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return wait_writable(), done;
      if (errno == ENOBUFS) return wait_writable(), context_.poller.again(fd(), *this), done;
      return discard_up(), done;
    }
    wrote_ = true;
    last_active_ = context_.now();
    payload_up_ += std::size_t(sent);
    client_.counters.tcp_up.add(std::size_t(sent));
    up_.drop_front(std::size_t(sent));
    if (connection_ && !connection_over_) connection_->consumed(std::size_t(sent));
    done += std::size_t(sent);
    if (std::size_t(sent) < asked) return wait_writable(), done;
  }
  if (client_fin_ && !up_failed_) shut_host();
  return done;
}

void TcpFlow::shut_host() noexcept {
  host_shut_ = true;
  if (origin_fin_)
    host_.reset();  // both directions are done
  else
    ::shutdown(fd(), SHUT_WR);
}

void TcpFlow::wait_writable() noexcept {
  writable_ = false;
  const base::Pieces pieces = up_.pieces();
  if (pieces.count() > 1 && pieces.size() / pieces.count() < small_piece) up_.compact();
}

// The origin takes no more. What it sent before may still be there to read, and ends with why.
void TcpFlow::discard_up() noexcept {
  up_failed_ = true;
  const std::size_t lost = up_.size();
  up_ = {};
  if (connection_ && !connection_over_ && lost) connection_->consumed(lost);
  readable_ = true;
  go_on_down();
}

// ---- down: host to client

void TcpFlow::on_sent(std::size_t bytes) noexcept {
  last_progress_ = context_.now();
  down_.release(bytes);
  mark_dirty();
}

// How much to read now; 0 = wait until the client acknowledges more. Not worth it for every freed
// segment: half of what is in flight, or 32 KiB.
std::size_t TcpFlow::read_allowance() const noexcept {
  const std::size_t space = connection_->send_space();
  const std::size_t worth = std::min(enough_space, connection_->unacknowledged());
  return space >= worth ? std::min(space, ChunkPool::largest) : 0;
}

// False while the connection has no memory for what was read already.
bool TcpFlow::send_unsent() noexcept {
  if (!unsent_.empty()) unsent_ = unsent_.subspan(connection_->send(unsent_));
  if (unsent_.empty()) return true;
  if (connection_->unacknowledged() == 0)
    context_.table.set_deadline(*this, context_.now(), context_.now());  // no on_sent will come
  return false;
}

void TcpFlow::go_on_down() noexcept {
  if (state_ != State::open || origin_fin_ || !readable_ || connection_over_) return;
  context_.shaper.join(Shaper::Ring::down, client_.down, down_side_);
}

Moved TcpFlow::read_down(std::size_t most) noexcept {
  std::size_t done = 0;
  if (state_ != State::open || origin_fin_ || !readable_ || connection_over_) return {};
  while (done < most) {
    if (!send_unsent()) return {done};
    const std::size_t asked = std::min(read_allowance(), most - done);
    if (asked == 0) return {done};
    if (connection_->unacknowledged() == 0) last_progress_ = context_.now();
    const ssize_t got = down_.read(fd(), asked, unsent_);
    if (got == 0) return on_origin_end(), Moved{done};
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return readable_ = false, Moved{done};
      if (errno == ENOMEM || errno == ENOBUFS)
        context_.table.set_deadline(*this, context_.now(), context_.now());
      else
        on_origin_error();
      return {done};
    }
    last_active_ = context_.now();
    payload_down_ += std::size_t(got);
    client_.counters.tcp_down.add(std::size_t(got));
    done += std::size_t(got);
    if (!send_unsent()) return {done};
    // There was no more. An end that has been told already is not told again: it must be read.
    if (std::size_t(got) < asked && !host_ended_) return readable_ = false, Moved{done};
  }
  return {done, true};
}

void TcpFlow::on_ready(std::uint32_t events) noexcept {
  if (state_ == State::closed || !host_) return;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) host_ended_ = true;
  if (host_ended_ || (events & EPOLLIN)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (state_ == State::dialling) return on_dial_event(events);
  if (state_ == State::open) up_.empty() ? go_on_down() : on_turn();
}

void TcpFlow::on_origin_end() noexcept {
  if (up_failed_) return on_origin_error();
  origin_fin_ = true;
  last_active_ = last_progress_ = context_.now();
  connection_->shutdown_send();
  if (host_shut_) host_.reset();  // both directions are done
  context_.table.set_deadline(*this, on_deadline(context_.now()), context_.now());
}

// The origin reset the connection: the client is to see the same, behind the bytes that came
// before.
void TcpFlow::on_origin_error() noexcept {
  up_failed_ = true;
  up_ = {};
  if (connection_over_) return finish();
  state_ = State::draining;
  host_.reset();
  finish_draining();
}

void TcpFlow::finish_draining() noexcept {
  if (send_unsent() && connection_->unacknowledged() == 0) close();
}

// ---- the end

void TcpFlow::on_turn() noexcept {
  if (state_ == State::draining) return finish_draining();
  if (state_ != State::open) return;
  go_on_up();
  go_on_down();
  if (is_done()) finish();
}

// The client's connection has ended in order, and the host has all there was.
bool TcpFlow::is_done() const noexcept {
  return state_ == State::open && connection_over_ && (host_shut_ || up_failed_);
}

void TcpFlow::on_reset() noexcept {
  connection_over_ = true;
  close();
}

void TcpFlow::on_closed() noexcept {
  connection_over_ = true;
  if (state_ != State::open) return close();
  if (host_shut_ || up_failed_) return finish();
  mark_dirty();
}

void TcpFlow::finish() noexcept {
  in_order_ = true;
  close();
}

void TcpFlow::close() noexcept {
  if (state_ == State::closed) return;
  if (dial_counted_) context_.table.dial_ended(client_);
  dial_counted_ = false;
  if (connection_) connection_->abort();
  report_end();
  state_ = State::closed;
  connection_.reset();
  if (syn_ && *syn_ && end_ == FlowRecord::End::forced) syn_->reset();
  syn_.reset();
  unsent_ = {};
  down_.clear();
  up_ = {};
  if (host_ && !in_order_) set_close_with_reset(fd());
  host_.reset();
  up_side_.leave(), down_side_.leave();
  context_.table.remove(*this);
}

std::chrono::seconds TcpFlow::no_progress_time() const noexcept {
  const Limits& limits = client_.config.limits;
  return context_.table.is_crowded(client_)
             ? std::min(limits.tcp_no_progress, limits.tcp_no_progress_crowded)
             : limits.tcp_no_progress;
}

base::Time TcpFlow::on_deadline(base::Time now) noexcept {
  const Limits& limits = client_.config.limits;
  base::Time due = base::never;
  if (state_ == State::closed) return due;
  if (state_ == State::dialling) {
    due = dial_deadline();
  } else if (state_ == State::handshake) {
    due = started_ + handshake_time;
  } else {
    // A refusal for want of memory may be followed by no event.
    if (!up_.empty()) writable_ = true;
    if (!up_.empty() || !unsent_.empty() || (readable_ && !origin_fin_)) mark_dirty();
    const bool half_closed = client_fin_ || origin_fin_ || state_ == State::draining;
    due = last_active_ + (half_closed ? limits.tcp_half_closed : limits.tcp_idle);
    if (connection_->unacknowledged() > 0)
      due = std::min(due, last_progress_ + base::Duration(no_progress_time()));
    if (now - started_ > keep_alive_after && host_ && !std::exchange(keeps_alive_, true))
      set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  if (due > now) return std::min(due, run_interim(now));
  if (state_ == State::dialling) context_.counters.dials_failed.add();
  end(FlowRecord::End::idle);
  return base::never;
}

}  // namespace culvert::proxy

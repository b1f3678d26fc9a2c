// Connection: one TCP connection to a server, in the clear or with TLS, not blocking. What is
// written leaves at flush(), once a turn. It stays alive to the end of the turn in which it closed.
#pragma once

#include <memory>
#include <vector>

#include "base/file_descriptor.hpp"
#include "base/ip.hpp"
#include "base/socket_poller.hpp"
#include "dns/upstream_tls.hpp"

namespace culvert::dns {

class Connection final : public base::SocketPoller::Waiter {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_open() noexcept = 0;
    virtual void on_bytes(base::Bytes bytes) noexcept = 0;
    // It is closed by then; never called from start(), write(), flush() or close().
    virtual void on_closed() noexcept = 0;
  };

  // `tls`: the session to be; null = in the clear.
  Connection(base::SocketPoller& poller, std::unique_ptr<TlsSession> tls, Owner& owner) noexcept
      : poller_(poller), tls_(std::move(tls)), owner_(owner) {}

  bool start(const base::Endpoint& to, const base::IpAddress& source) noexcept;
  void write(base::Bytes bytes);
  bool flush() noexcept;  // false: it is broken, and on_closed() is not called; call close()
  void close() noexcept;
  bool is_open() const noexcept { return state_ == State::open; }
  const TlsSession* tls() const noexcept { return tls_.get(); }

  void on_ready(std::uint32_t events) noexcept override;

 private:
  enum class State : std::uint8_t { idle, connecting, handshaking, open, closed };

  void break_off() noexcept;
  bool connected(std::uint32_t events) noexcept;  // false: it has failed
  bool receive() noexcept;
  bool take(base::Bytes bytes) noexcept;
  bool take_tls(base::Bytes bytes) noexcept;
  void become_open() noexcept;
  bool send_out() noexcept;

  base::SocketPoller& poller_;
  std::unique_ptr<TlsSession> tls_;
  Owner& owner_;
  base::FileDescriptor fd_;
  State state_ = State::idle;
  std::vector<std::byte> plain_;  // written before the handshake was done, or in this turn
  std::vector<std::byte> out_;    // for the socket
  std::size_t sent_ = 0;          // of out_
};

}  // namespace culvert::dns

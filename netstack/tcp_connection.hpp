// TcpConnection: one TCP connection with a client, and the only class that knows lwIP's rules for a
// pcb (who frees it, what may be called from a callback, what ERR_ABRT means).
//
// Up: data arrives by on_data as an owned Chain; the receive window shrinks by it and opens again
// only by consumed(), which the owner calls after the host took the bytes. Down: send() lends bytes
// to the stack, which keeps pointing at them until on_sent returns them.
//
// Events are called from Stack::input, tick and flush. A handler may call anything here, and may
// destroy the connection: the pcb is closed or aborted after lwIP has returned.
#pragma once

#include <cstdint>
#include <memory>

#include "base/ip.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"

namespace culvert::netstack {

// Bytes received from a client, still in the buffers they came in. Move-only.
class Chain {
 public:
  Chain() = default;
  explicit Chain(void* pbuf) noexcept;  // netstack's own; takes the reference
  ~Chain();
  Chain(Chain&& other) noexcept;
  Chain& operator=(Chain&& other) noexcept;

  bool empty() const noexcept { return pbuf_ == nullptr; }
  std::size_t size() const noexcept { return size_; }
  // What the first Pieces::max_count buffers hold; may be less than size().
  base::Pieces pieces() const noexcept;
  void drop_front(std::size_t bytes) noexcept;  // frees buffers as they empty
  void append(Chain other) noexcept;            // small pieces are copied together
  // Copies what is left into buffers of its own size, so that a few bytes do not pin a packet
  // buffer.
  void compact() noexcept;

 private:
  void* pbuf_ = nullptr;
  void* tail_ = nullptr;
  std::size_t size_ = 0;
};

// The inner IP packets of one connection: headers, bare acknowledgements and repetitions included.
struct TcpTraffic {
  std::uint64_t packets_in = 0, bytes_in = 0, packets_out = 0, bytes_out = 0;
  base::Time last{};  // when the last one came or left

  void count_in(std::size_t bytes, base::Time now) noexcept {
    ++packets_in, bytes_in += bytes, last = now;
  }
  void count_out(std::size_t bytes, base::Time now) noexcept {
    ++packets_out, bytes_out += bytes, last = now;
  }
};

class TcpConnection {
 public:
  class Events {
   public:
    virtual ~Events() = default;
    virtual void on_established() noexcept = 0;
    virtual void on_data(Chain data) noexcept = 0;
    virtual void on_fin() noexcept = 0;  // the client will send no more
    // The client has acknowledged `bytes` more: they may be reused, and there is send space again.
    virtual void on_sent(std::size_t bytes) noexcept = 0;
    // The connection is over: reset by the client, or given up by the stack. Nothing follows.
    virtual void on_reset() noexcept = 0;
    // Both directions are closed and acknowledged. Nothing follows.
    virtual void on_closed() noexcept = 0;
  };

  struct Impl;  // netstack's own
  explicit TcpConnection(std::unique_ptr<Impl> impl) noexcept;
  // Aborts with RST unless the connection is over. No event follows.
  ~TcpConnection();
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;

  const base::FlowKey& key() const noexcept;
  bool is_established() const noexcept;
  const TcpTraffic& traffic() const noexcept;  // its SYN as well

  // Asks for the connection's memory ahead of use, for an owner that has something else to do
  // first (read its host socket) or several connections to serve.
  void prefetch() const noexcept;

  // How many bytes send() takes now.
  std::size_t send_space() const noexcept;
  // Sent but not yet acknowledged, or not sent yet.
  std::size_t unacknowledged() const noexcept;
  // Lends `data` to the stack until on_sent has returned as many bytes; returns how many were taken
  // (all of them if data.size() <= send_space() and there is memory). They leave at Stack::flush.
  std::size_t send(base::Bytes data) noexcept;
  // FIN after what was sent. Idempotent.
  void shutdown_send() noexcept;

  // The host took `bytes` of what on_data delivered: opens the window by as much.
  void consumed(std::size_t bytes) noexcept;

  // RST to the client. No event follows. Idempotent.
  void abort() noexcept;

 private:
  friend class Stack;
  std::unique_ptr<Impl> impl_;
  const void* pcb_;  // for prefetch() only; it may be gone
};

}  // namespace culvert::netstack

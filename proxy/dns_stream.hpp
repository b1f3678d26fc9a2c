// DnsStream: one TCP connection of a client with the resolver (RFC 7766). Each message has two
// octets of length before it; questions may follow one another without waiting, and answers leave
// in the order in which they are known.
//
// A client that asks nothing for 10 s is hung up on, one that does not finish a question in 5 s as
// well. What it may have waiting here is bounded: a question has at most 4 KiB, and while it does
// not take its answers nothing more is read from it.
#pragma once

#include <deque>
#include <vector>

#include "netstack/stack.hpp"
#include "proxy/deadline_wheel.hpp"

namespace culvert::proxy {

struct ClientState;
class DnsDoor;

class DnsStream final : public Timed, private netstack::TcpConnection::Events {
 public:
  DnsStream(DnsDoor& door, ClientState& client, const base::FlowKey& key, std::uint64_t number);
  ~DnsStream() override;

  bool start(netstack::PendingSyn syn) noexcept;
  // A message that the client asked for on this connection.
  void answer(base::Bytes message) noexcept;
  void no_answer() noexcept;  // to one of its questions
  // Those that came, at most `left`, of which it takes what it read. Where there are more it joins
  // the door's line again.
  void read_queries(std::size_t& left) noexcept;
  void hang_up() noexcept;

  ClientState& client() const noexcept { return client_; }
  std::uint64_t number() const noexcept { return number_; }
  const base::FlowKey& key() const noexcept { return key_; }
  base::Time on_deadline(base::Time now) noexcept override;

 private:
  friend class DnsDoor;
  // Bytes that are lent to the connection.
  struct Block {
    std::vector<std::byte> bytes;
    std::size_t lent = 0, acknowledged = 0;
  };

  void on_established() noexcept override {}
  void on_data(netstack::Chain data) noexcept override;
  void on_fin() noexcept override;
  void on_sent(std::size_t bytes) noexcept override;
  void on_reset() noexcept override;
  void on_closed() noexcept override;

  bool has_query() const noexcept;
  std::size_t query_size() const noexcept;
  std::size_t fill(base::Bytes piece);
  bool ask() noexcept;
  std::vector<std::byte>& room_for(std::size_t bytes);
  void send() noexcept;
  void finish_if_done() noexcept;

  DnsDoor& door_;
  ClientState& client_;
  const base::FlowKey key_;
  const std::uint64_t number_;
  std::unique_ptr<netstack::TcpConnection> connection_;
  netstack::Chain unread_;
  std::vector<std::byte> query_;  // its length and as much of it as has come
  std::deque<Block> blocks_;
  std::vector<std::byte> spare_;  // of a block that is acknowledged
  std::size_t unacknowledged_ = 0;
  std::size_t unanswered_ = 0;  // questions
  bool client_fin_ = false, over_ = false;
  bool is_in_line_ = false;                    // at the door, to be read
  base::Time last_use_, begun_ = base::never;  // of the question that has not wholly come
};

}  // namespace culvert::proxy

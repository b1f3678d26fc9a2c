// Gate: may a client use the tunnel now? Asked for every packet from and to it, so that a quota
// ends where it is used up, whatever is in flight: a worker lets at most one packet too many pass
// (of a group, what other workers have not charged yet, 16 KiB each).
//
// A client that is stopped has its flows reset at once. What still leaves towards it then is what
// the tunnel's own address tells it (portal.hpp), ICMP and resets. It is let go with the first
// packet after the controls say so.
#pragma once

#include <span>
#include <vector>

#include "base/controls.hpp"
#include "base/pieces.hpp"
#include "base/time.hpp"

namespace culvert::proxy {

struct ClientState;
struct Context;

// What the gate knows of one client.
struct GateState {
  base::Stop stopped = base::Stop::none;
  bool stop_due = false;      // its flows are reset at the end of the turn
  std::uint64_t group = 0;    // as PeerControls::group
  std::uint64_t charged = 0;  // so much of its bytes has been charged to the group
};

class Gate {
 public:
  explicit Gate(Context& context);

  void add(ClientState& client) noexcept;  // before its first packet

  // An inner packet of the client came in.
  void on_input(ClientState& client) noexcept;
  // May a packet leave towards the client? One that may not is counted. Called inside lwIP too.
  bool lets_out(ClientState& client) noexcept;
  // May something be opened towards the client, or a packet of another client go to it? One that
  // may not is counted.
  bool lets_in(ClientState& client) noexcept;

  // Once per turn: resets the flows of those whom lets_out() found over their quota.
  void run_due() noexcept;
  // Finds the stopped among clients that move no packets.
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;

 private:
  base::Stop reason(ClientState& client) noexcept;
  base::Stop charge(ClientState& client, std::uint64_t group, std::uint64_t total) noexcept;
  void pay(std::size_t group) noexcept;
  void stop(ClientState& client, base::Stop why) noexcept;

  Context& context_;
  std::span<base::GroupControls> groups_;
  std::vector<std::uint64_t> unpaid_;  // of each group, by this worker
  bool owes_ = false;                  // some of it is not 0
  bool watching_ = false;              // there is a client with controls
  bool any_due_ = false;
  ClientState* closing_ = nullptr;
  unsigned resets_left_ = 0;
  base::Time next_tick_{};
};

}  // namespace culvert::proxy

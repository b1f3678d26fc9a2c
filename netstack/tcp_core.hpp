// TcpCore: everything between the IP layer and lwIP's TCP.
//
// Theory of operation. lwIP keeps its pcbs in global lists and walks them for every packet and
// every tick. Here they are in no list at all: the FlowTable knows the pcb of a 4-tuple, and while
// lwIP works on it, its list is that one pcb (PcbScope). For the timer, the pcbs that need one
// (something in flight, a delayed ACK, a state that times out) are strung together for the length
// of tcp_tmr; an idle connection costs nothing.
//
// lwIP's callbacks only take notes in the flow (tcp_flow.hpp). Events are delivered after lwIP has
// returned, so a handler may do anything to any connection, and lwIP never sees a pcb that was
// freed under it. Data is always taken: lwIP's refused-data path has a use after free, which this
// keeps out of reach.
//
// A SYN of an unknown 4-tuple is parked outside lwIP (PendingSyn). accept() replays it into the one
// listener, whose port is set to the packet's.
//
// Output: data leaves at flush(). A pure ACK that lwIP makes while it takes a packet in is held
// until then as well, so that a batch of segments is acknowledged once; duplicate ACKs and SACKs
// leave at once, each of them, because the client counts them.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/headers.hpp"
#include "base/siphash.hpp"
#include "lwip/tcp.h"
#include "netstack/budget.hpp"
#include "netstack/flow_table.hpp"
#include "netstack/icmp.hpp"
#include "netstack/sender.hpp"
#include "netstack/stack.hpp"
#include "netstack/tcp_flow.hpp"

namespace culvert::netstack {

// Long enough for what is still under way inside a tunnel, short enough that thousands of
// connections a second can come and go.
inline constexpr auto time_wait_length = std::chrono::seconds(10);

class TcpCore {
 public:
  TcpCore(const Stack::Config& config, Stack::Events& events, Sender& sender, IcmpReporter& icmp,
          base::Random& random, base::WorkerCounters& counters);
  ~TcpCore();
  TcpCore(const TcpCore&) = delete;
  TcpCore& operator=(const TcpCore&) = delete;

  // One segment; `p` (taken over) is at its TCP header, `ip` views the packet in the same buffer.
  void input(pbuf* p, const base::IpView& ip, const base::TcpView& tcp, base::Time now) noexcept;
  // Processes segments that wait for their memory or to be joined with following ones.
  void deliver() noexcept;
  void flush(base::Time now) noexcept;
  void tick(base::Time now) noexcept;
  base::Time next_deadline() const noexcept;

  std::unique_ptr<TcpConnection::Impl> accept(PendingSyn::Parked& parked,
                                              TcpConnection::Events& events) noexcept;
  void reset(PendingSyn::Parked& parked) noexcept;
  void reject(PendingSyn::Parked& parked, IcmpError error) noexcept;
  void forget(PendingSyn::Parked& parked) noexcept;
  std::unique_ptr<TcpConnection::Impl> connect(const base::FlowKey& key,
                                               TcpConnection::Events& events) noexcept;

  // For lwip_port.
  void transmit(pbuf* p, const base::IpAddress& source, const base::IpAddress& destination,
                std::uint8_t ttl, std::uint8_t tos) noexcept;
  std::uint32_t initial_sequence_number(std::span<const std::byte> flow) const noexcept;

  // For TcpConnection::Impl.
  void make_dirty(TcpConnection::Impl& flow) noexcept { dirty_.append(flow.dirty); }
  void update_busy(TcpConnection::Impl& flow) noexcept;
  void abort(TcpConnection::Impl& flow) noexcept;
  void leave(TcpConnection::Impl& flow) noexcept;  // out of the table and of every list
  Budget& budget() noexcept { return budget_; }
  base::Time now() const noexcept { return now_; }
  const Stack::Config& config() const noexcept { return config_; }

  void add_usage(Stack::Usage& usage) const noexcept;

 private:
  using Flow = TcpConnection::Impl;
  // A pcb that answers what still arrives for a closed connection; nobody owns it any more.
  struct TimeWait : FlowEntry {
    TimeWait(const base::FlowKey& flow, tcp_pcb* its_pcb) noexcept
        : FlowEntry(Kind::time_wait, flow), pcb(its_pcb) {}
    tcp_pcb* pcb;
    base::Time until{};
    Link link{this};
  };

  // A packet whose table entry, flow and pcb are on their way into the cache.
  struct Waiting {
    pbuf* p = nullptr;
    std::size_t hash = 0;
    base::FlowKey key;
    base::IpView ip;
    base::TcpView tcp;
  };

  void process_waiting() noexcept;
  void dispatch(const Waiting& packet) noexcept;
  void unknown(pbuf* p, const base::IpView& ip, const base::TcpView& tcp,
               const base::FlowKey& key) noexcept;
  void parked_input(PendingSyn::Parked& parked, pbuf* p, const base::IpView& ip,
                    const base::TcpView& tcp) noexcept;
  void flow_input(Flow& flow, pbuf* p, const base::TcpView& tcp) noexcept;
  bool try_join(Flow& flow, pbuf* p, const base::TcpView& tcp) noexcept;
  void deliver_joined(Flow& flow) noexcept;
  void feed(Flow& flow, pbuf* p, unsigned segments) noexcept;
  void time_wait_input(TimeWait& waiting, pbuf* p, const base::IpView& ip,
                       const base::TcpView& tcp) noexcept;
  void send_reset(const base::FlowKey& key, const base::TcpView& tcp) noexcept;

  void start(Flow& flow, tcp_pcb* pcb) noexcept;
  void enter_time_wait(Flow& flow) noexcept;
  void renew(TimeWait& waiting) noexcept;
  void drop_time_wait(TimeWait& waiting) noexcept;
  void run_timers() noexcept;
  void deliver_notes() noexcept;
  void flush_flow(Flow& flow) noexcept;
  Flow* flow_of(const pbuf* p, const base::IpAddress& source,
                const base::IpAddress& destination) const noexcept;
  void send_segment(pbuf* p, const base::IpAddress& source, const base::IpAddress& destination,
                    std::uint8_t ttl, std::uint8_t tos) noexcept;

  Stack::Config config_;
  Stack::Events& events_;
  Sender& sender_;
  IcmpReporter& icmp_;
  base::WorkerCounters& counters_;
  base::SipKey isn_key_;
  base::Time now_{};
  base::Time next_tick_{};

  FlowTable table_;
  tcp_pcb_listen* listener_ = nullptr;
  Flow* receiving_ = nullptr;  // the flow whose packet lwIP is taking in
  Flow* flushing_ = nullptr;   // the flow whose data leaves
  Link dirty_;                 // flush() has something to do
  Link busy_;                  // the timer has something to do
  Link noted_;                 // events to deliver
  Link joining_;               // segments wait for following ones
  Link time_waits_;            // oldest first
  std::array<Waiting, 16> waiting_;
  std::size_t waiting_count_ = 0, waiting_done_ = 0;
  std::vector<std::byte> flat_;  // a segment in too many pieces
  std::size_t connections_ = 0, time_wait_count_ = 0, parked_count_ = 0;
  Budget budget_;
};

}  // namespace culvert::netstack

// Shaper: who may move bytes next between a host socket and the tunnel, and how many.
//
// What wants to move bytes in one direction (a Mover: a flow's up side or its down side) waits in
// the ring of its client's Lane, and the lanes wait in a ring of the worker. Both are served in
// turn, a quantum to each (deficit round robin, Shreedhar and Varghese 1995): a client with fifty
// flows gets what one with one flow gets, and a client's flows share alike. A stream can be cut
// anywhere, so a quantum is spent whole and no deficit is left to carry.
//
// A lane with a limit, its own or its group's, is served as its buckets allow; short of that it
// waits, and next_deadline() says for how long. Streams wait, datagrams are policed: they pass or
// are dropped. Every call of serve() is bounded: what is left over is served in the next loop turn.
//
// Flows join; the proxy serves once a loop turn. It knows neither sockets nor the stack.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <memory>
#include <span>
#include <vector>

#include "proxy/group_share.hpp"

namespace culvert::proxy {

using TurnHook =
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
using LaneHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Moved {
  std::size_t bytes = 0;
  bool more = false;  // it wants another turn; if not, it joins again when it can go on
};

class Mover {
 public:
  virtual ~Mover() = default;
  // Its turn: moves at most `most` bytes (of datagrams, about as many).
  virtual Moved move(std::size_t most) noexcept = 0;
  bool waits() const noexcept { return turn_hook.is_linked(); }
  void leave() noexcept { turn_hook.unlink(); }
  TurnHook turn_hook;
};

// A side of a flow: `go` is what it does in its turn.
template <class Owner, Moved (Owner::*go)(std::size_t) noexcept>
class Side final : public Mover {
 public:
  explicit Side(Owner& owner) noexcept : owner_(owner) {}
  Moved move(std::size_t most) noexcept override { return (owner_.*go)(most); }

 private:
  Owner& owner_;
};

class Lane;
using Lanes = boost::intrusive::list<Lane, boost::intrusive::base_hook<LaneHook>,
                                     boost::intrusive::constant_time_size<false>>;

// Something that is to be looked at again at a time.
struct Waiting
    : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  base::Time due{};
  Lane* lane = nullptr;    // this one, or
  Lanes* lanes = nullptr;  // all that wait for a group
  bool operator<(const Waiting& other) const noexcept { return due < other.due; }
};

struct GroupQueue;

// The limits of a lane.
struct Terms {
  std::uint64_t own = 0, of_group = 0;
  GroupQueue* group = nullptr;  // set if of_group is
  std::uint64_t rate() const noexcept { return stricter(own, of_group); }
};

// One client in one direction: in the worker's ring, or in the queue of its group.
class Lane : public LaneHook {
 public:
  // Without controls it has no limit.
  Lane(const base::PeerControls* controls, const base::PeerCounters& counters,
       Direction direction) noexcept
      : controls_(controls), counters_(counters), direction_(direction) {
    timer_.lane = this;
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

 private:
  friend class Shaper;
  using Movers =
      boost::intrusive::list<Mover,
                             boost::intrusive::member_hook<Mover, TurnHook, &Mover::turn_hook>,
                             boost::intrusive::constant_time_size<false>>;
  std::uint64_t rate() const noexcept {
    return controls_ ? rate_of(*controls_, counters_, direction_) : 0;
  }
  bool waits() const noexcept { return LaneHook::is_linked() || timer_.is_linked(); }

  const base::PeerControls* const controls_;
  const base::PeerCounters& counters_;
  const Direction direction_;
  Movers movers_;
  Terms terms_;
  base::Time terms_at_{};  // the loop turn in which they were read
  StreamBucket streams_;
  DatagramBucket datagrams_;
  Waiting timer_;
};

// A group's share and the lanes that wait for it.
struct GroupQueue {
  GroupQueue(base::GroupControls& controls, Direction direction) noexcept
      : share(controls, direction) {
    timer.lanes = &lanes;
  }
  GroupShare share;
  Lanes lanes;
  Waiting timer;
};

class Shaper {
 public:
  // One ring for the streams of each direction, and one for sockets of datagrams to be read.
  enum class Ring : std::uint8_t { up, down, datagrams };
  // Bytes in one call of serve(), about.
  static constexpr std::size_t turn_bytes = 256 << 10;

  explicit Shaper(std::span<base::GroupControls> groups);

  // True if the lane's streams have to wait for their turn. Up, others may write at once.
  bool is_limited(Lane& lane, base::Time now) noexcept;
  // No effect on a mover that waits already.
  void join(Ring ring, Lane& lane, Mover& mover) noexcept;
  void serve(Ring ring, base::Time now) noexcept;
  // May a datagram pass? Charges it.
  bool pass(Lane& lane, std::size_t bytes, base::Time now) noexcept;

  // True if serve() stopped because it had done enough, not because all wait.
  bool is_backlogged() const noexcept;
  base::Time next_deadline() const noexcept;

 private:
  using Timers = boost::intrusive::multiset<Waiting, boost::intrusive::constant_time_size<false>>;
  struct Turns {
    Lanes active;
    Timers timers;
  };
  Turns& of(Ring ring) noexcept { return turns_[std::size_t(ring)]; }
  const Terms& terms_of(Lane& lane, base::Time now) noexcept;
  GroupQueue* group_of(const Lane& lane) noexcept;
  static void wake(Turns& turns, base::Time now) noexcept;
  static std::size_t quantum_of(std::uint64_t rate) noexcept;
  std::size_t visit(Turns& turns, Lane& lane, base::Time now) noexcept;
  static bool has_tokens(Lane& lane, const Terms& terms, std::int64_t bytes,
                         base::Time now) noexcept;
  static void park(Turns& turns, Lane& lane, const Terms& terms, std::int64_t bytes,
                   base::Time now) noexcept;
  static void wait_until(Turns& turns, Waiting& timer, base::Time due, base::Time now) noexcept;

  const std::span<base::GroupControls> controls_;
  std::array<Turns, 3> turns_;
  // By group and direction.
  std::vector<std::array<std::unique_ptr<GroupQueue>, 2>> groups_;
};

}  // namespace culvert::proxy
